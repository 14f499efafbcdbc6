//! Keys to this API: made, listed, revoked.

use actix_web::{HttpResponse, web};
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::{id, through, view};
use crate::app::{App, key_hash};
use crate::config::{api_key_hint, generate_api_key};
use crate::model::{ApiKey, ApiKeyId, Change, KeyRole};
use crate::store::{self, KeyDeletion};
use crate::web::{Admin, ApiError, Code, Json, Page, from_value, limit};

/// Longest name of a key, in characters.
const MAX_NAME_CHARS: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    role: String,
    tenant_id: Option<String>,
    name: String,
}

/// The list's query string.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    limit: Option<i64>,
    cursor: Option<ApiKeyId>,
}

/// `POST /api/v1/keys`
pub async fn create(_: Admin, app: web::Data<App>, body: Json) -> Result<HttpResponse, ApiError> {
    let Create { role, tenant_id, name } = from_value(body.0)?;
    let role = match role.as_str() {
        "admin" => KeyRole::Admin,
        "operator" | "viewer" => {
            let message = format!("{role} is not available in this version: only admin is");
            return Err(ApiError::field("/role", message));
        }
        _ => return Err(ApiError::field("/role", "must be admin")),
    };
    if tenant_id.is_some() {
        let message = "is not available in this version: leave it out or null";
        return Err(ApiError::field("/tenant_id", message));
    }
    if name.trim().is_empty() || name.chars().count() > MAX_NAME_CHARS {
        return Err(ApiError::field("/name", format!("must have 1 to {MAX_NAME_CHARS} characters")));
    }
    let text = generate_api_key();
    let hash = key_hash(text.expose_secret().as_bytes());
    let hint = Some(api_key_hint(&text));
    let key = ApiKey { key_id: ApiKeyId::new(), role, name, hint, created_at: app.clock.now() };
    let key = through({
        async move {
            app.store.add_api_key(&hash, &key).await?;
            app.changed(Change::ApiKeys).await;
            Ok::<_, store::Error>(key)
        }
    })
    .await??;
    tracing::info!(key_id = %key.key_id, "API key made");
    Ok(HttpResponse::Created().json(view::api_key(key, Some(text.expose_secret().to_owned()))))
}

/// `GET /api/v1/keys`
pub async fn list(
    _: Admin,
    app: web::Data<App>,
    query: web::Query<ListQuery>,
) -> Result<HttpResponse, ApiError> {
    let limit = limit(query.limit)?;
    let keys = app.store.api_keys(query.cursor, limit + 1).await?;
    let page = Page::of("keys", keys, limit, |key| key.key_id.to_string(), |key| view::api_key(key, None));
    Ok(HttpResponse::Ok().json(page))
}

/// `DELETE /api/v1/keys/{key_id}`
pub async fn delete(
    _: Admin,
    app: web::Data<App>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let key_id: ApiKeyId = id(&path)?;
    let deleted = through(async move {
        let deleted = app.store.delete_api_key(key_id, app.clock.now()).await;
        app.changed(Change::ApiKeys).await;
        deleted
    });
    match deleted.await?? {
        KeyDeletion::Deleted => {
            tracing::info!(%key_id, "API key deleted");
            Ok(HttpResponse::NoContent().finish())
        }
        KeyDeletion::Unknown => Err(ApiError::not_found()),
        KeyDeletion::LastAdmin => {
            let detail = "nobody could get in any more: make another admin key first";
            Err(ApiError::new(Code::LastAdminKey, detail))
        }
    }
}
