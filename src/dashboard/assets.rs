//! Stylesheet and icon: compiled in, and named by their content, so that browsers keep them for good.

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

pub(super) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("style", "css", "text/css; charset=utf-8", include_str!("files/style.css")));
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
    let assets: [&Asset; 2] = [&STYLE, &ICON];
    let asset = assets.into_iter().find(|asset| asset.name == *name).ok_or_else(ApiError::not_found)?;
    Ok(HttpResponse::Ok()
        .content_type(asset.content_type)
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(asset.text))
}
