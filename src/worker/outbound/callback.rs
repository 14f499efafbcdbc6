//! Callbacks: the end of an execution goes to where its sender wants to hear of it, beside the endpoints that subscribe.

use std::collections::HashMap;

use secrecy::SecretString;

use super::Outbound;
use super::dispatch::{delivery, readable};
use crate::app::WebhookEntry;
use crate::cipher::CipherError;
use crate::model::{AgentId, Event, EventType, ExecutionId, SealedKind, Webhook, WebhookKind};
use crate::store::{self, NewDelivery};

impl Outbound {
    /// The deliveries of these events that are callbacks.
    pub(super) async fn callbacks(&self, events: &[Event]) -> store::Result<Vec<NewDelivery>> {
        let ends = events.iter().filter_map(|event| Some((event, end_of(event)?)));
        let ends: Vec<(&Event, (ExecutionId, AgentId))> = ends.collect();
        // Few agents call back, so what is asked first is which of these do.
        let mut endpoints: HashMap<AgentId, Option<Webhook>> = HashMap::new();
        for (_, (_, agent_id)) in &ends {
            if !endpoints.contains_key(agent_id) {
                let webhook = readable(self.worker.app.store.callback_webhook(*agent_id).await)?;
                endpoints.insert(*agent_id, webhook);
            }
        }
        let calling = ends.iter().filter(|(_, (_, agent_id))| endpoints[agent_id].is_some());
        let calling: Vec<ExecutionId> = calling.map(|(_, (execution_id, _))| *execution_id).collect();
        let calling = self.worker.app.store.calling_back(&calling).await?;
        let made = ends.iter().filter_map(|(event, (execution_id, agent_id))| {
            let webhook = endpoints[agent_id].as_ref().filter(|_| calling.contains(execution_id))?;
            Some(delivery(event, webhook))
        });
        Ok(made.collect())
    }

    /// Where a delivery goes that does not go where its endpoint is.
    pub(super) async fn own_url(&self, endpoint: &WebhookEntry, event: &Event) -> store::Result<OwnUrl> {
        if endpoint.webhook.kind != WebhookKind::Callback {
            return Ok(OwnUrl::None);
        }
        let app = &self.worker.app;
        let Some(id) = event.execution_id else { return Ok(OwnUrl::Gone) };
        let Some(sealed) = app.store.callback_of(id).await? else { return Ok(OwnUrl::Gone) };
        Ok(app
            .cipher
            .open(&SealedKind::Callback.owner(id), &sealed)
            .map_or_else(OwnUrl::Closed, OwnUrl::Open))
    }
}

/// The URL of one delivery alone.
pub(super) enum OwnUrl {
    /// It goes where its endpoint is.
    None,
    /// It is a callback, and goes there.
    Open(SecretString),
    /// It is one, and no key opens where it goes.
    Closed(CipherError),
    /// It is one, and its execution is not there any more.
    Gone,
}

/// Whose end the event tells, if it tells one to everybody.
fn end_of(event: &Event) -> Option<(ExecutionId, AgentId)> {
    let is_end = matches!(event.event_type, EventType::ExecutionCompleted | EventType::ExecutionFailed);
    if !is_end || event.webhook_id.is_some() {
        return None;
    }
    Some((event.execution_id?, event.agent_id?))
}
