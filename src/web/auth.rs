//! Who is asking: `Authorization: Bearer ahk_…`.

use std::sync::Arc;

use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, web};
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

/// The token of a `Bearer` header; the scheme's case does not matter (RFC 9110 §11.1).
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(7)?;
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

fn refusal() -> ApiError {
    ApiError::new(Code::Unauthorized, "send `Authorization: Bearer ahk_…` with a valid API key")
}
