//! Executions: what ran, what came of it, and why.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::query::{self, parameter};
use super::{id, view};
use crate::app::App;
use crate::model::{AgentId, ExecutionId, ExecutionStatus, TenantId, Trace};
use crate::store::ExecutionFilter;
use crate::web::{ApiError, Caller, Page, Scope, limit};

/// The list's query string.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Only this tenant's.
    #[param(value_type = Option<TenantId>)]
    tenant_id: Option<String>,
    /// Only of this agent.
    #[param(value_type = Option<AgentId>)]
    agent_id: Option<String>,
    /// Only in this state.
    #[param(value_type = Option<ExecutionStatus>)]
    status: Option<String>,
    /// From then on.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<String>,
    /// Before then.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<String>,
    /// Items on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<ExecutionId>)]
    cursor: Option<String>,
}

/// List executions
///
/// Newest first.
#[utoipa::path(
    get, path = "/api/v1/executions", tag = "executions", operation_id = "list_executions", params(ListQuery),
    responses((status = 200, description = "A page of executions.", body = view::ExecutionPage))
)]
pub async fn list(
    caller: Caller,
    app: web::Data<App>,
    query: web::Query<ListQuery>,
) -> Result<HttpResponse, ApiError> {
    let limit = limit(query.limit)?;
    let mut filter = filter(&query)?;
    filter.tenant_id = match caller.scope(filter.tenant_id.take()) {
        Scope::All => None,
        Scope::Tenant(tenant_id) => Some(tenant_id),
        Scope::Nothing => return Ok(HttpResponse::Ok().json(Page::<()>::empty("executions"))),
    };
    let executions = app.store.executions(&filter, limit + 1).await?;
    let cursor = |execution: &crate::model::Execution| execution.execution_id.to_string();
    Ok(HttpResponse::Ok().json(Page::of("executions", executions, limit, cursor, view::execution)))
}

/// Show an execution
///
/// With its payload, its output and every LLM call.
#[utoipa::path(
    get, path = "/api/v1/executions/{execution_id}", tag = "executions", operation_id = "get_execution",
    params(("execution_id" = ExecutionId, Path, description = "The execution.")),
    responses((status = 200, description = "The execution.", body = view::TraceView))
)]
pub async fn get(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let trace = find(&app, &caller, &path).await?;
    Ok(HttpResponse::Ok().json(view::trace(trace)))
}

/// The execution with this id, if the caller may know of it.
async fn find(app: &App, caller: &Caller, execution_id: &str) -> Result<Trace, ApiError> {
    let trace = app.store.trace(id(execution_id)?).await?.ok_or_else(ApiError::not_found)?;
    caller.sees(&trace.execution.tenant_id)?;
    Ok(trace)
}

fn filter(asked: &ListQuery) -> Result<ExecutionFilter, ApiError> {
    let status =
        |word: &str| ExecutionStatus::parse(word).ok_or("is none of queued, running, success, failed");
    Ok(ExecutionFilter {
        tenant_id: parameter("tenant_id", &asked.tenant_id, query::tenant_id)?,
        agent_id: parameter("agent_id", &asked.agent_id, |text| text.parse().map_err(|_| "is no agent id"))?,
        status: parameter("status", &asked.status, status)?,
        from: parameter("from", &asked.from, query::time)?,
        to: parameter("to", &asked.to, query::time)?,
        before: parameter("cursor", &asked.cursor, |text| {
            text.parse().map_err(|_| "is not a cursor of this list")
        })?,
    })
}
