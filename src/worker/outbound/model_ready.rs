//! What the platform's endpoint is sent, on Redis too, for those who are still on their way to webhooks.
//!
//! Once for each event, by the process that dispatched it and after the commit, whatever becomes of the delivery. Redis keeps
//! nothing, so neither does this: a crash in between, or a Redis that is away, costs its listeners the message.

use std::collections::HashSet;

use super::Outbound;
use crate::egress::body_of;
use crate::model::{Event, EventId, Webhook};

impl Outbound {
    /// Publishes those of the events that `told` names, if the settings of the platform's endpoint say so. Waits for nobody.
    pub(super) fn publish_models(&self, platform: &Webhook, events: &[Event], told: &HashSet<EventId>) {
        if !platform.options.redis_fallback {
            return;
        }
        // A test is for the endpoint alone: it would tell everybody else of a model that is none.
        for event in
            events.iter().filter(|event| told.contains(&event.event_id) && event.webhook_id.is_none())
        {
            if let Err(problem) = self.publish_model(platform, event) {
                tracing::warn!(event_id = %event.event_id, problem, "a registered model is not published on Redis");
            }
        }
    }

    fn publish_model(&self, platform: &Webhook, event: &Event) -> Result<(), String> {
        let publisher = self.models.as_ref().ok_or("this process has no REDIS_URL")?;
        let body = body_of(event, platform.profile, 0).map_err(|error| error.to_string())?;
        let text = String::from_utf8(body).map_err(|error| error.to_string())?;
        publisher.publish(text).map_err(|error| error.to_string())
    }
}
