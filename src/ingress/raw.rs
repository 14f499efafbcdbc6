//! Step 1: the request as it came, read within bounds. The bytes are kept as they are from here on.

use std::time::{Duration, Instant};

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{HttpRequest, web};
use futures_util::StreamExt;

use uuid::Uuid;

use crate::app::App;
use crate::model::{AgentId, Time, form_json, is_form, is_json};
use crate::signature::{HeaderSource, Request};
use crate::web::{ApiError, Code, RequestId};

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(25);

/// A POST whose size and type are acceptable, and nothing more.
pub(super) struct RawWebhook {
    /// `None` if the path holds no UUID: then it is an unknown agent like any other.
    pub agent_id: Option<AgentId>,
    /// `X-Request-Id` of the answer.
    pub request_id: Uuid,
    /// Where the sender thinks it has sent it to: the public URL and the request's target as it came.
    pub url: String,
    /// As received.
    pub body: Bytes,
    /// By the clock: for rows and windows.
    pub received_at: Time,
    /// By the stopwatch, when all of it was there: for the pace of refusals. Counted from the first byte, a
    /// sender could hold the last one back until a beat is near.
    pub arrived: Instant,
    headers: HeaderMap,
}

/// A POST that could not be read.
pub(super) struct Unread {
    /// `None` if the path holds no UUID.
    pub agent_id: Option<AgentId>,
    /// `X-Request-Id` of the answer.
    pub request_id: Uuid,
    /// By the clock.
    pub received_at: Time,
    /// All headers, in no order.
    pub headers: HeaderMap,
}

impl RawWebhook {
    /// Reads the request.
    pub async fn read(
        request: &HttpRequest,
        payload: web::Payload,
        agent_id: &str,
        RequestId(request_id): RequestId,
        app: &App,
    ) -> Result<Self, (Unread, ApiError)> {
        let (agent_id, received_at, headers) = (agent_id.parse().ok(), app.clock.now(), request.headers());
        let body = match read(headers, payload, app.settings.max_body_bytes).await {
            Ok(body) => body,
            Err(error) => {
                return Err((Unread { agent_id, request_id, received_at, headers: headers.clone() }, error));
            }
        };
        let arrived = Instant::now();
        let url = format!("{}{}", app.settings.public_url.as_str().trim_end_matches('/'), target(request));
        Ok(Self { agent_id, request_id, url, body, received_at, arrived, headers: headers.clone() })
    }

    /// All headers, in no order.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The `Content-Type`, if it is text.
    pub fn content_type(&self) -> Option<&str> {
        self.headers.get(CONTENT_TYPE)?.to_str().ok()
    }

    /// The JSON that the body stands for: itself, or a form as an object of strings.
    pub fn json(&self) -> Bytes {
        match self.content_type() {
            Some(value) if is_form(value) => form_json(&self.body).into(),
            Some(_) | None => self.body.clone(),
        }
    }

    /// What a scheme looks at.
    pub fn to_verify(&self) -> Request<'_, Self> {
        Request { headers: self, body: &self.body, url: &self.url, now: self.received_at }
    }
}

impl HeaderSource for RawWebhook {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.get_all(name).map(|value| value.as_bytes())
    }
}

/// The request's target as the sender wrote it.
fn target(request: &HttpRequest) -> &str {
    request.uri().path_and_query().map_or("/", |target| target.as_str())
}

/// Reads the body within its limits, and refuses what no scheme takes.
async fn read(headers: &HeaderMap, payload: web::Payload, limit: usize) -> Result<Bytes, ApiError> {
    let Ok(body) = tokio::time::timeout(BODY_TIMEOUT, read_body(headers, payload, limit)).await else {
        let detail = format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs());
        return Err(ApiError::new(Code::RequestTimeout, detail));
    };
    let body = body?;
    check_types(headers)?;
    Ok(body)
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
    let mut types = headers.get_all(CONTENT_TYPE);
    let Some(value) = types.next() else { return Ok(()) };
    // Of two the check could read one and the run the other.
    if types.next().is_some() {
        return refused("send one Content-Type");
    }
    let text = value.to_str().unwrap_or("?");
    // What senders of webhooks post, under whatever scheme. A scheme may take fewer.
    if is_json(text) || is_form(text) { Ok(()) } else { refused("send the payload as application/json") }
}
