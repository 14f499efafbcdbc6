//! The door: in with an API key, and out.

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use askama::Template;
use serde::Deserialize;
use url::Url;

use super::answer::{page_with, see};
use super::frame::Frame;
use super::sent::{Button, FromOutside, Sent};
use super::session::{SignedIn, has_cookie, new_cookie, no_cookie};
use crate::app::App;
use crate::store;
use crate::web::{ApiError, Code, to_the_end, with_key};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    /// Where to go afterwards.
    next: String,
    /// Why it is shown, if not for the first time.
    problem: Option<String>,
}

/// Where to go afterwards.
#[derive(Default, Deserialize)]
pub struct Asked {
    next: Option<String>,
}

/// What is sent to sign in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    key: String,
    #[serde(default)]
    next: String,
}

/// The page to sign in on.
///
/// # Errors
/// 503: the database is away.
pub async fn form(
    app: web::Data<App>,
    request: HttpRequest,
    asked: web::Query<Asked>,
) -> Result<HttpResponse, ApiError> {
    let next = asked.into_inner().next.unwrap_or_default();
    if SignedIn::of(&request).await?.is_some() {
        return Ok(see(&app, &inside(&next)));
    }
    let ended = "Your session has ended, and nothing was changed by what you did last. Sign in again.";
    let problem = has_cookie(&app, &request).then(|| ended.to_owned());
    shown(&app, StatusCode::OK, next, problem)
}

/// Begins a session, if the key is one.
///
/// # Errors
/// 403: the form is another site's.
pub async fn sign_in(
    app: web::Data<App>,
    request: HttpRequest,
    FromOutside(Key { key, next }): FromOutside<Key>,
) -> Result<HttpResponse, ApiError> {
    let caller = match with_key(&app, &request, key.trim().as_bytes()).await {
        Ok(caller) => caller,
        Err(refused) => return refuse(&app, &refused, next),
    };
    let (cookie, hash) = new_cookie(&app);
    let entry = caller.signs_in(app.clock.now());
    let begun = {
        let app = app.clone();
        to_the_end(async move { app.store.begin_session(&hash, caller.key.key_id, &entry).await }).await?
    };
    match begun {
        // The key was deleted in this moment.
        Err(store::Error::Conflict) => return refuse(&app, &no_such_key(), next),
        begun => begun?,
    }
    let mut answer = see(&app, &inside(&next));
    answer.add_cookie(&cookie).map_err(|_| ApiError::new(Code::Internal, "the session has no cookie"))?;
    Ok(answer)
}

/// Ends the session.
///
/// # Errors
/// 403: the form is another site's.
pub async fn sign_out(app: web::Data<App>, sent: Sent<Button>) -> Result<HttpResponse, ApiError> {
    let SignedIn { caller, token_hash, .. } = sent.signed_in;
    let entry = caller.signs_out(app.clock.now());
    let ended = {
        let app = app.clone();
        to_the_end(async move { app.store.end_session(&token_hash, &entry).await }).await?
    };
    ended?;
    let mut answer = see(&app, "/sign-in");
    answer.add_cookie(&no_cookie(&app)).map_err(|_| ApiError::new(Code::Internal, "the cookie stays"))?;
    Ok(answer)
}

fn no_such_key() -> ApiError {
    ApiError::new(Code::Unauthorized, "there is no such API key")
}

fn refuse(app: &App, refused: &ApiError, next: String) -> Result<HttpResponse, ApiError> {
    let problem = match refused.code() {
        Code::Unauthorized => {
            "There is no such API key. It begins with ahk_ and is shown once, when it is made.".to_owned()
        }
        Code::TooManyRequests => format!("Nothing was looked at: {}.", refused.detail()),
        _ => return Err(refused.clone()),
    };
    let mut answer = shown(app, refused.status_code(), next, Some(problem))?;
    if let Some(seconds) = refused.retry_after_s() {
        answer.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    Ok(answer)
}

fn shown(
    app: &App,
    status: StatusCode,
    next: String,
    problem: Option<String>,
) -> Result<HttpResponse, ApiError> {
    page_with(status, &SignInPage { frame: Frame::bare(app, "Sign in"), next, problem })
}

/// A path of ours, whatever was asked for: nobody is sent to another site from here.
fn inside(next: &str) -> String {
    let ours: Url = "http://ours.invalid/".parse().expect("a URL");
    match ours.join(next) {
        Ok(url)
            if url.origin() == ours.origin() && url.path() != "/sign-in" && !url.path().starts_with("//") =>
        {
            url[url::Position::BeforePath..url::Position::AfterQuery].to_owned()
        }
        Ok(_) | Err(_) => "/".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for (asked, goes) in [
            ("", "/"),
            ("/executions?status=failed&q=a%26b", "/executions?status=failed&q=a%26b"),
            ("/sign-in?next=/", "/"),
            ("https://evil.example/", "/"),
            ("//evil.example/a", "/"),
            ("\\\\evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/\t/evil.example", "/"),
            ("/.//evil.example", "/"),
            ("javascript:alert(1)", "/"),
            ("/a\r\nSet-Cookie: b=c", "/aSet-Cookie:%20b=c"),
        ] {
            assert_eq!(inside(asked), goes, "{asked:?}");
        }
    }
}
