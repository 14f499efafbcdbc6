//! Agents: each change is a new version, made of the present one by compare-and-set.

use actix_web::{HttpResponse, web};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::agent_request::{SecretMaker, patched, recodes, secrets, spec, split_secret};
use super::webhook_secrets::open_secrets;
use super::{id, through, view};
use crate::app::App;
use crate::model::{Agent, AgentId, Change, TenantId};
use crate::store;
use crate::web::{Admin, ApiError, Json, Page, limit};

/// How often a change is made anew because another one came first.
pub(super) const RACES: usize = 50;

/// The list's query string.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    tenant_id: Option<TenantId>,
    limit: Option<i64>,
    cursor: Option<AgentId>,
}

/// `POST /api/v1/agents`
pub async fn create(_: Admin, app: web::Data<App>, body: Json) -> Result<HttpResponse, ApiError> {
    let (mut fields, given) = split_secret(body.0)?;
    let tenant_id = tenant_of(&app, fields.remove("tenant_id")).await?;
    let (agent_id, now) = (AgentId::new(), app.clock.now());
    let agent =
        Agent { agent_id, tenant_id, version: 1, spec: spec(fields)?, created_at: now, updated_at: now };
    let maker = SecretMaker { cipher: &app.cipher, agent_id, now };
    let (change, shown) = secrets(None, &agent.spec, given, &[], &maker)?;
    let agent = through({
        let app = app.clone();
        async move {
            app.store.insert_agent(&agent, &change).await?;
            app.changed(Change::Agent(agent_id)).await;
            Ok::<_, store::Error>(agent)
        }
    })
    .await??;
    Ok(HttpResponse::Created().json(view(&app, agent, shown)))
}

/// `GET /api/v1/agents`
pub async fn list(
    _: Admin,
    app: web::Data<App>,
    query: web::Query<ListQuery>,
) -> Result<HttpResponse, ApiError> {
    let limit = limit(query.limit)?;
    let agents = app.store.agents(query.tenant_id.as_ref(), query.cursor, limit + 1).await?;
    let page = Page::of(
        "agents",
        agents,
        limit,
        |agent| agent.agent_id.to_string(),
        |agent| view(&app, agent, None),
    );
    Ok(HttpResponse::Ok().json(page))
}

/// `GET /api/v1/agents/{agent_id}`
pub async fn get(_: Admin, app: web::Data<App>, path: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let agent = find(&app, id(&path)?).await?;
    Ok(HttpResponse::Ok().json(view(&app, agent, None)))
}

/// `PATCH /api/v1/agents/{agent_id}`
pub async fn update(
    _: Admin,
    app: web::Data<App>,
    path: web::Path<String>,
    body: Json,
) -> Result<HttpResponse, ApiError> {
    let agent_id = id(&path)?;
    let (changes, given) = split_secret(body.0)?;
    for _ in 0..RACES {
        let now = app.clock.now();
        let mut agent = find(&app, agent_id).await?;
        let next = patched(&agent.spec, changes.clone())?;
        // Only then are the stored secrets needed; an agent whose secrets cannot be opened can still be mended.
        let stored = match given.is_none() && recodes(&agent.spec, &next) {
            true => open_secrets(&app, agent_id, now).await?,
            false => Vec::new(),
        };
        let maker = SecretMaker { cipher: &app.cipher, agent_id, now };
        let (change, shown) = secrets(Some(&agent.spec), &next, given.clone(), &stored, &maker)?;
        agent = Agent { spec: next, updated_at: now, ..agent };
        let changed = through({
            let app = app.clone();
            async move {
                let changed = app.store.update_agent(&agent, &change).await?;
                app.changed(Change::Agent(agent_id)).await;
                Ok(changed)
            }
        });
        match changed.await? {
            Err(store::Error::Conflict) => continue,
            changed => return Ok(HttpResponse::Ok().json(view(&app, changed?, shown))),
        }
    }
    Err(store::Error::Conflict.into())
}

/// `DELETE /api/v1/agents/{agent_id}`
pub async fn delete(
    _: Admin,
    app: web::Data<App>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let agent_id = id(&path)?;
    let deleted = through(async move {
        let deleted = app.store.delete_agent(agent_id, app.clock.now()).await;
        app.changed(Change::Agent(agent_id)).await;
        deleted
    });
    if !deleted.await?? {
        return Err(ApiError::not_found());
    }
    Ok(HttpResponse::NoContent().finish())
}

pub(super) async fn find(app: &App, agent_id: AgentId) -> Result<Agent, ApiError> {
    app.store.agent(agent_id).await?.ok_or_else(ApiError::not_found)
}

/// The tenant that a new agent is for; it must exist.
async fn tenant_of(app: &App, field: Option<serde_json::Value>) -> Result<TenantId, ApiError> {
    const POINTER: &str = "/tenant_id";
    let text = field.as_ref().and_then(serde_json::Value::as_str);
    let text =
        text.ok_or_else(|| ApiError::field(POINTER, "is required: the tenant that the agent is for"))?;
    let tenant_id: TenantId = text.parse().map_err(|error| ApiError::field(POINTER, format!("{error}")))?;
    match app.store.tenant(&tenant_id).await? {
        Some(_) => Ok(tenant_id),
        None => Err(ApiError::field(POINTER, "names no tenant; make it first with POST /api/v1/tenants")),
    }
}

fn view(app: &App, agent: Agent, secret: Option<SecretString>) -> view::AgentView {
    let shown = secret.map(|text| text.expose_secret().to_owned());
    view::agent(agent, &app.settings.public_url, shown)
}
