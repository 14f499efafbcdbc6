//! What others are told: events become deliveries, and deliveries become requests.
//!
//! Four loops, none of which waits for another. One makes the deliveries of new events ([`dispatch`], [`callback`]), as soon
//! as it is rung for. One claims what is due, endpoint by endpoint, as far as there is room ([`lanes`]), whenever there is
//! room again. One goes on with what people want sent again ([`recovery`]), and one looks for what is held and not sent. All
//! look four times a second anyway, the last one seldomer. Each attempt is a task of its own ([`attempt`]), and its outcome is
//! written together with others'.

mod attempt;
mod callback;
mod dispatch;
mod lanes;
mod model_ready;
mod outcome;
mod probe;
mod recovery;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Worker;
use crate::model::DeliveryId;
use crate::quiet::Quiet;
use crate::signal::Publisher;
use crate::store::{self, DeliveryOutcome, Group, Room};
use lanes::Lanes;

/// How often the ledger is asked what is due: the delay of a retry, or of a lost hint, at most.
const TURN: Duration = Duration::from_millis(250);
/// With so much under way attempts end all the time, and a look that each of them calls for asks the database for little:
/// what ends within [`GATHER`] is made up for by one look.
const MANY: usize = 32;
/// See [`MANY`]: short beside any attempt.
const GATHER: Duration = Duration::from_millis(5);
/// How often what we hold is compared with what we send.
const HOLDS: Duration = Duration::from_secs(5);
/// Costly filters that are evaluated at once.
const COSTLY: usize = 4;

/// The outbound half of a worker; cheap to clone.
#[derive(Clone)]
pub(super) struct Outbound {
    worker: Worker,
    lanes: Lanes,
    outcomes: Group<DeliveryOutcome>,
    /// Where those hear of models who do so on Redis; none without a Redis.
    models: Option<Publisher>,
    /// There may be room again, or something due.
    wake: Arc<Notify>,
    /// Whoever waits longest is next, and a tenant waits once.
    costly: Arc<Semaphore>,
    /// Of what the encryption keys do not open.
    closed: Arc<Mutex<Quiet>>,
}

impl Outbound {
    pub(super) fn new(worker: Worker) -> Self {
        let room = worker.app.settings.outbound.delivery_concurrency;
        let outcomes = Group::start(worker.app.store.clone(), room);
        let models = worker.app.model_ready.clone().map(|channel| channel.start(&worker.app.tasks));
        let costly = Arc::new(Semaphore::new(COSTLY));
        let lanes = Lanes::new(room);
        Self { worker, lanes, outcomes, models, wake: Arc::default(), costly, closed: Arc::default() }
    }

    /// Dispatches and sends until `stop`; then attempts under way may end.
    pub(super) async fn run(self, stop: CancellationToken) {
        let app = &self.worker.app;
        if app.store.is_embedded()
            && let Err(error) = app.store.give_back_deliveries(app.clock.now()).await
        {
            tracing::warn!(%error, "could not take back what was being sent when the last process ended");
        }
        let mut loops = JoinSet::new();
        loops.spawn(self.clone().keep_dispatching(stop.clone()));
        loops.spawn(self.clone().keep_claiming(stop.clone()));
        loops.spawn(self.clone().keep_recovering(stop.clone()));
        loops.spawn(self.clone().compare_holds(stop.clone()));
        while let Some(ended) = loops.join_next().await {
            if !stop.is_cancelled() {
                // Nothing would be sent and nobody would know. Whoever started us sees us end.
                tracing::error!(?ended, "a part of what sends webhooks ended by itself");
                return;
            }
        }
    }

    /// Waits until nothing is under way.
    pub(super) async fn quiet(&self) {
        self.lanes.quiet().await;
    }

    /// Claims and sends until `stop`.
    async fn keep_claiming(self, stop: CancellationToken) {
        let mut turn = interval(TURN);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = turn.tick() => {}
                () = self.wake.notified() => {
                    if self.lanes.in_flight() >= MANY {
                        tokio::time::sleep(GATHER).await;
                    }
                }
                () = stop.cancelled() => return,
            }
            while !stop.is_cancelled() {
                match self.fill().await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        tracing::warn!(%error, "deliveries could not be looked for");
                        break;
                    }
                }
            }
        }
    }

    /// Claims as much as there is room for; `false`: there is no room, or nothing to claim.
    async fn fill(&self) -> store::Result<bool> {
        if !self.worker.may_claim() || self.lanes.is_full() {
            return Ok(false);
        }
        let (store, owner, now) = (&self.worker.app.store, self.worker.id, self.worker.app.clock.now());
        let deliverable = store.deliverable(now).await?;
        let (mut rooms, mut endpoints, mut probes) = (Vec::new(), HashMap::new(), HashMap::new());
        for (endpoint, deliveries) in self.lanes.rooms(&deliverable, now) {
            let (webhook_id, is_probe) = (endpoint.webhook_id, endpoint.half_open);
            // Of a half-open circuit one delivery in all processes.
            if is_probe {
                let Some(probe) = self.probe(&endpoint, now).await? else { continue };
                probes.insert(webhook_id, probe);
            }
            rooms.push(Room { webhook_id, deliveries: if is_probe { 1 } else { deliveries }, is_probe });
            endpoints.insert(webhook_id, endpoint);
        }
        if rooms.is_empty() {
            return Ok(false);
        }
        let claimed = store.claim_deliveries(&rooms, owner, now).await?;
        let found = !claimed.is_empty();
        for (delivery, event) in claimed {
            let id = delivery.webhook_id;
            if let Some(endpoint) = endpoints.get(&id) {
                self.send(delivery, event, endpoint, probes.remove(&id));
            }
        }
        // The probes that are left are given back: another had just claimed what they were for.
        Ok(found)
    }

    /// Compares what we hold with what we send, until `stop`.
    async fn compare_holds(self, stop: CancellationToken) {
        let (mut turn, mut held) = (interval(HOLDS), Vec::new());
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = turn.tick() => held = self.let_go_of_strays(&held).await,
                () = stop.cancelled() => return,
            }
        }
    }

    /// Gives back what was held and not sent a look before and is so now; what is so now is the answer. A claim may have
    /// been committed and its answer lost.
    async fn let_go_of_strays(&self, before: &[(DeliveryId, i32)]) -> Vec<(DeliveryId, i32)> {
        let app = &self.worker.app;
        let under_way = self.lanes.under_way();
        let Ok(mut held) = app.store.held_deliveries(self.worker.id).await else { return Vec::new() };
        held.retain(|(id, _)| !under_way.contains(id) && !self.lanes.has(*id));
        for (id, claims) in before.iter().filter(|one| held.contains(one)) {
            tracing::warn!(%id, "held and not sent; it is sent again");
            let now = app.clock.now();
            if let Err(error) = app.store.let_go_of_delivery(*id, self.worker.id, *claims, now).await {
                tracing::warn!(%id, %error, "could not let go of a delivery");
            }
        }
        held
    }
}
