//! Step 1: the request as it came, read within bounds. The bytes are kept as they are from here on.

use std::time::{Duration, Instant};

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{HttpRequest, web};
use futures_util::StreamExt;

use crate::model::{AgentId, Time};
use crate::signature::HeaderSource;
use crate::web::{ApiError, Code};

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(25);
/// What senders of webhooks post, under whatever scheme. A scheme may take fewer.
const CONTENT_TYPES: [&str; 2] = ["application/json", "application/x-www-form-urlencoded"];

/// A POST whose size and type are acceptable, and nothing more.
pub(super) struct RawWebhook {
    /// `None` if the path holds no UUID: then it is an unknown agent like any other.
    pub agent_id: Option<AgentId>,
    /// As received.
    pub body: Bytes,
    /// By the clock: for rows and windows.
    pub received_at: Time,
    /// By the stopwatch: for the pace of refusals.
    pub arrived: Instant,
    headers: HeaderMap,
}

impl RawWebhook {
    /// Reads the request.
    pub async fn read(
        request: &HttpRequest,
        payload: web::Payload,
        agent_id: &str,
        received_at: Time,
        limit: usize,
    ) -> Result<Self, ApiError> {
        let arrived = Instant::now();
        let headers = request.headers();
        let body = match tokio::time::timeout(BODY_TIMEOUT, read_body(headers, payload, limit)).await {
            Ok(body) => body?,
            Err(_) => {
                let detail = format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs());
                return Err(ApiError::new(Code::RequestTimeout, detail));
            }
        };
        check_types(headers)?;
        Ok(Self { agent_id: agent_id.parse().ok(), body, received_at, arrived, headers: headers.clone() })
    }

    /// The `Content-Type`, if it is text.
    pub fn content_type(&self) -> Option<&str> {
        self.headers.get(CONTENT_TYPE)?.to_str().ok()
    }
}

impl HeaderSource for RawWebhook {
    fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.get_all(name).map(|value| value.as_bytes())
    }
}

/// Reads the body; more than `limit` bytes are refused by the header, or as soon as they have come.
async fn read_body(headers: &HeaderMap, mut payload: web::Payload, limit: usize) -> Result<Bytes, ApiError> {
    let too_large = || ApiError::new(Code::PayloadTooLarge, format!("at most {limit} bytes are taken"));
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let mut body = BytesMut::with_capacity(announced.unwrap_or(0) as usize);
    while let Some(chunk) = payload.next().await {
        let chunk =
            chunk.map_err(|_| ApiError::new(Code::IncompleteBody, "the body ended early; send it again"))?;
        if body.len() + chunk.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn check_types(headers: &HeaderMap) -> Result<(), ApiError> {
    let refused = |detail: &str| Err(ApiError::new(Code::UnsupportedMediaType, detail));
    if headers.get_all(CONTENT_ENCODING).any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return refused("compressed bodies are not taken: the signature is over the bytes as they are sent");
    }
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let text = value.to_str().unwrap_or("?");
    let essence = text.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    if CONTENT_TYPES.contains(&essence.as_str()) || essence.ends_with("+json") {
        Ok(())
    } else {
        refused("send the payload as application/json")
    }
}
