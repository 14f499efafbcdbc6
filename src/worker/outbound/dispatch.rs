//! Dispatch: for each new event a delivery to each endpoint that wants it.
//!
//! The events of all tenants are dispatched together, as long as each takes little of that: whose filters take long, or
//! whose deliveries are many, is left to a task of its own, and keeps nobody else waiting.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::{Outbound, TURN};
use crate::app::WebhookEntry;
use crate::filter::event_facts;
use crate::model::{
    DeliveryError, DeliveryErrorCode, DeliveryId, Event, EventType, RunEnd, TenantId, Webhook, WebhookId,
    WebhookKind, WebhookStatus,
};
use crate::store::{self, NewDelivery, Undispatched};

/// Events, and tenants, that are dispatched together.
const BATCH: usize = 500;
/// With so many deliveries a batch is whole: they are one transaction.
const MANY_DELIVERIES: usize = 5000;
/// What a tenant may take of what is dispatched together: deliveries,
const SHARE: usize = 1000;
/// and time.
const SHARE_OF_TIME: Duration = Duration::from_millis(200);
/// A tenant that is dispatched alone has what is done written down so often, or after a single event.
const WRITTEN: Duration = Duration::from_secs(2);
/// How far the clocks of two machines may be apart. An endpoint was made on one of them and an event on another: what
/// happened up to so long before the endpoint was made is told to it, rather than that it misses what came after.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::seconds(5);

/// Endpoints as they are now, ready for use.
#[derive(Default)]
struct Endpoints {
    of_tenant: HashMap<TenantId, Vec<Arc<WebhookEntry>>>,
    platform: Option<Option<Arc<WebhookEntry>>>,
    addressed: HashMap<WebhookId, Option<Arc<WebhookEntry>>>,
}

/// Whose events a batch has, and so when it ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Company {
    /// Those of all, each with its share.
    Together,
    /// A tenant's alone.
    Alone,
}

/// What became of a batch.
#[derive(Default)]
struct Dispatched {
    /// There were events, and they are dispatched.
    any: bool,
    /// Those whose events take more than their share.
    heavy: HashSet<String>,
}

/// What a tenant has taken of a batch.
#[derive(Default)]
struct Taken {
    time: Duration,
    deliveries: usize,
}

impl Outbound {
    /// Makes the deliveries of events until `stop`.
    pub(super) async fn keep_dispatching(self, stop: CancellationToken) {
        let app = self.worker.app.clone();
        let (mut alone, mut tasks) = (HashMap::<String, AbortHandle>::new(), JoinSet::new());
        let mut turn = interval(TURN);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = turn.tick() => {}
                () = app.outbound.notified() => {}
                // What came for a tenant since its task last looked.
                Some(_) = tasks.join_next() => {}
                () = stop.cancelled() => return,
            }
            // What somebody wants sent again is due without any event.
            self.wake.notify_one();
            while !stop.is_cancelled() {
                alone.retain(|_, task| !task.is_finished());
                match self.dispatch_together(&alone).await {
                    Ok(dispatched) => {
                        for tenant in dispatched.heavy {
                            let task = tasks.spawn(self.clone().dispatch_alone(tenant.clone(), stop.clone()));
                            alone.insert(tenant, task);
                        }
                        if !dispatched.any {
                            break;
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "events could not be looked for");
                        break;
                    }
                }
            }
        }
    }

    /// Some events of each tenant that is not dispatched alone just now.
    async fn dispatch_together(&self, alone: &HashMap<String, AbortHandle>) -> store::Result<Dispatched> {
        let mut tenants = self.worker.app.store.undispatched_tenants().await?;
        tenants.retain(|tenant| !alone.contains_key(tenant));
        tenants.truncate(BATCH);
        if tenants.is_empty() {
            return Ok(Dispatched::default());
        }
        self.dispatch(&tenants, Company::Together).await
    }

    /// All events of one tenant.
    async fn dispatch_alone(self, tenant: String, stop: CancellationToken) {
        let tenant = [tenant];
        while !stop.is_cancelled() {
            match self.dispatch(&tenant, Company::Alone).await {
                Ok(dispatched) if dispatched.any => {}
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(tenant = tenant[0], %error, "a tenant's events could not be dispatched");
                    return;
                }
            }
        }
    }

    async fn dispatch(&self, tenants: &[String], company: Company) -> store::Result<Dispatched> {
        let app = &self.worker.app;
        let each = (BATCH / tenants.len().max(1)).max(1);
        let Undispatched { events, unreadable } = app.store.undispatched(tenants, each as i64).await?;
        let (mut endpoints, mut deliveries) = (Endpoints::default(), Vec::new());
        let (mut done, mut heavy) = (Vec::with_capacity(events.len()), HashSet::new());
        let (mut taken, began) = (HashMap::<String, Taken>::new(), Instant::now());
        for event in events {
            let is_whole = deliveries.len() >= MANY_DELIVERIES
                || company == Company::Alone && !done.is_empty() && began.elapsed() >= WRITTEN;
            if is_whole {
                break;
            }
            let tenant = event.tenant_id.as_ref().map_or("", TenantId::as_str).to_owned();
            if heavy.contains(&tenant) {
                continue;
            }
            let taken = taken.entry(tenant.clone()).or_default();
            let began = Instant::now();
            let is_over = taken.deliveries >= SHARE || taken.time >= SHARE_OF_TIME;
            let told = match company {
                Company::Alone => Some(self.told(&event, &mut endpoints).await?),
                Company::Together if is_over => None,
                Company::Together => {
                    let told = self.told(&event, &mut endpoints);
                    timeout(SHARE_OF_TIME - taken.time, told).await.ok().transpose()?
                }
            };
            let Some(told) = told else {
                heavy.insert(tenant);
                continue;
            };
            taken.time += began.elapsed();
            taken.deliveries += told.len();
            deliveries.extend(told);
            done.push(event);
        }
        deliveries.extend(self.callbacks(&done).await?);
        let mut ids: Vec<_> = done.iter().map(|event| event.event_id).collect();
        // What cannot be read is set aside as if it were dispatched: it must not stand in the way of all others.
        ids.extend(unreadable.iter().map(|(id, _)| *id));
        if ids.is_empty() {
            return Ok(Dispatched { any: false, heavy });
        }
        let ends: Vec<_> = done.iter().filter_map(RunEnd::of).collect();
        let ours = app.store.dispatch(&ids, &deliveries, &ends, app.clock.now()).await?;
        self.wake.notify_one();
        for (event_id, error) in &unreadable {
            tracing::error!(%event_id, %error, "an event cannot be read, and nobody is told of it");
        }
        if let Some(platform) = endpoints.platform.flatten() {
            let told = deliveries.iter().filter(|new| new.webhook_id == platform.webhook.webhook_id);
            let told = told.map(|new| new.event_id).filter(|id| ours.contains(id)).collect();
            self.publish_models(&platform.webhook, &done, &told);
        }
        Ok(Dispatched { any: true, heavy })
    }

    /// The deliveries of an event but for its callback. May be given up while it is at it.
    async fn told(&self, event: &Event, endpoints: &mut Endpoints) -> store::Result<Vec<NewDelivery>> {
        let mut told = Vec::new();
        // Parsed once for all filters, and only if there is one.
        let facts = OnceCell::new();
        for endpoint in self.endpoints_of(event, endpoints).await? {
            if self.wants(&endpoint, event, &facts).await {
                told.push(delivery(event, &endpoint.webhook));
            }
        }
        Ok(told)
    }

    /// Who may hear of an event: its tenant's endpoints, the platform's, or the one that it is addressed to.
    async fn endpoints_of(
        &self,
        event: &Event,
        known: &mut Endpoints,
    ) -> store::Result<Vec<Arc<WebhookEntry>>> {
        if let Some(id) = event.webhook_id {
            if let std::collections::hash_map::Entry::Vacant(place) = known.addressed.entry(id) {
                let webhook = readable(self.worker.app.store.webhook(id).await)?;
                place.insert(self.ready(webhook).await?);
            }
            return Ok(known.addressed[&id].iter().cloned().collect());
        }
        let mut all = Vec::new();
        if let Some(tenant_id) = &event.tenant_id {
            if !known.of_tenant.contains_key(tenant_id) {
                let mut ready = Vec::new();
                for webhook in self.worker.app.store.subscribed(tenant_id).await? {
                    ready.extend(self.ready(Some(webhook)).await?);
                }
                known.of_tenant.insert(tenant_id.clone(), ready);
            }
            all.extend(known.of_tenant[tenant_id].iter().cloned());
        }
        if event.event_type == EventType::ModelRegistered {
            if known.platform.is_none() {
                let webhook = readable(self.worker.app.store.platform_webhook().await)?;
                known.platform = Some(self.ready(webhook).await?);
            }
            all.extend(known.platform.iter().flatten().cloned());
        }
        Ok(all)
    }

    async fn ready(&self, webhook: Option<Webhook>) -> store::Result<Option<Arc<WebhookEntry>>> {
        let Some(webhook) = webhook else { return Ok(None) };
        let app = &self.worker.app;
        readable(app.webhooks.get(&app.store, &app.cipher, webhook.webhook_id, webhook.version).await)
    }

    async fn wants(&self, endpoint: &Arc<WebhookEntry>, event: &Event, facts: &OnceCell<Arc<Value>>) -> bool {
        let webhook = &endpoint.webhook;
        if event.webhook_id.is_some() {
            return webhook.profile.can_tell(&event.event_type);
        }
        let subscribed = webhook.kind != WebhookKind::Callback
            && webhook.agent_id.is_none_or(|agent_id| event.agent_id == Some(agent_id))
            && webhook.profile.can_tell(&event.event_type)
            && webhook.events.iter().any(|pattern| pattern.matches(&event.event_type))
            // What happened before it was there is none of its business.
            && webhook.created_at <= event.at + CLOCKS_DIFFER;
        subscribed && self.passes(endpoint, event, facts).await
    }

    /// Whether its filter lets an event pass. What cannot be evaluated does not: most often data of another kind lacks
    /// what the filter asks about.
    async fn passes(
        &self,
        endpoint: &Arc<WebhookEntry>,
        event: &Event,
        facts: &OnceCell<Arc<Value>>,
    ) -> bool {
        let filter = match &endpoint.filter {
            None => return true,
            Some(Ok(filter)) => filter,
            Some(Err(error)) => {
                tracing::error!(webhook_id = %endpoint.webhook.webhook_id, %error, "a filter cannot be used");
                return false;
            }
        };
        let facts = facts.get_or_init(async || Arc::new(event_facts(event))).await;
        let quick = filter.quick_matches_event(facts);
        // A thousand of them take a while, and whoever waits for us has a time-out.
        tokio::task::yield_now().await;
        if let Some(answer) = quick {
            return answer.unwrap_or(false);
        }
        let Ok(turn) = self.costly.clone().acquire_owned().await else { return false };
        let (endpoint, facts) = (endpoint.clone(), facts.clone());
        let costly = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let filter = endpoint.filter.as_ref()?.as_ref().ok()?;
            filter.matches_event(&facts).ok()
        });
        costly.await.ok().flatten().unwrap_or(false)
    }
}

/// An endpoint that cannot be read is told nothing: it must not keep the others from hearing.
pub(super) fn readable<T>(found: store::Result<Option<T>>) -> store::Result<Option<T>> {
    match found {
        Err(error) if error.is_unreadable() => {
            tracing::error!(%error, "an endpoint cannot be read: it is told nothing");
            Ok(None)
        }
        found => found,
    }
}

/// The delivery of an event to an endpoint that is to hear of it.
pub(super) fn delivery(event: &Event, webhook: &Webhook) -> NewDelivery {
    let error = (webhook.status == WebhookStatus::Disabled).then(|| DeliveryError {
        code: DeliveryErrorCode::EndpointDisabled,
        message: "the endpoint was disabled when this happened: enable it, and recover what it has missed"
            .into(),
    });
    NewDelivery {
        delivery_id: DeliveryId::new(),
        event_id: event.event_id,
        webhook_id: webhook.webhook_id,
        event_type: event.event_type.clone(),
        error,
    }
}
