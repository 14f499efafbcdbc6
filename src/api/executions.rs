//! Executions: what ran, what came of it, and why.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::query::{self, parameter};
use super::{id, view};
use crate::app::App;
use crate::model::{ExecutionStatus, Trace};
use crate::store::ExecutionFilter;
use crate::web::{ApiError, Caller, Page, Scope, limit};

/// The list's query string.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    tenant_id: Option<String>,
    agent_id: Option<String>,
    status: Option<String>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
}

/// `GET /api/v1/executions`
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

/// `GET /api/v1/executions/{execution_id}`
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
