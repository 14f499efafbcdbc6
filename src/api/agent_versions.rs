//! An agent's versions: what it said when an execution ran, and what a change has changed.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{agents, id, view};
use crate::app::App;
use crate::model::{Agent, AgentId};
use crate::web::{ApiError, Caller, Page, Query, limit_within};

/// Versions on a page, at most: each is a whole specification, prompt and schemas included.
const MAX_LIMIT: i64 = 20;

/// The list's query string.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Items on the page.
    #[param(minimum = 1, maximum = 20, default = 20)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<i32>,
}

/// List an agent's versions
///
/// The newest first. Who made which is in the audit log: `GET /api/v1/audit?subject=AGENT_ID`, `detail.version`.
#[utoipa::path(
    get, path = "/api/v1/agents/{agent_id}/versions", tag = "agents", operation_id = "list_agent_versions",
    params(("agent_id" = AgentId, Path, description = "The agent."), ListQuery),
    responses((status = 200, description = "Versions.", body = view::AgentVersionPage))
)]
pub async fn list(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    query: Query<ListQuery>,
) -> Result<HttpResponse, ApiError> {
    let agent_id = agents::find(&app, &caller, &path).await?.agent_id;
    let limit = limit_within(MAX_LIMIT, query.limit.unwrap_or(MAX_LIMIT))?;
    let versions = app.store.agent_versions(agent_id, query.cursor, limit + 1).await?;
    let cursor = |version: &Agent| version.version.to_string();
    Ok(HttpResponse::Ok().json(Page::of("versions", versions, limit, cursor, view::agent_version)))
}

/// Read one version of an agent
#[utoipa::path(
    get, path = "/api/v1/agents/{agent_id}/versions/{version}", tag = "agents", operation_id = "get_agent_version",
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("version" = i32, Path, description = "The version's number, from 1 on.", minimum = 1)
    ),
    responses((status = 200, description = "The version.", body = view::AgentVersionView))
)]
pub async fn get(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (agent_id, version) = path.into_inner();
    let agent_id = agents::find(&app, &caller, &agent_id).await?.agent_id;
    Ok(HttpResponse::Ok().json(view::agent_version(find(&app, agent_id, id(&version)?).await?)))
}

/// An agent as it was at a version; the caller may see the agent.
pub(crate) async fn find(app: &App, agent_id: AgentId, version: i32) -> Result<Agent, ApiError> {
    // The newest before the next one is this one, if there is such a version at all.
    let next = version.checked_add(1).ok_or_else(ApiError::not_found)?;
    let found = app.store.agent_versions(agent_id, Some(next), 1).await?.pop();
    found.filter(|found| found.version == version).ok_or_else(ApiError::not_found)
}
