//! Stylesheet, script and icon: compiled in, and named by their content, so that browsers keep them for good. Style and
//! script are a file per subject, and one file for browsers.

use std::sync::LazyLock;

use actix_web::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use actix_web::{HttpResponse, web};
use sha2::{Digest, Sha256};

use crate::web::ApiError;

/// A file as browsers ask for it.
pub(super) struct Asset {
    /// With a part of its hash in it.
    pub name: String,
    content_type: &'static str,
    text: &'static str,
}

/// A file of parts, in their order.
macro_rules! parts {
    ($($part:literal),+ $(,)?) => { concat!($(include_str!($part), "\n"),+) };
}

const STYLES: &str = parts![
    "files/style.css",
    "files/charts.css",
    "files/waterfall.css",
    "files/diff.css",
    "files/live.css",
    "files/agents.css",
    "files/settings.css"
];
/// Each part adds to pages that do without it, and finds its elements by a `data-` attribute.
const SCRIPTS: &str = parts!["files/done.js", "files/copy.js", "files/live.js", "files/check.js"];

pub(super) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("style", "css", "text/css; charset=utf-8", STYLES));
pub(super) static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("script", "js", "text/javascript; charset=utf-8", SCRIPTS));
pub(super) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("files/icon.svg")));

impl Asset {
    fn new(stem: &str, ending: &str, content_type: &'static str, text: &'static str) -> Self {
        let hash = hex::encode(&Sha256::digest(text)[..8]);
        Self { name: format!("{stem}-{hash}.{ending}"), content_type, text }
    }
}

/// One of them.
///
/// # Errors
/// 404: there is none of this name.
pub async fn file(name: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let assets: [&Asset; 3] = [&STYLE, &SCRIPT, &ICON];
    let asset = assets.into_iter().find(|asset| asset.name == *name).ok_or_else(ApiError::not_found)?;
    Ok(HttpResponse::Ok()
        .content_type(asset.content_type)
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(asset.text))
}
