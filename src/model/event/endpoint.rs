//! Events about endpoints.

use serde_json::{Value, json};

use super::super::{DisabledReason, Time, Webhook};
use super::{Event, EventType};

impl Event {
    /// Nothing is sent to an endpoint any more. `data`: what is to be said besides which and why, a JSON object.
    #[must_use]
    pub fn of_disabled_endpoint(
        webhook: &Webhook,
        reason: DisabledReason,
        mut data: Value,
        at: Time,
    ) -> Self {
        data["webhook_id"] = json!(webhook.webhook_id);
        data["reason"] = json!(reason);
        let event = Self::new(EventType::EndpointDisabled, webhook.tenant_id.clone(), at, &data);
        match webhook.agent_id {
            Some(agent_id) => event.of_agent(agent_id),
            None => event,
        }
    }
}
