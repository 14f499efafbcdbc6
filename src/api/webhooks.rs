//! Endpoints: who is told of events.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::IntoParams;

use super::signing_secret;
use super::view::{self, ShownOnce};
use super::webhook_request::{self, Settings, as_given, check_target, split_secret};
use super::webhook_row::{made, open};
use super::{RACES, id, tenants, through};
use crate::app::{App, open_target};
use crate::model::{AuditAction, Change, KeyRole, TenantId, Webhook, WebhookHealth, WebhookId, WebhookKind};
use crate::store;
use crate::web::{ApiError, Body, Caller, Code, IfMatch, Page, Query, Scope, etag, limit, to_the_end};

/// Endpoints of one tenant, at most.
pub const MAX_WEBHOOKS: i64 = 1000;

/// The list's query string.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Only this tenant's.
    tenant_id: Option<TenantId>,
    /// Items on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<WebhookId>,
}

/// Make a webhook endpoint
///
/// The answer has its `secret_key`, this once. `tenant_id` may be left out by a key of one tenant.
#[utoipa::path(
    post, path = "/api/v1/webhooks", tag = "endpoints", operation_id = "create_webhook",
    request_body(content = ref("#/components/schemas/WebhookCreate")),
    responses(
        (status = 201, description = "The endpoint.", body = view::WebhookView, headers(("ETag" = String, description = "The version, for `If-Match`."))),
        (status = 409, description = "conflict"),
        (status = 422, description = "invalid_request invalid_filter")
    )
)]
pub async fn create(caller: Caller, app: web::Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let made = make(&caller, &app, body).await?;
    Ok(HttpResponse::Created().insert_header(etag(made.version)).json(made))
}

/// Makes an endpoint, as it is asked for. What it shows has the secret.
pub(crate) async fn make(
    caller: &Caller,
    app: &web::Data<App>,
    body: Body,
) -> Result<view::WebhookView, ApiError> {
    let writer = caller.writer()?;
    let mut fields = object(body)?;
    let tenant_id = tenants::named(app, caller, fields.remove("tenant_id")).await?;
    let given = split_secret(&mut fields)?;
    let settings = webhook_request::read(fields, None)?;
    check_agent(app, &settings, &tenant_id).await?;
    let warnings = check_target(app, &settings.target).await?;
    let (webhook_id, now) = (WebhookId::new(), app.clock.now());
    let webhook = made(app, webhook_id, tenant_id.clone(), settings, now);
    let (secret, text) = signing_secret::make(app, webhook_id, given, now);
    let entry = writer.does(AuditAction::WebhookCreated, webhook_id, now).of(&tenant_id);
    let inserted = {
        let (app, webhook) = (app.clone(), webhook.clone());
        let change = Change::Webhooks(tenant_id.clone());
        let write = {
            let app = app.clone();
            async move { app.store.insert_webhook(&webhook, &secret, MAX_WEBHOOKS, &entry).await }
        };
        through(&app, change, write).await?
    };
    if !tenants::still_there(inserted)? {
        let detail = format!("the tenant has {MAX_WEBHOOKS} webhooks, which is the most: delete some");
        return Err(ApiError::new(Code::Conflict, detail));
    }
    let shown = ShownOnce { warnings, ..signing_secret::shown(&text) };
    show(app, caller, webhook, shown).await
}

/// List webhook endpoints
///
/// The newest first. The one of `WEBHOOK_URL` is shown to admins.
#[utoipa::path(
    get, path = "/api/v1/webhooks", tag = "endpoints", operation_id = "list_webhooks", params(ListQuery),
    responses((status = 200, description = "A page of endpoints.", body = view::WebhookPage))
)]
pub async fn list(
    caller: Caller,
    app: web::Data<App>,
    query: Query<ListQuery>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(page(&app, &caller, &query).await?))
}

/// A page of endpoints, as it is asked for.
pub(crate) async fn page(
    app: &App,
    caller: &Caller,
    query: &ListQuery,
) -> Result<Page<view::WebhookView>, ApiError> {
    let limit = limit(query.limit)?;
    let tenant = match caller.scope(query.tenant_id.clone()) {
        Scope::All => None,
        Scope::Tenant(tenant_id) => Some(tenant_id),
        Scope::Nothing => return Ok(Page::empty("webhooks")),
    };
    let webhooks = app.store.webhooks(tenant.as_ref(), query.cursor, limit + 1, app.clock.now()).await?;
    let cursor = |(webhook, _): &(Webhook, WebhookHealth)| webhook.webhook_id.to_string();
    let view = |(webhook, health)| shown_as(app, webhook, &health, caller.key.role, ShownOnce::default());
    Ok(Page::of("webhooks", webhooks, limit, cursor, view))
}

/// Show a webhook endpoint
#[utoipa::path(
    get, path = "/api/v1/webhooks/{webhook_id}", tag = "endpoints", operation_id = "get_webhook",
    params(("webhook_id" = String, Path, description = "The endpoint.")),
    responses((status = 200, description = "The endpoint.", body = view::WebhookView, headers(("ETag" = String, description = "The version, for `If-Match`."))))
)]
pub async fn get(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let webhook = find(&app, &caller, &path).await?;
    let version = webhook.version;
    Ok(HttpResponse::Ok()
        .insert_header(etag(version))
        .json(show(&app, &caller, webhook, ShownOnce::default()).await?))
}

/// Replace a webhook endpoint's settings
///
/// What is left out goes back to its default; the secret stays unless there is a new one.
#[utoipa::path(
    put, path = "/api/v1/webhooks/{webhook_id}", tag = "endpoints", operation_id = "replace_webhook",
    params(("webhook_id" = String, Path, description = "The endpoint."), IfMatch),
    request_body(content = ref("#/components/schemas/WebhookReplace")),
    responses(
        (status = 200, description = "The endpoint.", body = view::WebhookView, headers(("ETag" = String, description = "The version, for `If-Match`."))),
        (status = 409, description = "conflict"),
        (status = 412, description = "version_mismatch"),
        (status = 422, description = "invalid_request invalid_filter")
    )
)]
pub async fn replace(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    if_match: IfMatch,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let view = change(&caller, &app, &path, &if_match, body, |_, given| given).await?;
    Ok(HttpResponse::Ok().insert_header(etag(view.version)).json(view))
}

/// Change a webhook endpoint
///
/// What is left out stays; `null` goes back to the default. Its URL and the values of its headers may be given as they are
/// shown, and stay then.
#[utoipa::path(
    patch, path = "/api/v1/webhooks/{webhook_id}", tag = "endpoints", operation_id = "update_webhook",
    params(("webhook_id" = String, Path, description = "The endpoint."), IfMatch),
    request_body(content = ref("#/components/schemas/WebhookPatch")),
    responses(
        (status = 200, description = "The endpoint.", body = view::WebhookView, headers(("ETag" = String, description = "The version, for `If-Match`."))),
        (status = 409, description = "conflict"),
        (status = 412, description = "version_mismatch"),
        (status = 422, description = "invalid_request invalid_filter")
    )
)]
pub async fn update(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    if_match: IfMatch,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let view = patch(&caller, &app, &path, &if_match, body).await?;
    Ok(HttpResponse::Ok().insert_header(etag(view.version)).json(view))
}

/// Changes some of an endpoint, as it is asked for.
pub(crate) async fn patch(
    caller: &Caller,
    app: &web::Data<App>,
    path: &str,
    if_match: &IfMatch,
    body: Body,
) -> Result<view::WebhookView, ApiError> {
    change(caller, app, path, if_match, body, |mut present, given| {
        present.extend(given);
        present
    })
    .await
}

async fn change(
    caller: &Caller,
    app: &web::Data<App>,
    path: &str,
    if_match: &IfMatch,
    body: Body,
    merge: impl Fn(Map<String, Value>, Map<String, Value>) -> Map<String, Value>,
) -> Result<view::WebhookView, ApiError> {
    let mut webhook = find(app, caller, path).await?;
    let writer = caller.writer()?;
    let mut fields = object(body)?;
    let given = split_secret(&mut fields)?;
    let changed: Vec<_> = fields.keys().cloned().collect();
    for _ in 0..RACES {
        if_match.check(webhook.version)?;
        refuse_platform(&webhook)?;
        let target = open(app, &webhook)?;
        let settings =
            webhook_request::read(merge(as_given(&webhook, &target), fields.clone()), Some(&target))?;
        let tenant_id = webhook.tenant_id.clone().ok_or_else(ApiError::not_found)?;
        check_agent(app, &settings, &tenant_id).await?;
        // What stays as it is need not be allowed any more for something else to be changed.
        let warnings = match settings.target.url == target.url {
            true => Vec::new(),
            false => check_target(app, &settings.target).await?,
        };
        let (now, before) = (app.clock.now(), webhook.clone());
        let next = Webhook {
            version: before.version,
            status: before.status,
            disabled_reason: before.disabled_reason,
            created_at: before.created_at,
            ..made(app, before.webhook_id, tenant_id.clone(), settings, now)
        };
        let (secret, shown) = match given.clone() {
            None => (None, ShownOnce::default()),
            Some(text) => {
                let (secret, text) = signing_secret::make(app, next.webhook_id, Some(text), now);
                (Some(signing_secret::replacing(secret, 0)), signing_secret::shown(&text))
            }
        };
        let entry = writer.does(AuditAction::WebhookUpdated, next.webhook_id, now).of(&tenant_id);
        let entry = entry.with("changed", changed.clone()).with("secret", secret.is_some());
        let updated = {
            let (app, next) = (app.clone(), next.clone());
            let change = Change::Webhooks(tenant_id.clone());
            let write = {
                let app = app.clone();
                async move { app.store.update_webhook(&next, secret.as_ref(), &entry).await }
            };
            through(&app, change, write).await?
        };
        match updated {
            Err(store::Error::Conflict) => webhook = find(app, caller, path).await?,
            updated => {
                updated?;
                let next = Webhook { version: next.version + 1, ..next };
                return show(app, caller, next, ShownOnce { warnings, ..shown }).await;
            }
        }
    }
    Err(store::Error::Conflict.into())
}

/// Delete a webhook endpoint
///
/// What waits to be sent to it ends as exhausted, a moment later.
#[utoipa::path(
    delete, path = "/api/v1/webhooks/{webhook_id}", tag = "endpoints", operation_id = "delete_webhook",
    params(("webhook_id" = String, Path, description = "The endpoint."), IfMatch),
    responses(
        (status = 204, description = "Deleted."),
        (status = 409, description = "conflict"),
        (status = 412, description = "version_mismatch")
    )
)]
pub async fn delete(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    if_match: IfMatch,
) -> Result<HttpResponse, ApiError> {
    for _ in 0..RACES {
        let webhook = find(&app, &caller, &path).await?;
        let writer = caller.writer()?;
        refuse_platform(&webhook)?;
        if_match.check(webhook.version)?;
        let entry =
            of(writer.does(AuditAction::WebhookDeleted, webhook.webhook_id, app.clock.now()), &webhook);
        let app = app.clone();
        let deleted = to_the_end(async move {
            let deleted = app.store.delete_webhook(&webhook, &entry).await;
            changed(&app, &webhook).await;
            deleted
        });
        if deleted.await?? {
            return Ok(HttpResponse::NoContent().finish());
        }
    }
    Err(store::Error::Conflict.into())
}

/// Tells all processes to look anew who wants to hear of what. Call it after the commit.
pub(super) async fn changed(app: &App, webhook: &Webhook) {
    if let Some(tenant) = webhook.tenant_id.clone() {
        app.changed(Change::Webhooks(tenant)).await;
    }
}

fn object(body: Body) -> Result<Map<String, Value>, ApiError> {
    match body.json()? {
        Value::Object(fields) => Ok(fields),
        _ => Err(ApiError::field("", "the body must be a JSON object")),
    }
}

/// The endpoint with this id, if the caller may know of it.
pub(crate) async fn find(app: &App, caller: &Caller, webhook_id: &str) -> Result<Webhook, ApiError> {
    let webhook = app.store.webhook(id(webhook_id)?).await?.ok_or_else(ApiError::not_found)?;
    match &webhook.tenant_id {
        Some(tenant_id) => caller.sees(tenant_id)?,
        // The platform's is the admins'.
        None if caller.key.tenant_id.is_some() => return Err(ApiError::not_found()),
        None => {}
    }
    Ok(webhook)
}

/// What is made by the settings is changed there.
pub(crate) fn refuse_platform(webhook: &Webhook) -> Result<(), ApiError> {
    let detail = match webhook.kind {
        WebhookKind::Webhook => return Ok(()),
        WebhookKind::Platform => {
            "it is defined by WEBHOOK_URL and its family: change them and restart the server"
        }
        WebhookKind::Callback => {
            "it is its agent's, for callbacks: change callback_hosts of the agent's trigger"
        }
    };
    Err(ApiError::new(Code::Conflict, detail))
}

/// Says whose an entry's subject is.
pub(super) fn of(entry: crate::model::AuditEntry, webhook: &Webhook) -> crate::model::AuditEntry {
    match &webhook.tenant_id {
        Some(tenant_id) => entry.of(tenant_id),
        None => entry,
    }
}

async fn check_agent(app: &App, settings: &Settings, tenant_id: &TenantId) -> Result<(), ApiError> {
    let Some(agent_id) = settings.agent_id else { return Ok(()) };
    let agent = app.store.agent(agent_id).await?.filter(|agent| agent.tenant_id == *tenant_id);
    agent.map(drop).ok_or_else(|| ApiError::field("/agent_id", "names no agent of the tenant"))
}

pub(crate) async fn show(
    app: &App,
    caller: &Caller,
    webhook: Webhook,
    shown: ShownOnce,
) -> Result<view::WebhookView, ApiError> {
    let health = app.store.webhook_health(webhook.webhook_id, app.clock.now()).await?;
    Ok(shown_as(app, webhook, &health, caller.key.role, shown))
}

pub(crate) fn shown_as(
    app: &App,
    webhook: Webhook,
    health: &WebhookHealth,
    to: KeyRole,
    mut shown: ShownOnce,
) -> view::WebhookView {
    let target = open_target(&app.cipher, &webhook);
    if target.is_err() {
        shown
            .warnings
            .push("its URL cannot be opened under the server's encryption keys: nothing is sent".into());
    }
    view::webhook(webhook, target.ok().as_ref(), health, to, shown)
}
