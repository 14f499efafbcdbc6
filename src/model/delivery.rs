//! Deliveries: one event for one endpoint, and every attempt to bring it there.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DeliveryId, EventId, EventType, Time, WebhookId};

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// Not tried yet, or about to be sent once more because somebody asked for it.
    Pending,
    /// The endpoint took it.
    Success,
    /// The last attempt failed; there will be another one.
    Failed,
    /// The last attempt failed, and it was the last.
    Exhausted,
}

impl DeliveryStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Success, Self::Failed, Self::Exhausted];
}

/// A delivery as lists show it.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "named in the contract; units are in the names")]
pub struct Delivery {
    pub delivery_id: DeliveryId,
    pub event_id: EventId,
    pub webhook_id: WebhookId,
    pub event_type: EventType,
    pub status: DeliveryStatus,
    /// Of the last attempt.
    pub status_code: Option<u16>,
    pub attempt_count: u32,
    /// Of the last attempt.
    pub response_ms: Option<i64>,
    /// Of the last attempt.
    pub error: Option<DeliveryError>,
    pub created_at: Time,
    /// The last attempt.
    pub attempted_at: Option<Time>,
    /// When it is sent next, if it is.
    pub due_at: Option<Time>,
}

/// Why an attempt failed, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryError {
    /// The stable word.
    pub code: DeliveryErrorCode,
    /// What happened and what to do, for people. Holds no secret and no query of a URL.
    pub message: String,
}

/// The codes of [`DeliveryError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryErrorCode {
    /// No whole answer in time.
    Timeout,
    /// The name does not resolve.
    Dns,
    /// Nobody takes the connection, or it was closed before the answer was whole.
    Connect,
    /// No trust could be established.
    Tls,
    /// The address is private, and `AGENTHOOK_EGRESS_ALLOW` does not name it.
    RefusedAddress,
    /// What came back is no HTTP.
    InvalidResponse,
    /// An answer that is no 2xx.
    Status,
    /// The endpoint was disabled when the event happened: nothing was sent.
    EndpointDisabled,
    /// The endpoint was deleted before it was sent.
    EndpointDeleted,
    /// A callback's execution is gone, and with it where to call.
    CallbackGone,
    /// It cannot be made into a request: the log says why.
    Unsendable,
}

/// One attempt.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "named in the contract; units are in the names")]
pub struct DeliveryAttempt {
    /// 1 is the first.
    pub number: u32,
    pub started_at: Time,
    pub response_ms: i64,
    /// As sent; the values of those that a person set are left out.
    pub request_headers: Vec<(String, String)>,
    pub status_code: Option<u16>,
    /// Its first 4096 bytes.
    pub response_body: Option<Vec<u8>>,
    pub error: Option<DeliveryError>,
}
