//! Events as the API shows them, and the catalogue of what there may be.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;

use super::Stamp;
use crate::model::{
    AgentId, ApiKeyId, DeliveryId, DeliveryStatus, EventId, ExecutionId, ReportedEvent, TenantId, WebhookId,
    catalogue,
};
use crate::store::DeliveryOfEvent;

#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventView {
    pub event_id: EventId,
    #[schema(example = "optimization.completed")]
    pub event_type: String,
    /// When it happened.
    pub timestamp: Stamp,
    /// `null`: the platform's.
    #[schema(required)]
    pub tenant_id: Option<TenantId>,
    /// The agent that it is about, where it is about one.
    #[schema(required)]
    pub agent_id: Option<AgentId>,
    /// The execution that it is about, where it is about one.
    #[schema(required)]
    pub execution_id: Option<ExecutionId>,
    /// The only endpoint that it is for, where it is for one only.
    #[schema(required)]
    pub webhook_id: Option<WebhookId>,
    /// The API key that reported it; `null`: the product itself.
    #[schema(required)]
    pub published_by: Option<ApiKeyId>,
    /// The facts, as they are sent.
    #[schema(value_type = serde_json::Map<String, serde_json::Value>)]
    pub data: Box<RawValue>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = EventDetail)]
pub struct EventDetailView {
    #[serde(flatten)]
    pub event: EventView,
    /// One for each endpoint that is told.
    pub deliveries: Vec<EventDeliveryView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = EventDelivery)]
pub struct EventDeliveryView {
    pub delivery_id: DeliveryId,
    pub webhook_id: WebhookId,
    pub status: DeliveryStatus,
}

/// All event types.
#[derive(Serialize, ToSchema)]
#[schema(as = EventTypeList)]
pub struct EventTypeListView {
    pub event_types: Vec<EventTypeView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = EventType)]
pub struct EventTypeView {
    /// A type, or `custom.*`.
    #[schema(example = "optimization.completed")]
    pub r#type: &'static str,
    pub description: &'static str,
    /// Whether only the product itself reports it.
    pub reserved: bool,
    /// The JSON Schema of `data`.
    #[schema(value_type = serde_json::Map<String, serde_json::Value>)]
    pub schema: &'static RawValue,
    /// An example of `data`.
    #[schema(value_type = serde_json::Map<String, serde_json::Value>)]
    pub example: &'static RawValue,
}

pub fn event(ReportedEvent { event, published_by }: ReportedEvent) -> EventView {
    EventView {
        event_id: event.event_id,
        event_type: event.event_type.into(),
        timestamp: Stamp(event.at),
        tenant_id: event.tenant_id,
        agent_id: event.agent_id,
        execution_id: event.execution_id,
        webhook_id: event.webhook_id,
        published_by,
        // What is stored was JSON when it was: anything else would have been changed by hand, and is shown as a text.
        data: RawValue::from_string(event.data.clone())
            .or_else(|_| to_raw_value(&event.data))
            .unwrap_or_else(|_| RawValue::NULL.to_owned()),
    }
}

pub fn event_detail(event: ReportedEvent, deliveries: Vec<DeliveryOfEvent>) -> EventDetailView {
    let delivery = |of: DeliveryOfEvent| EventDeliveryView {
        delivery_id: of.delivery_id,
        webhook_id: of.webhook_id,
        status: of.status,
    };
    EventDetailView { event: self::event(event), deliveries: deliveries.into_iter().map(delivery).collect() }
}

pub fn event_types() -> EventTypeListView {
    let types = catalogue().map(|(name, reserved, info)| EventTypeView {
        r#type: name,
        description: &info.description,
        reserved,
        schema: &info.schema,
        example: &info.example,
    });
    EventTypeListView { event_types: types.collect() }
}
