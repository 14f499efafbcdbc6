//! Who is asking: `Authorization: Bearer ahk_…`.

use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use futures_util::future::LocalBoxFuture;

use super::{ApiError, Code};
use crate::app::App;

/// Proof that the request carries an admin key: a handler that takes it can do anything.
#[derive(Clone, Copy, Debug)]
pub struct Admin(());

impl FromRequest for Admin {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
        if let Some(seen) = request.extensions().get::<Self>().copied() {
            return Box::pin(std::future::ready(Ok(seen)));
        }
        let key = request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| bearer(value.as_bytes()))
            .map(crate::app::key_hash);
        let app = request.app_data::<web::Data<App>>().map(|app| Arc::clone(app));
        Box::pin(async move {
            let (Some(app), Some(hash)) = (app, key) else { return Err(refusal()) };
            if app.api_keys.is_valid(&app.store, hash).await? { Ok(Self(())) } else { Err(refusal()) }
        })
    }
}

/// Lets nobody without a key go on to anything below `/api/`, not even to what is wrong with their request. A
/// handler's arguments are made side by side, so that its `Admin` alone would come too late: by then the body is
/// read and its faults are told.
pub async fn only_with_key(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    // The path as routes are matched by: what is escaped in it is not any more.
    if request.match_info().as_str().starts_with("/api/") {
        match request.extract::<Admin>().await {
            Ok(admin) => drop(request.extensions_mut().insert(admin)),
            Err(error) => return Ok(request.error_response(error)),
        }
    }
    let below = request.match_info().as_str().starts_with("/api/");
    let mut answer = next.call(request).await?.map_into_boxed_body();
    if below {
        // Secrets are among these answers, and all of them change.
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(answer)
}

/// The token of a `Bearer` header; the scheme's case does not matter (RFC 9110 §11.1).
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(7)?;
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

fn refusal() -> ApiError {
    ApiError::new(Code::Unauthorized, "send `Authorization: Bearer ahk_…` with a valid API key")
}
