//! `Authorization: Bearer ahk_…`: from a header to a [`Caller`].

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};

use super::{ApiError, Caller, Code, RequestId, address};
use crate::app::App;
use crate::model::ApiKey;

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
        // Whoever got this far below `/api/` was let on by `only_with_key`.
        std::future::ready(request.extensions().get::<Self>().cloned().ok_or_else(refusal))
    }
}

/// Lets nobody without a key go on to anything below `/api/`, not even to what is wrong with their request. A
/// handler's arguments are made side by side, so that a `Caller` among them alone would come too late: by then the
/// body is read and its faults are told.
pub async fn only_with_key(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    // The path as routes are matched by: what is escaped in it is not any more.
    if !request.match_info().as_str().starts_with("/api/") {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let mut answer = match caller(&request).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.call(request).await?.map_into_boxed_body()
        }
        Err(error) => request.error_response(error),
    };
    // Secrets are among these answers, and all of them change.
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

async fn caller(request: &ServiceRequest) -> Result<Caller, ApiError> {
    let Some(app) = request.app_data::<web::Data<App>>() else { return Err(refusal()) };
    let header = request.headers().get(AUTHORIZATION);
    let key = header.and_then(|value| bearer(value.as_bytes())).ok_or_else(refusal)?;
    with_key(app, request.request(), key).await
}

/// The holder of this key, who sent this request.
///
/// # Errors
/// 401: there is no such key; 429: too many wrong ones came from there.
pub async fn with_key(app: &App, request: &HttpRequest, key: &[u8]) -> Result<Caller, ApiError> {
    match app.api_keys.get(&app.store, crate::app::key_hash(key)).await? {
        Some(key) => Ok(Caller::of(app, request, key)),
        None => Err(wrong_key(app, client(app, request))),
    }
}

fn client(app: &App, request: &HttpRequest) -> Option<IpAddr> {
    address::client(request.peer_addr(), request.headers(), &app.settings.trusted_proxies)
}

impl Caller {
    /// Whoever sent this request with the rights of this key.
    #[must_use]
    pub fn of(app: &App, request: &HttpRequest, key: Arc<ApiKey>) -> Self {
        let request_id = request.extensions().get::<RequestId>().map(|id| id.0).unwrap_or_default();
        Self { key, address: client(app, request), request_id }
    }
}

/// The answer to a wrong key: where there are many of them, not even that.
fn wrong_key(app: &App, address: Option<IpAddr>) -> ApiError {
    let Some(address) = address else { return refusal() };
    match app.wrong_keys.count(address, app.clock.now()) {
        Ok(()) => refusal(),
        Err(refused) => {
            // Once in a window: who tries keys must not be able to fill the log.
            if refused.is_first {
                tracing::warn!(%address, "too many wrong API keys");
            }
            ApiError::too_many_requests("too many wrong API keys came from this address", refused.wait_s)
        }
    }
}

/// The token of a `Bearer` header; the scheme's case does not matter (RFC 9110 §11.1).
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(7)?;
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

fn refusal() -> ApiError {
    ApiError::new(Code::Unauthorized, "send `Authorization: Bearer ahk_…` with a valid API key")
}
