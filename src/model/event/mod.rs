//! Something that has happened and that others may want to hear of.

mod agent;
mod catalogue;
mod endpoint;
mod execution;
mod json;
mod kind;

use serde::Serialize;

use super::{AgentId, ApiKeyId, EventId, ExecutionId, TenantId, Time, WebhookId};

pub use catalogue::{EventInfo, catalogue};
pub use execution::{EVENT_OUTPUT_BYTES, UnreadableExecution};
pub use json::in_javascripts_form;
pub use kind::{EventType, UnknownEventType};

/// An event, as it is written in the transaction of what it tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The same on every attempt to tell it.
    pub event_id: EventId,
    /// What has happened.
    pub event_type: EventType,
    /// Whose it is; `None` is the platform's, and no tenant hears of it.
    pub tenant_id: Option<TenantId>,
    /// The agent that it is about, where it is about one.
    pub agent_id: Option<AgentId>,
    /// The execution that it is about, where it is about one.
    pub execution_id: Option<ExecutionId>,
    /// For this endpoint alone, whatever that subscribes to: tests.
    pub webhook_id: Option<WebhookId>,
    /// When it happened.
    pub at: Time,
    /// The facts: a JSON object in the form in which it goes out.
    pub data: String,
}

/// An event and who reported it.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportedEvent {
    /// The event.
    pub event: Event,
    /// The API key with which somebody did; `None`: the product itself.
    pub published_by: Option<ApiKeyId>,
}

impl Event {
    /// An event with these facts, which must be a JSON object.
    #[must_use]
    pub fn new(event_type: EventType, tenant_id: Option<TenantId>, at: Time, data: &impl Serialize) -> Self {
        Self {
            event_id: EventId::new(),
            event_type,
            tenant_id,
            agent_id: None,
            execution_id: None,
            webhook_id: None,
            at,
            // What we tell ourselves can be written.
            data: serde_json::to_string(data)
                .and_then(|text| in_javascripts_form(&text))
                .unwrap_or_else(|_| "{}".into()),
        }
    }

    /// Says which agent it is about.
    #[must_use]
    pub fn of_agent(self, agent_id: AgentId) -> Self {
        Self { agent_id: Some(agent_id), ..self }
    }

    /// Says which execution it is about.
    #[must_use]
    pub fn of_execution(self, execution_id: ExecutionId) -> Self {
        Self { execution_id: Some(execution_id), ..self }
    }

    /// Addresses it to one endpoint alone.
    #[must_use]
    pub fn to_webhook(self, webhook_id: WebhookId) -> Self {
        Self { webhook_id: Some(webhook_id), ..self }
    }
}
