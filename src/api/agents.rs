//! Agents: each change is a new version, made of the present one by compare-and-set.
//!
//! Without `If-Match` the last write wins, field by field: a change names fields, is applied to the version that is
//! there by then, and undoes no other change of other fields.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use utoipa::IntoParams;

use super::agent_request::{SecretMaker, patched, recodes, secrets, spec, split_secret};
use super::view::AgentSecrets;
use super::webhook_secrets::open_secrets;
use super::{RACES, callback_secrets, id, tenants, through, view};
use crate::app::App;
use crate::model::{Agent, AgentId, AuditAction, Change, TenantId};
use crate::store;
use crate::web::{ApiError, Body, Caller, Code, IfMatch, Page, Query, Scope, etag, limit};

/// Bytes after which a page of agents ends.
const PAGE_BYTES: usize = 4 << 20;
/// Agents that are read at once for a page.
const BATCH: i64 = 20;

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
    cursor: Option<AgentId>,
}

/// Make an agent
///
/// With a trigger, the answer has the `webhook_url` and, this once, the `webhook_secret`; with `callback_hosts` also the
/// `callback_secret`. `tenant_id` may be left out by a key of one tenant.
#[utoipa::path(
    post, path = "/api/v1/agents", tag = "agents", operation_id = "create_agent",
    request_body(content = ref("#/components/schemas/AgentCreate")),
    responses(
        (status = 201, description = "The agent.", body = view::AgentView, headers(("ETag" = String, description = "The version, for `If-Match`."))),
        (status = 422, description = "invalid_request invalid_schema invalid_filter invalid_template")
    )
)]
pub async fn create(caller: Caller, app: web::Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let made = make(&caller, &app, body).await?;
    Ok(HttpResponse::Created().insert_header(etag(made.version)).json(made))
}

/// Makes an agent; its secrets are shown this once.
pub(crate) async fn make(
    caller: &Caller,
    app: &web::Data<App>,
    body: Body,
) -> Result<view::AgentView, ApiError> {
    let writer = caller.writer()?;
    let (mut fields, given) = split_secret(body.json()?)?;
    let tenant_id = tenants::named(app, caller, fields.remove("tenant_id")).await?;
    let (agent_id, now) = (AgentId::new(), app.clock.now());
    let entry = writer.does(AuditAction::AgentCreated, agent_id, now).of(&tenant_id);
    let agent =
        Agent { agent_id, tenant_id, version: 1, spec: spec(fields)?, created_at: now, updated_at: now };
    let maker = SecretMaker { cipher: &app.cipher, agent_id, now };
    let (change, webhook) = secrets(None, &agent.spec, given, &[], &maker)?;
    let needed = callback_secrets::missing(app, &agent, now).await?;
    let (endpoint, callback) = needed.unzip();
    let shown = AgentSecrets { webhook, callback };
    let made = {
        let app = app.clone();
        async move { app.store.insert_agent(&agent, &change, endpoint.as_ref(), &entry).await.map(|()| agent) }
    };
    let agent = tenants::still_there(through(app, Change::Agent(agent_id), made).await?)?;
    Ok(view(app, agent, shown))
}

/// List agents
///
/// By id, each at its present version. A page of large agents ends after 4 MiB, however many were asked for.
#[utoipa::path(
    get, path = "/api/v1/agents", tag = "agents", operation_id = "list_agents", params(ListQuery),
    responses((status = 200, description = "A page of agents.", body = view::AgentPage))
)]
pub async fn list(
    caller: Caller,
    app: web::Data<App>,
    query: Query<ListQuery>,
) -> Result<HttpResponse, ApiError> {
    let limit = limit(query.limit)?;
    let tenant = match caller.scope(query.tenant_id.clone()) {
        Scope::All => None,
        Scope::Tenant(tenant_id) => Some(tenant_id),
        Scope::Nothing => return Ok(HttpResponse::Ok().json(Page::<()>::empty("agents"))),
    };
    let (agents, shown) = page(&app, tenant.as_ref(), query.cursor, limit).await?;
    let page = Page::of("agents", agents, shown, |(id, _)| id.to_string(), |(_, agent)| agent);
    Ok(HttpResponse::Ok().json(page))
}

/// The agents of a page, as they are written, with one more if there is one; and how many are to be shown. They are read
/// a few at a time, so that no more of them is in memory than is sent.
async fn page(
    app: &App,
    tenant: Option<&TenantId>,
    mut before: Option<AgentId>,
    limit: i64,
) -> Result<(Vec<(AgentId, Box<RawValue>)>, i64), ApiError> {
    let (mut agents, mut shown, mut bytes) = (Vec::new(), 0, 0);
    loop {
        let batch = app.store.agents(tenant, before, BATCH).await?;
        let is_last = batch.len() < BATCH as usize;
        for agent in batch {
            let agent_id = agent.agent_id;
            let written = to_raw_value(&view(app, agent, AgentSecrets::default())).map_err(|error| {
                tracing::error!(%agent_id, %error, "an agent cannot be written as JSON");
                ApiError::new(Code::Internal, "an agent cannot be written as JSON")
            })?;
            let is_full = shown == limit || bytes >= PAGE_BYTES;
            bytes += written.get().len();
            agents.push((agent_id, written));
            if is_full {
                return Ok((agents, shown));
            }
            (shown, before) = (shown + 1, Some(agent_id));
        }
        if is_last {
            return Ok((agents, shown));
        }
    }
}

/// Show an agent
#[utoipa::path(
    get, path = "/api/v1/agents/{agent_id}", tag = "agents", operation_id = "get_agent",
    params(("agent_id" = AgentId, Path, description = "The agent.")),
    responses((status = 200, description = "The agent.", body = view::AgentView, headers(("ETag" = String, description = "The version, for `If-Match`."))))
)]
pub async fn get(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let agent = find(&app, &caller, &path).await?;
    Ok(HttpResponse::Ok().insert_header(etag(agent.version)).json(view(&app, agent, AgentSecrets::default())))
}

/// Change an agent
///
/// Makes a new version. What is left out stays; `null` goes back to the default. `llm_config`, `retry` and `trigger` are
/// changed field by field. Without `If-Match` the last write wins, field by field.
#[utoipa::path(
    patch, path = "/api/v1/agents/{agent_id}", tag = "agents", operation_id = "update_agent",
    params(("agent_id" = AgentId, Path, description = "The agent."), IfMatch),
    request_body(content = ref("#/components/schemas/AgentPatch")),
    responses(
        (status = 200, description = "The agent.", body = view::AgentView, headers(("ETag" = String, description = "The version, for `If-Match`."))),
        (status = 409, description = "conflict"),
        (status = 412, description = "version_mismatch"),
        (status = 422, description = "invalid_request invalid_schema invalid_filter invalid_template"),
        (status = 503, description = "unavailable")
    )
)]
pub async fn update(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    if_match: IfMatch,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let changed = change(&caller, &app, &path, &if_match, body).await?;
    Ok(HttpResponse::Ok().insert_header(etag(changed.version)).json(changed))
}

/// Changes an agent; secrets that this has made are shown this once.
pub(crate) async fn change(
    caller: &Caller,
    app: &web::Data<App>,
    agent_id: &str,
    if_match: &IfMatch,
    body: Body,
) -> Result<view::AgentView, ApiError> {
    let mut agent = find(app, caller, agent_id).await?;
    let (writer, agent_id) = (caller.writer()?, agent.agent_id);
    let (changes, given) = split_secret(body.json()?)?;
    let mut changed: Vec<_> = changes.keys().cloned().collect();
    changed.sort();
    for _ in 0..RACES {
        if_match.check(agent.version)?;
        let now = app.clock.now();
        let next = patched(&agent.spec, changes.clone())?;
        // Only then are the stored secrets needed; an agent whose secrets cannot be opened can still be mended.
        let stored = match given.is_none() && recodes(&agent.spec, &next) {
            true => open_secrets(app, agent_id, now).await?,
            false => Vec::new(),
        };
        let maker = SecretMaker { cipher: &app.cipher, agent_id, now };
        let (secret, webhook) = secrets(Some(&agent.spec), &next, given.clone(), &stored, &maker)?;
        let entry = writer.does(AuditAction::AgentUpdated, agent_id, now).of(&agent.tenant_id);
        let entry = entry.with("version", agent.version + 1).with("changed", changed.clone());
        let next = Agent { spec: next, updated_at: now, ..agent };
        let (endpoint, callback) = callback_secrets::missing(app, &next, now).await?.unzip();
        let shown = AgentSecrets { webhook, callback };
        let made = {
            let app = app.clone();
            let changed = changed.clone();
            async move { app.store.update_agent(&next, &secret, endpoint.as_ref(), &changed, &entry).await }
        };
        match through(app, Change::Agent(agent_id), made).await? {
            Err(store::Error::Conflict) => agent = find(app, caller, &agent_id.to_string()).await?,
            made => return Ok(view(app, made?, shown)),
        }
    }
    Err(store::Error::Conflict.into())
}

/// Delete an agent
///
/// What is queued for it ends as `agent_deleted`.
#[utoipa::path(
    delete, path = "/api/v1/agents/{agent_id}", tag = "agents", operation_id = "delete_agent",
    params(("agent_id" = AgentId, Path, description = "The agent."), IfMatch),
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
        let agent = find(&app, &caller, &path).await?;
        let (writer, agent_id) = (caller.writer()?, agent.agent_id);
        if_match.check(agent.version)?;
        let entry = writer.does(AuditAction::AgentDeleted, agent_id, app.clock.now()).of(&agent.tenant_id);
        let entry = entry.with("name", agent.spec.name.clone());
        let made = {
            let app = app.clone();
            async move { app.store.delete_agent(&agent, &entry).await }
        };
        if through(&app, Change::Agent(agent_id), made).await?? {
            return Ok(HttpResponse::NoContent().finish());
        }
    }
    Err(store::Error::Conflict.into())
}

/// The agent with this id, if the caller may know of it.
pub(crate) async fn find(app: &App, caller: &Caller, agent_id: &str) -> Result<Agent, ApiError> {
    let agent = app.store.agent(id(agent_id)?).await?.ok_or_else(ApiError::not_found)?;
    caller.sees(&agent.tenant_id)?;
    Ok(agent)
}

/// An agent as it is shown, without its secrets.
pub(crate) fn shown(app: &App, agent: Agent) -> view::AgentView {
    view(app, agent, AgentSecrets::default())
}

fn view(app: &App, agent: Agent, secrets: AgentSecrets) -> view::AgentView {
    view::agent(agent, &app.settings.public_url, secrets)
}
