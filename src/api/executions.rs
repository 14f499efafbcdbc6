//! Executions: what ran, what came of it, and why.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::query::{self, parameter};
use super::{id, view};
use crate::app::{App, SEARCHES};
use crate::model::{AgentId, Execution, ExecutionId, ExecutionStatus, TenantId, Trace, TraceOutline};
use crate::store::{ExecutionFilter, Found};
use crate::web::{ApiError, Caller, Page, Query, Scope, limit};

/// Characters of a text that is searched for, at most.
const MAX_NEEDLE: usize = 200;

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
    /// Only those whose payload, output or error has this text. The newest 10,000 matches of the other filters are
    /// looked at. Two searches go at a time; one that waits in vain for 2 s is refused with 503.
    #[param(min_length = 1, max_length = 200)]
    q: Option<String>,
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
    responses(
        (status = 200, description = "A page of executions.", body = SearchPage),
        (status = 503, description = "unavailable")
    )
)]
pub async fn list(
    caller: Caller,
    app: web::Data<App>,
    query: Query<ListQuery>,
) -> Result<HttpResponse, ApiError> {
    let limit = limit(query.limit)?;
    let mut filter = filter(&query)?;
    filter.tenant_id = match caller.scope(filter.tenant_id.take()) {
        Scope::All => None,
        Scope::Tenant(tenant_id) => Some(tenant_id),
        Scope::Nothing => return Ok(HttpResponse::Ok().json(Page::<()>::empty("executions"))),
    };
    if let Some(needle) = parameter("q", &query.q, needle)? {
        let wanted = usize::try_from(limit).unwrap_or_default();
        let _turn = app.searches.turn().await.ok_or_else(busy)?;
        let found = app.store.search(&filter, &needle, wanted + 1).await?;
        return Ok(HttpResponse::Ok().json(SearchPage::of(found, wanted)));
    }
    let executions = app.store.executions(&filter, limit + 1).await?;
    let cursor = |execution: &Execution| execution.execution_id.to_string();
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
    let trace = find_trace(&app, &caller, &path).await?;
    Ok(HttpResponse::Ok().json(view::trace(trace)))
}

/// The execution with this id, if the caller may know of it.
pub(super) async fn find(app: &App, caller: &Caller, execution_id: &str) -> Result<Execution, ApiError> {
    let execution = app.store.execution(id(execution_id)?).await?.ok_or_else(ApiError::not_found)?;
    caller.sees(&execution.tenant_id)?;
    Ok(execution)
}

/// The same with all that came of it.
pub(super) async fn find_trace(app: &App, caller: &Caller, execution_id: &str) -> Result<Trace, ApiError> {
    let trace = app.store.trace(id(execution_id)?).await?.ok_or_else(ApiError::not_found)?;
    caller.sees(&trace.execution.tenant_id)?;
    Ok(trace)
}

/// The same without payload and output.
pub(super) async fn find_outline(
    app: &App,
    caller: &Caller,
    execution_id: &str,
) -> Result<TraceOutline, ApiError> {
    let outline = app.store.trace_outline(id(execution_id)?).await?.ok_or_else(ApiError::not_found)?;
    caller.sees(&outline.execution.tenant_id)?;
    Ok(outline)
}

/// A page of what a search found, and how far it came.
#[derive(Serialize, ToSchema)]
#[schema(as = ExecutionPage)]
struct SearchPage {
    executions: Vec<view::ExecutionView>,
    /// `cursor` of the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<ExecutionId>,
    /// How far a search (`q`) came; not there without one.
    #[schema(required = false)]
    search: SearchView,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Search)]
struct SearchView {
    /// Executions that match the other filters and were searched.
    looked_at: usize,
    /// `false`: it stopped at its bound, and nothing behind `next_cursor` was looked at.
    complete: bool,
}

impl SearchPage {
    /// Of up to `limit + 1` executions: the surplus one only proves that there are more.
    fn of(mut found: Found, limit: usize) -> Self {
        let more = found.executions.len() > limit;
        found.executions.truncate(limit);
        let last = found.executions.last().map(|execution| execution.execution_id).filter(|_| more);
        Self {
            next_cursor: last.or(found.stopped_at),
            search: SearchView { looked_at: found.looked_at, complete: found.stopped_at.is_none() },
            executions: found.executions.into_iter().map(view::execution).collect(),
        }
    }
}

fn busy() -> ApiError {
    let detail =
        format!("{SEARCHES} searches (`q`) are under way, as many as go at once; try again in a moment");
    ApiError::unavailable(detail)
}

fn needle(text: &str) -> Result<String, &'static str> {
    if (1..=MAX_NEEDLE).contains(&text.chars().count()) {
        Ok(text.to_owned())
    } else {
        Err("must have between 1 and 200 characters")
    }
}

fn filter(asked: &ListQuery) -> Result<ExecutionFilter, ApiError> {
    let status = |word: &str| {
        let none = "is none of queued, held, running, success, failed, cancelled";
        ExecutionStatus::parse(word).ok_or(none)
    };
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
