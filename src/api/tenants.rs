//! Tenants: whose agents, whose data, whose rules.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Deserializer};
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::{IntoParams, ToSchema};

use super::{RACES, id, through, view};
use crate::app::App;
use crate::model::{
    AuditAction, Change, FallbackReason, KeyPolicy, LlmConfig, MAX_CONCURRENCY, RateLimit, Tenant, TenantId,
};
use crate::store;
use crate::web::{ApiError, Body, Caller, Code, Page, Query, Scope, from_value, limit};

/// Longest name of a tenant, in characters.
const MAX_NAME_CHARS: usize = 200;
/// Models in `allowed_models`, at most.
const MAX_MODELS: usize = 1000;

/// A new tenant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TenantCreate)]
struct Create {
    tenant_id: TenantId,
    #[schema(max_length = 200)]
    name: Option<String>,
    #[serde(default)]
    key_policy: KeyPolicy,
    fallback_on: Option<Vec<FallbackReason>>,
    #[schema(schema_with = models_schema)]
    allowed_models: Option<Vec<String>>,
    /// How many hooks all its agents take together; `null` is any number.
    rate_limit: Option<RateLimit>,
    /// Executions of all its agents that run at once; `null` is any number.
    #[schema(minimum = 1, maximum = 10_000)]
    concurrency: Option<u32>,
}

/// A change: what is left out stays, `null` goes back to the default.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TenantPatch)]
struct Patch {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 200)]
    name: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<KeyPolicy>)]
    key_policy: Option<Option<KeyPolicy>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<FallbackReason>>)]
    fallback_on: Option<Option<Vec<FallbackReason>>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = models_schema)]
    allowed_models: Option<Option<Vec<String>>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<RateLimit>)]
    rate_limit: Option<Option<RateLimit>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 10_000)]
    concurrency: Option<Option<u32>>,
}

/// The list's query string.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Items on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<TenantId>,
}

/// Tells a field that is `null` from one that is not there.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Make a tenant
///
/// Takes an admin's key.
#[utoipa::path(
    post, path = "/api/v1/tenants", tag = "tenants", operation_id = "create_tenant",
    request_body(content = Create, example = json!({"tenant_id": "acme", "name": "Acme Ltd"})),
    responses((status = 201, description = "The tenant.", body = view::TenantView), (status = 409, description = "conflict"))
)]
pub async fn create(caller: Caller, app: web::Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Created().json(make(&caller, &app, body).await?))
}

/// Makes a tenant, as it is asked for.
pub(crate) async fn make(
    caller: &Caller,
    app: &web::Data<App>,
    body: Body,
) -> Result<view::TenantView, ApiError> {
    let admin = caller.admin()?;
    let new: Create = body.parse()?;
    let now = app.clock.now();
    let tenant = Tenant {
        tenant_id: new.tenant_id,
        version: 1,
        name: new.name,
        key_policy: new.key_policy,
        fallback_on: new.fallback_on.unwrap_or_else(default_fallback),
        allowed_models: new.allowed_models,
        rate_limit: new.rate_limit,
        concurrency: new.concurrency,
        llm_key: None,
        created_at: now,
        updated_at: now,
    };
    check(&tenant)?;
    let entry = admin.does(AuditAction::TenantCreated, &tenant.tenant_id, now).of(&tenant.tenant_id);
    let made = {
        let (app, tenant) = (app.clone(), tenant.clone());
        async move { app.store.insert_tenant(&tenant, &entry).await }
    };
    match through(app, Change::Tenant(tenant.tenant_id.clone()), made).await? {
        Err(store::Error::Conflict) => {
            Err(ApiError::new(Code::Conflict, format!("there is a tenant {} already", tenant.tenant_id)))
        }
        made => {
            made?;
            Ok(view::tenant(tenant, caller.key.role))
        }
    }
}

/// List tenants
///
/// By id. A key of one tenant sees its own.
#[utoipa::path(
    get, path = "/api/v1/tenants", tag = "tenants", operation_id = "list_tenants", params(ListQuery),
    responses((status = 200, description = "A page of tenants.", body = view::TenantPage))
)]
pub async fn list(
    caller: Caller,
    app: web::Data<App>,
    query: Query<ListQuery>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(page(&app, &caller, &query).await?))
}

/// A page of tenants, as it is asked for.
pub(crate) async fn page(
    app: &App,
    caller: &Caller,
    query: &ListQuery,
) -> Result<Page<view::TenantView>, ApiError> {
    let limit = limit(query.limit)?;
    let after = query.cursor.as_ref();
    let tenants = match caller.scope(None) {
        Scope::All => app.store.tenants(after, limit + 1).await?,
        Scope::Tenant(own) => {
            let own = app.store.tenant(&own).await?;
            own.filter(|own| after.is_none_or(|after| *after < own.tenant_id)).into_iter().collect()
        }
        Scope::Nothing => Vec::new(),
    };
    let shown = |tenant| view::tenant(tenant, caller.key.role);
    Ok(Page::of("tenants", tenants, limit, |tenant| tenant.tenant_id.to_string(), shown))
}

/// Show a tenant
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant_id}", tag = "tenants", operation_id = "get_tenant",
    params(("tenant_id" = TenantId, Path, description = "The tenant.")),
    responses((status = 200, description = "The tenant.", body = view::TenantView))
)]
pub async fn get(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let tenant = find(&app, &caller, &path).await?;
    Ok(HttpResponse::Ok().json(view::tenant(tenant, caller.key.role)))
}

/// Change a tenant
///
/// Takes an admin's key. What is left out stays; `null` goes back to the default.
#[utoipa::path(
    patch, path = "/api/v1/tenants/{tenant_id}", tag = "tenants", operation_id = "update_tenant",
    params(("tenant_id" = TenantId, Path, description = "The tenant.")),
    request_body(content = Patch, example = json!({"key_policy": "tenant_only"})),
    responses((status = 200, description = "The tenant.", body = view::TenantView), (status = 409, description = "conflict"))
)]
pub async fn update(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(patch(&caller, &app, &path, body).await?))
}

/// Changes some of a tenant, as it is asked for.
pub(crate) async fn patch(
    caller: &Caller,
    app: &web::Data<App>,
    path: &str,
    body: Body,
) -> Result<view::TenantView, ApiError> {
    let mut tenant = find(app, caller, path).await?;
    let admin = caller.admin()?;
    let fields = body.json()?;
    let changed: Vec<_> = fields.as_object().into_iter().flat_map(|fields| fields.keys().cloned()).collect();
    let change: Patch = from_value(fields)?;
    for _ in 0..RACES {
        change.clone().apply(&mut tenant);
        tenant.updated_at = app.clock.now();
        check(&tenant)?;
        let tenant_id = tenant.tenant_id.clone();
        let entry = admin.does(AuditAction::TenantUpdated, &tenant_id, tenant.updated_at).of(&tenant_id);
        let made = {
            let (app, tenant) = (app.clone(), tenant.clone());
            let entry = entry.with("changed", changed.clone());
            async move { app.store.update_tenant(&tenant, &entry).await }
        };
        if through(app, Change::Tenant(tenant_id), made).await?? {
            return Ok(view::tenant(tenant, caller.key.role));
        }
        tenant = find(app, caller, path).await?;
    }
    Err(store::Error::Conflict.into())
}

impl Patch {
    fn apply(self, tenant: &mut Tenant) {
        if let Some(name) = self.name {
            tenant.name = name;
        }
        if let Some(policy) = self.key_policy {
            tenant.key_policy = policy.unwrap_or_default();
        }
        if let Some(fallback_on) = self.fallback_on {
            tenant.fallback_on = fallback_on.unwrap_or_else(default_fallback);
        }
        if let Some(models) = self.allowed_models {
            tenant.allowed_models = models;
        }
        if let Some(rate_limit) = self.rate_limit {
            tenant.rate_limit = rate_limit;
        }
        if let Some(concurrency) = self.concurrency {
            tenant.concurrency = concurrency;
        }
    }
}

/// Delete a tenant
///
/// Takes an admin's key. A tenant that has, or had, agents or webhooks stays: its history names it.
#[utoipa::path(
    delete, path = "/api/v1/tenants/{tenant_id}", tag = "tenants", operation_id = "delete_tenant",
    params(("tenant_id" = TenantId, Path, description = "The tenant.")),
    responses((status = 204, description = "Deleted."), (status = 409, description = "conflict"))
)]
pub async fn delete(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let tenant_id = find(&app, &caller, &path).await?.tenant_id;
    let entry = caller.admin()?.does(AuditAction::TenantDeleted, &tenant_id, app.clock.now()).of(&tenant_id);
    let deleted = {
        let (app, tenant_id) = (app.clone(), tenant_id.clone());
        async move {
            let deleted = app.store.delete_tenant(&tenant_id, &entry).await;
            // Its keys went with it.
            app.changed(Change::ApiKeys).await;
            deleted
        }
    };
    if !through(&app, Change::Tenant(tenant_id), deleted).await?? {
        let detail = "the tenant has, or had, agents or webhooks: its history names it, so it stays; pause or delete them";
        return Err(ApiError::new(Code::Conflict, detail));
    }
    Ok(HttpResponse::NoContent().finish())
}

/// The tenant with this id, if the caller may know of it.
pub(crate) async fn find(app: &App, caller: &Caller, tenant_id: &str) -> Result<Tenant, ApiError> {
    let tenant_id = id(tenant_id)?;
    caller.sees(&tenant_id)?;
    app.store.tenant(&tenant_id).await?.ok_or_else(ApiError::not_found)
}

/// The tenant that something new is for; it must exist, and be the caller's own if it has one.
pub(super) async fn named(
    app: &App,
    caller: &Caller,
    field: Option<serde_json::Value>,
) -> Result<TenantId, ApiError> {
    let fault = |message: &str| ApiError::field("/tenant_id", message);
    let tenant_id = match (field, &caller.key.tenant_id) {
        (Some(serde_json::Value::String(text)), _) => {
            text.parse::<TenantId>().map_err(|error| fault(&error.to_string()))?
        }
        (None | Some(serde_json::Value::Null), Some(own)) => own.clone(),
        _ => return Err(fault("is required: the tenant that it is for")),
    };
    caller.sees(&tenant_id).map_err(|_| unknown())?;
    app.store.tenant(&tenant_id).await?.ok_or_else(unknown)?;
    Ok(tenant_id)
}

/// The answer to a new agent or API key whose tenant there is not.
pub(super) fn unknown() -> ApiError {
    ApiError::field("/tenant_id", "names no tenant; make it first with POST /api/v1/tenants")
}

/// What became of a new agent or API key, whose tenant may have been deleted since it was looked for.
pub(super) fn still_there<T>(made: store::Result<T>) -> Result<T, ApiError> {
    match made {
        Err(store::Error::Conflict) => Err(unknown()),
        made => Ok(made?),
    }
}

fn default_fallback() -> Vec<FallbackReason> {
    vec![FallbackReason::Missing]
}

fn check(tenant: &Tenant) -> Result<(), ApiError> {
    if tenant.name.as_ref().is_some_and(|name| name.chars().count() > MAX_NAME_CHARS) {
        return Err(ApiError::field("/name", format!("must have at most {MAX_NAME_CHARS} characters")));
    }
    let models = tenant.allowed_models.as_deref().unwrap_or_default();
    let fits = |model: &String| (1..=LlmConfig::MAX_MODEL_LEN).contains(&model.len());
    if models.len() > MAX_MODELS || !models.iter().all(fits) {
        let message = format!("must be at most {MAX_MODELS} names of models, each 1 to 200 bytes");
        return Err(ApiError::field("/allowed_models", message));
    }
    if let Some(fault) = tenant.rate_limit.as_ref().and_then(RateLimit::fault) {
        return Err(ApiError::field("/rate_limit", fault));
    }
    if tenant.concurrency.is_some_and(|most| !(1..=MAX_CONCURRENCY).contains(&most)) {
        return Err(ApiError::field("/concurrency", format!("must be between 1 and {MAX_CONCURRENCY}")));
    }
    Ok(())
}

/// `allowed_models` as the document says it.
fn models_schema() -> Array {
    let model = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(LlmConfig::MAX_MODEL_LEN));
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .items(model)
        .max_items(Some(MAX_MODELS))
        .description(Some("Names of models; `null` allows any."))
        .build()
}
