//! Pages as answers: what a browser may do with them, and where it goes after a form.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use actix_web::{HttpResponse, HttpResponseBuilder};
use askama::Template;
use serde::Serialize;

use crate::app::App;
use crate::web::{ApiError, Code};

/// Nothing inline runs or is styled, nothing comes from elsewhere, and no form goes elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// On every page. The referrer is kept on this site: without it browsers hide a form's `Origin`, which is looked at.
const HEADERS: [(HeaderName, &str); 5] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "same-origin"),
    (CACHE_CONTROL, "no-store"),
];

/// A page.
pub(super) fn page(template: &impl Template) -> Result<HttpResponse, ApiError> {
    page_with(StatusCode::OK, template)
}

/// A page with another status than 200.
pub(super) fn page_with(status: StatusCode, template: &impl Template) -> Result<HttpResponse, ApiError> {
    let html = template.render().map_err(|error| {
        tracing::error!(%error, "a page cannot be written");
        ApiError::new(Code::Internal, "the page cannot be written; the server's log has the details")
    })?;
    Ok(with_headers(HttpResponse::build(status)).content_type("text/html; charset=utf-8").body(html))
}

/// An answer for a script of ours.
pub(super) fn json(value: &impl Serialize) -> HttpResponse {
    with_headers(HttpResponse::Ok()).json(value)
}

/// Sends the browser to another page of this server, with GET.
pub(super) fn see(app: &App, path: &str) -> HttpResponse {
    let mut answer = with_headers(HttpResponse::SeeOther());
    answer.insert_header((LOCATION, format!("{}{path}", base(app)))).finish()
}

/// The path under which the outside sees this server, without its last slash.
pub(super) fn base(app: &App) -> &str {
    app.settings.public_url.path().trim_end_matches('/')
}

fn with_headers(mut answer: HttpResponseBuilder) -> HttpResponseBuilder {
    for header in HEADERS {
        answer.insert_header(header);
    }
    answer
}
