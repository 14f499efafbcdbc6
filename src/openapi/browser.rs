//! Swagger UI, from files in the binary.

use std::sync::{Arc, LazyLock};

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpResponse, web};
use utoipa_swagger_ui::Config;

use crate::app::App;
use crate::web::ApiError;

/// Only this server's files. Swagger UI sets styles on elements, and its icons are data: URLs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Those of Swagger UI's files that its page uses.
const FILES: [&str; 3] = ["swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"];

static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(Arc::default);

/// Browse this document
#[utoipa::path(
    get, path = "/docs", tag = "documentation", operation_id = "get_docs",
    responses((status = 200, description = "A page for people.", body = String, content_type = "text/html"))
)]
pub async fn docs(app: web::Data<App>) -> HttpResponse {
    let base = app.settings.public_url.path().trim_end_matches('/');
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>agenthook: API</title>\n<link rel=\"stylesheet\" \
         href=\"{base}/docs/swagger-ui.css\">\n<link rel=\"icon\" href=\"{base}/docs/favicon-32x32.png\">\n</head>\n\
         <body>\n<div id=\"swagger-ui\" data-document=\"{base}/openapi.json\"></div>\n<script \
         src=\"{base}/docs/swagger-ui-bundle.js\"></script>\n<script src=\"{base}/docs/start.js\"></script>\n</body>\n\
         </html>\n"
    );
    answer("text/html; charset=utf-8", page.into())
}

/// What `/docs` is made of
///
/// # Errors
/// 404: there is no such file.
#[utoipa::path(
    get, path = "/docs/{file}", tag = "documentation", operation_id = "get_docs_file",
    params(("file" = String, Path, description = "The file.", example = "swagger-ui.css")),
    responses((
        status = 200, description = "A script, a stylesheet or an image.",
        content(
            (String = "text/javascript"), (String = "text/css"), (String = "image/png")
        )
    ))
)]
pub async fn file(name: web::Path<String>) -> Result<HttpResponse, ApiError> {
    if name.as_str() == "start.js" {
        return Ok(answer("text/javascript; charset=utf-8", include_str!("start.js").into()));
    }
    let known = FILES.iter().find(|file| **file == *name).ok_or_else(ApiError::not_found)?;
    let found =
        utoipa_swagger_ui::serve(known, CONFIG.clone()).ok().flatten().ok_or_else(ApiError::not_found)?;
    let content_type = match known.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        _ => "image/png",
    };
    Ok(answer(content_type, found.bytes.into_owned().into()))
}

fn answer(content_type: &'static str, body: web::Bytes) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    answer.content_type(content_type);
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ] {
        answer.insert_header((name, HeaderValue::from_static(value)));
    }
    answer.body(body)
}
