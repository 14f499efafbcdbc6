//! Who is signed in: a cookie names a row, and the row a key. It is looked up for each page, so a key that is revoked, in
//! whatever process, ends its sessions at once.

use std::fmt;
use std::sync::Arc;

use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpMessage, HttpRequest, ResponseError, web};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::future::LocalBoxFuture;
use sha2::{Digest, Sha256};

use crate::app::{App, key_hash};
use crate::model::Session;
use crate::web::{ApiError, Caller, Code};

/// Whoever asks, with the rights of the key that they signed in with.
#[derive(Clone)]
pub struct SignedIn {
    /// As for the API.
    pub caller: Caller,
    pub(super) token_hash: [u8; 32],
    /// What each form of this session says, and no other site can know.
    pub(super) csrf: String,
}

/// The answer to who is not: the way to the door.
#[derive(Debug)]
pub(super) struct SignInFirst;

impl fmt::Display for SignInFirst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody is signed in")
    }
}

impl ResponseError for SignInFirst {
    fn status_code(&self) -> StatusCode {
        StatusCode::SEE_OTHER
    }
}

impl FromRequest for SignedIn {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let signed_in = Self::of(&request).await?.ok_or(SignInFirst)?;
            // For the page of a refusal, which shows who was refused.
            request.extensions_mut().insert(signed_in.clone());
            Ok(signed_in)
        })
    }
}

impl SignedIn {
    /// Whoever sent this request, if they are signed in.
    pub(super) async fn of(request: &HttpRequest) -> Result<Option<Self>, ApiError> {
        let fault = || ApiError::new(Code::Internal, "the server has no state");
        let app = request.app_data::<web::Data<App>>().ok_or_else(fault)?;
        let Some(cookie) = request.cookie(cookie_name(app)) else { return Ok(None) };
        let (token_hash, now) = (key_hash(cookie.value().as_bytes()), app.clock.now());
        let Some(session) = app.store.session(&token_hash, now).await? else { return Ok(None) };
        if now - session.seen_at >= Session::NOTED {
            // The page does not depend on it.
            let noted = app.store.session_seen(&token_hash, now).await;
            noted.unwrap_or_else(|error| tracing::warn!(%error, "that a session is used is not noted"));
        }
        let caller = Caller::of(app, request, Arc::new(session.key));
        Ok(Some(Self { caller, token_hash, csrf: csrf(cookie.value()) }))
    }
}

/// A new session's cookie, and what is stored of it.
pub(super) fn new_cookie(app: &App) -> (Cookie<'static>, [u8; 32]) {
    let token = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let hash = key_hash(token.as_bytes());
    let mut cookie = cookie(app, token);
    cookie.set_max_age(actix_web::cookie::time::Duration::seconds(Session::LONGEST.num_seconds()));
    (cookie, hash)
}

/// What makes a browser forget it.
pub(super) fn no_cookie(app: &App) -> Cookie<'static> {
    let mut cookie = cookie(app, String::new());
    cookie.make_removal();
    cookie
}

/// Whether the browser has had a session.
pub(super) fn has_cookie(app: &App, request: &HttpRequest) -> bool {
    request.cookie(cookie_name(app)).is_some()
}

fn cookie(app: &App, token: String) -> Cookie<'static> {
    Cookie::build(cookie_name(app), token)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(is_secure(app))
        .finish()
}

/// Over https, a name that browsers take from this host alone and never over http.
fn cookie_name(app: &App) -> &'static str {
    if is_secure(app) { "__Host-agenthook" } else { "agenthook" }
}

fn is_secure(app: &App) -> bool {
    app.settings.public_url.scheme() == "https"
}

/// Derived from the session's token, from which nobody gets back to it.
fn csrf(token: &str) -> String {
    hex::encode(Sha256::new_with_prefix("agenthook csrf ").chain_update(token).finalize())
}
