//! Pages for people: each error code says what it means and what to do. The `type` of a problem document leads here.
//! Nobody needs a key to read them.

mod advice;
mod catalog;
mod html;

use actix_web::http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpResponse, web};

use crate::app::App;
use crate::web::ApiError;

pub use advice::advice;
pub use catalog::{Page, pages};

const STYLE: &str = include_str!("style.css");

/// Nothing runs here, and nothing is loaded but the stylesheet.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// List the error codes
#[utoipa::path(
    get, path = "/errors", tag = "documentation", operation_id = "list_error_pages",
    responses((status = 200, description = "A page for people.", body = String, content_type = "text/html"))
)]
pub async fn list(app: web::Data<App>) -> HttpResponse {
    answer("text/html; charset=utf-8", html::list(&pages(), app.settings.public_url.path()))
}

/// Explain an error code
///
/// `type` of a problem document is this address.
///
/// # Errors
/// 404: there is no such code.
#[utoipa::path(
    get, path = "/errors/{code}", tag = "documentation", operation_id = "get_error_page",
    params(("code" = String, Path, description = "The code.", example = "not_found")),
    responses((status = 200, description = "A page for people.", body = String, content_type = "text/html"))
)]
pub async fn page(app: web::Data<App>, code: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let pages = pages();
    let page = pages.iter().find(|page| page.code == *code).ok_or_else(ApiError::not_found)?;
    Ok(answer("text/html; charset=utf-8", html::page(page, app.settings.public_url.path())))
}

/// The pages' stylesheet
#[utoipa::path(
    get, path = "/errors/style.css", tag = "documentation", operation_id = "get_error_style",
    responses((status = 200, description = "A stylesheet.", body = String, content_type = "text/css"))
)]
pub async fn style() -> HttpResponse {
    answer("text/css; charset=utf-8", STYLE.to_owned())
}

fn answer(content_type: &'static str, body: String) -> HttpResponse {
    let headers: [(HeaderName, &'static str); 3] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    let mut answer = HttpResponse::Ok();
    answer.content_type(content_type);
    for (name, value) in headers {
        answer.insert_header((name, HeaderValue::from_static(value)));
    }
    answer.body(body)
}
