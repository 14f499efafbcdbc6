//! Keys to this API: made, listed, revoked.

use actix_web::{HttpResponse, web};
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::{id, through, view};
use crate::app::{App, key_hash};
use crate::config::{api_key_hint, generate_api_key};
use crate::model::{ApiKey, ApiKeyId, AuditAction, Change, KeyRole, TenantId};
use crate::store::KeyDeletion;
use crate::web::{ApiError, Body, Caller, Code, Page, limit};

/// Longest name of a key, in characters.
const MAX_NAME_CHARS: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    role: KeyRole,
    tenant_id: Option<TenantId>,
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
pub async fn create(caller: Caller, app: web::Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let admin = caller.admin()?;
    let Create { role, tenant_id, name } = body.parse()?;
    check(&app, role, tenant_id.as_ref()).await?;
    if name.trim().is_empty() || name.chars().count() > MAX_NAME_CHARS {
        return Err(ApiError::field("/name", format!("must have 1 to {MAX_NAME_CHARS} characters")));
    }
    let text = generate_api_key();
    let (hash, hint) = (key_hash(text.expose_secret().as_bytes()), Some(api_key_hint(&text)));
    let (key_id, now) = (ApiKeyId::new(), app.clock.now());
    let mut entry = admin.does(AuditAction::ApiKeyCreated, key_id, now).with("name", name.clone());
    entry = entry.with("role", serde_json::to_value(role).unwrap_or_default());
    entry.tenant_id.clone_from(&tenant_id);
    let key = ApiKey { key_id, role, tenant_id, name, hint, created_at: now };
    let made = {
        let app = app.clone();
        async move { app.store.add_api_key(&hash, &key, &entry).await.map(|()| key) }
    };
    let key = through(&app, Change::ApiKeys, made).await??;
    tracing::info!(%key_id, "API key made");
    Ok(HttpResponse::Created().json(view::api_key(key, Some(text.expose_secret().to_owned()))))
}

/// An administrator sees all tenants; everybody else has one, which must exist.
async fn check(app: &App, role: KeyRole, tenant_id: Option<&TenantId>) -> Result<(), ApiError> {
    const POINTER: &str = "/tenant_id";
    match (role, tenant_id) {
        (KeyRole::Admin, None) => Ok(()),
        (KeyRole::Admin, Some(_)) => {
            Err(ApiError::field(POINTER, "must be left out: an admin's key sees all tenants"))
        }
        (KeyRole::Operator | KeyRole::Viewer, None) => {
            Err(ApiError::field(POINTER, "is required: the one tenant that the key is for"))
        }
        (KeyRole::Operator | KeyRole::Viewer, Some(tenant_id)) => match app.store.tenant(tenant_id).await? {
            Some(_) => Ok(()),
            None => Err(ApiError::field(POINTER, "names no tenant; make it first with POST /api/v1/tenants")),
        },
    }
}

/// `GET /api/v1/keys`
pub async fn list(
    caller: Caller,
    app: web::Data<App>,
    query: web::Query<ListQuery>,
) -> Result<HttpResponse, ApiError> {
    caller.admin()?;
    let limit = limit(query.limit)?;
    let keys = app.store.api_keys(query.cursor, limit + 1).await?;
    let page = Page::of("keys", keys, limit, |key| key.key_id.to_string(), |key| view::api_key(key, None));
    Ok(HttpResponse::Ok().json(page))
}

/// `DELETE /api/v1/keys/{key_id}`
pub async fn delete(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    // Who may not see keys hears the same of every id.
    let admin = caller.admin().map_err(|_| ApiError::not_found())?;
    let key_id: ApiKeyId = id(&path)?;
    let entry = admin.does(AuditAction::ApiKeyDeleted, key_id, app.clock.now());
    let deleted = {
        let app = app.clone();
        async move { app.store.delete_api_key(key_id, entry).await }
    };
    match through(&app, Change::ApiKeys, deleted).await?? {
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
