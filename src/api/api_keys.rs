//! Keys to this API: made, listed, revoked.

use actix_web::{HttpResponse, web};
use secrecy::ExposeSecret;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{id, tenants, through, view};
use crate::app::{App, key_hash};
use crate::config::{api_key_hint, generate_api_key};
use crate::model::{ApiKey, ApiKeyId, AuditAction, Change, KeyRole, TenantId};
use crate::store::KeyDeletion;
use crate::web::{ApiError, Body, Caller, Code, Page, Query, limit};

/// Longest name of a key, in characters.
const MAX_NAME_CHARS: usize = 200;

/// A new API key. Every role but `admin` is for one tenant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApiKeyCreate)]
struct Create {
    role: KeyRole,
    tenant_id: Option<TenantId>,
    /// For people; not only white space.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S", example = "deploy pipeline")]
    name: String,
}

/// The list's query string.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Items on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<ApiKeyId>,
}

/// Make an API key
///
/// Takes an admin's key. The new key is shown this once.
#[utoipa::path(
    post, path = "/api/v1/keys", tag = "keys", operation_id = "create_key",
    request_body(content = Create, example = json!({"role": "admin", "name": "deploy pipeline"})),
    responses((status = 201, description = "The key, with its text.", body = view::ApiKeyView))
)]
pub async fn create(caller: Caller, app: web::Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Created().json(make(&caller, &app, body).await?))
}

/// Makes a key, as it is asked for. What it shows has the key's text.
pub(crate) async fn make(
    caller: &Caller,
    app: &web::Data<App>,
    body: Body,
) -> Result<view::ApiKeyView, ApiError> {
    let admin = caller.admin()?;
    let Create { role, tenant_id, name } = body.parse()?;
    check(app, role, tenant_id.as_ref()).await?;
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
    let key = tenants::still_there(through(app, Change::ApiKeys, made).await?)?;
    tracing::info!(%key_id, "API key made");
    Ok(view::api_key(key, Some(text.expose_secret().to_owned())))
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
        (KeyRole::Operator | KeyRole::Viewer, Some(tenant_id)) => {
            app.store.tenant(tenant_id).await?.map(drop).ok_or_else(tenants::unknown)
        }
    }
}

/// List API keys
///
/// Takes an admin's key. The keys' text is not kept and not shown.
#[utoipa::path(
    get, path = "/api/v1/keys", tag = "keys", operation_id = "list_keys", params(ListQuery),
    responses((status = 200, description = "A page of keys.", body = view::ApiKeyPage))
)]
pub async fn list(
    caller: Caller,
    app: web::Data<App>,
    query: Query<ListQuery>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(page(&app, &caller, &query).await?))
}

/// A page of keys, as it is asked for.
pub(crate) async fn page(
    app: &App,
    caller: &Caller,
    query: &ListQuery,
) -> Result<Page<view::ApiKeyView>, ApiError> {
    caller.admin()?;
    let limit = limit(query.limit)?;
    let keys = app.store.api_keys(query.cursor, limit + 1).await?;
    Ok(Page::of("keys", keys, limit, |key| key.key_id.to_string(), |key| view::api_key(key, None)))
}

/// The key of this id, for administrators: who may not see keys hears the same of every id.
pub(crate) async fn find(app: &App, caller: &Caller, key_id: &str) -> Result<ApiKey, ApiError> {
    caller.admin().map_err(|_| ApiError::not_found())?;
    app.store.api_key_of_id(id(key_id)?).await?.ok_or_else(ApiError::not_found)
}

/// Revoke an API key
///
/// Takes an admin's key. It is refused everywhere within a second.
#[utoipa::path(
    delete, path = "/api/v1/keys/{key_id}", tag = "keys", operation_id = "delete_key",
    params(("key_id" = ApiKeyId, Path, description = "The key.")),
    responses((status = 204, description = "Revoked."), (status = 409, description = "last_admin_key"))
)]
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
