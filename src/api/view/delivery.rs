//! Deliveries as the API shows them.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Stamp, stamp};
use crate::model::{
    Delivery, DeliveryAttempt, DeliveryError, DeliveryId, DeliveryStatus, EventId, RecoveryId,
};

#[derive(Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub struct DeliveryView {
    pub delivery_id: DeliveryId,
    pub event_id: EventId,
    #[schema(example = "execution.completed")]
    pub event_type: String,
    pub status: DeliveryStatus,
    /// Of the last attempt's answer.
    #[schema(required, minimum = 100, maximum = 999)]
    pub status_code: Option<u16>,
    pub attempt_count: u32,
    /// Of the last attempt.
    #[schema(required, minimum = 0)]
    pub response_time_ms: Option<i64>,
    /// When it was made.
    pub timestamp: Stamp,
    /// From when on it may be sent. `null`: it has ended, or is being sent.
    #[schema(required)]
    pub next_attempt_at: Option<Stamp>,
    /// Why the last attempt failed, or why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub error: Option<DeliveryError>,
}

/// A page of deliveries.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookDeliveryPage)]
pub struct DeliveryPage {
    pub deliveries: Vec<DeliveryView>,
    /// How many there are on all pages; of more than 10,000: 10,000.
    #[schema(minimum = 0, maximum = 10_000)]
    pub total: i64,
    #[schema(minimum = 1, maximum = 200)]
    pub limit: i64,
    /// `cursor` of the next page; `null` on the last.
    #[schema(required)]
    pub next_cursor: Option<DeliveryId>,
}

/// A delivery with its attempts, the first one first.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookDeliveryDetail)]
pub struct DeliveryDetailView {
    #[serde(flatten)]
    pub delivery: DeliveryView,
    pub attempts: Vec<DeliveryAttemptView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = WebhookDeliveryAttempt)]
pub struct DeliveryAttemptView {
    /// 1 is the first.
    #[schema(minimum = 1)]
    pub number: u32,
    pub started_at: Stamp,
    #[schema(minimum = 0)]
    pub response_time_ms: i64,
    /// As sent; `***` stands for values that a person set.
    pub request_headers: BTreeMap<String, String>,
    #[schema(required, minimum = 100, maximum = 999)]
    pub status_code: Option<u16>,
    /// The first 4096 bytes of the answer; what is no UTF-8 is shown as U+FFFD.
    #[schema(required)]
    pub response_body: Option<String>,
    #[schema(required)]
    pub error: Option<DeliveryError>,
}

/// A wish to send again what failed.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookRecovery)]
pub struct RecoveryView {
    pub recovery_id: RecoveryId,
    /// Deliveries that are sent again.
    #[schema(minimum = 0)]
    pub matched: i64,
}

pub fn delivery(of: Delivery) -> DeliveryView {
    DeliveryView {
        delivery_id: of.delivery_id,
        event_id: of.event_id,
        event_type: of.event_type.as_str().to_owned(),
        status: of.status,
        status_code: of.status_code,
        attempt_count: of.attempt_count,
        response_time_ms: of.response_ms,
        timestamp: Stamp(of.created_at),
        next_attempt_at: stamp(of.due_at),
        error: of.error,
    }
}

pub fn delivery_detail(of: Delivery, attempts: Vec<DeliveryAttempt>) -> DeliveryDetailView {
    DeliveryDetailView { delivery: delivery(of), attempts: attempts.into_iter().map(attempt).collect() }
}

fn attempt(of: DeliveryAttempt) -> DeliveryAttemptView {
    DeliveryAttemptView {
        number: of.number,
        started_at: Stamp(of.started_at),
        response_time_ms: of.response_ms,
        request_headers: of.request_headers.into_iter().collect(),
        status_code: of.status_code,
        response_body: of.response_body.map(|body| String::from_utf8_lossy(&body).into_owned()),
        error: of.error,
    }
}
