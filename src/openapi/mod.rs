//! The API's document (OpenAPI 3.1), made of the code: [`paths`] collects what handlers and their types say about
//! themselves, [`agents`], [`webhooks`] and [`shared`] add what follows from it.
//!
//! It is served at `/openapi.json`, printed by `agenthook openapi`, and to be read at `/docs`.

mod agents;
mod browser;
mod numbers;
mod paths;
mod problems;
mod shared;
mod webhooks;

use std::sync::LazyLock;

use actix_web::http::header::X_CONTENT_TYPE_OPTIONS;
use actix_web::{HttpResponse, web};
use serde_json::{Value, json};
use url::Url;
use utoipa::OpenApi;

use crate::app::App;

pub use browser::{docs, file};

/// The document of a server with this public URL.
#[must_use]
pub fn document(public_url: &Url) -> Value {
    let mut document = MADE.clone();
    document["servers"] = json!([{ "url": public_url.as_str().trim_end_matches('/') }]);
    document
}

/// All of it but for where the server is.
static MADE: LazyLock<Value> = LazyLock::new(|| {
    let mut document = serde_json::to_value(paths::Paths::openapi()).unwrap_or_default();
    document["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
    agents::complete(&mut document);
    webhooks::complete(&mut document);
    paths::add_second_addresses(&mut document);
    shared::complete(&mut document);
    numbers::complete(&mut document);
    document
});

/// This document
#[utoipa::path(
    get, path = "/openapi.json", tag = "documentation", operation_id = "get_openapi",
    responses((status = 200, description = "OpenAPI 3.1.", body = serde_json::Map<String, Value>))
)]
pub async fn json(app: web::Data<App>) -> HttpResponse {
    let nosniff = (X_CONTENT_TYPE_OPTIONS, "nosniff");
    HttpResponse::Ok().insert_header(nosniff).json(document(&app.settings.public_url))
}
