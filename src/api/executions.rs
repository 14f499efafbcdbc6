//! Executions: what ran, what came of it, and why.

use actix_web::{HttpResponse, web};
use secrecy::ExposeSecret;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{id, query, view};
use crate::app::{App, SEARCHES};
use crate::ingress::Ingress;
use crate::model::{
    AgentId, Execution, ExecutionId, ExecutionStatus, HeldReason, SealedKind, TenantId, Time, Trace,
    TraceOutline,
};
use crate::schema::Mismatch;
use crate::store::{ExecutionFilter, Found};
use crate::web::{ApiError, Caller, Query, Scope, limit};

/// Characters of a text that is searched for, at most.
const MAX_NEEDLE: usize = 200;

/// The list's query string.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Only this tenant's.
    tenant_id: Option<TenantId>,
    /// Only of this agent.
    agent_id: Option<AgentId>,
    /// Only in this state.
    status: Option<ExecutionStatus>,
    /// Only those that are held for this reason.
    held_reason: Option<HeldReason>,
    /// From then on.
    #[serde(default, deserialize_with = "query::time")]
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Time>,
    /// Before then.
    #[serde(default, deserialize_with = "query::time")]
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Time>,
    /// Only those whose payload, output or error has this text. The newest 10,000 matches of the other filters are
    /// looked at. Two searches go at a time; one that waits in vain for 2 s is refused with 503.
    #[serde(default, deserialize_with = "needle")]
    #[param(min_length = 1, max_length = 200)]
    q: Option<String>,
    /// Items on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<ExecutionId>,
}

impl ListQuery {
    /// The newest of a tenant, or of all that may be seen.
    pub(crate) fn newest(tenant_id: Option<TenantId>, limit: i64) -> Self {
        Self { tenant_id, limit: Some(limit), ..Self::default() }
    }
}

/// List executions
///
/// Newest first.
#[utoipa::path(
    get, path = "/api/v1/executions", tag = "executions", operation_id = "list_executions", params(ListQuery),
    responses(
        (status = 200, description = "A page of executions.", body = ExecutionPage),
        (status = 503, description = "unavailable")
    )
)]
pub async fn list(
    caller: Caller,
    app: web::Data<App>,
    query: Query<ListQuery>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(page(&app, &caller, &query).await?))
}

/// A page of executions, as it is asked for.
pub(crate) async fn page(app: &App, caller: &Caller, query: &ListQuery) -> Result<ExecutionPage, ApiError> {
    let limit = limit(query.limit)?;
    let wanted = usize::try_from(limit).unwrap_or_default();
    let tenant_id = match caller.scope(query.tenant_id.clone()) {
        Scope::All => None,
        Scope::Tenant(tenant_id) => Some(tenant_id),
        Scope::Nothing => return Ok(ExecutionPage::of(Vec::new(), wanted)),
    };
    let filter = ExecutionFilter {
        tenant_id,
        agent_id: query.agent_id,
        status: held_only("status", query.status, query.held_reason)?,
        held_reason: query.held_reason,
        from: query.from,
        to: query.to,
        before: query.cursor,
    };
    if let Some(needle) = &query.q {
        let _turn = app.searches.turn().await.ok_or_else(busy)?;
        return Ok(ExecutionPage::found(app.store.search(&filter, needle, wanted + 1).await?, wanted));
    }
    Ok(ExecutionPage::of(app.store.executions(&filter, limit + 1).await?, wanted))
}

/// Show an execution
///
/// With its payload, its output and every LLM call; of one that is held because its payload does not match the schema,
/// where it does not.
#[utoipa::path(
    get, path = "/api/v1/executions/{execution_id}", tag = "executions", operation_id = "get_execution",
    params(("execution_id" = ExecutionId, Path, description = "The execution.")),
    responses((status = 200, description = "The execution.", body = view::TraceView))
)]
pub async fn get(
    caller: Caller,
    app: web::Data<App>,
    ingress: web::Data<Ingress>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(whole(&app, &caller, &ingress, &path).await?))
}

/// An execution with all there is to show of it.
pub(crate) async fn whole(
    app: &App,
    caller: &Caller,
    ingress: &Ingress,
    execution_id: &str,
) -> Result<view::TraceView, ApiError> {
    with_mismatches(app, ingress, find_trace(app, caller, execution_id).await?).await
}

/// An execution as it is shown, and while it is held for that: where its payload does not match the schema.
pub(crate) async fn with_mismatches(
    app: &App,
    ingress: &Ingress,
    trace: Trace,
) -> Result<view::TraceView, ApiError> {
    let mismatches = mismatches(app, ingress, &trace).await?;
    Ok(show(app, trace).with_schema_errors(mismatches))
}

/// Where the payload of what is held for that reason does not match the schema of the version that is to run it.
async fn mismatches(app: &App, ingress: &Ingress, trace: &Trace) -> Result<Vec<Mismatch>, ApiError> {
    let execution = &trace.execution;
    if (execution.status, execution.held_reason) != (ExecutionStatus::Held, Some(HeldReason::Quarantine)) {
        return Ok(Vec::new());
    }
    let version = app.agents.version(&app.store, execution.agent_id, execution.agent_version).await?;
    let schema = version.and_then(|version| version.spec.trigger.as_ref()?.payload_schema.clone());
    let Some(schema) = schema else { return Ok(Vec::new()) };
    ingress.mismatches(trace.payload.clone(), schema).await
}

/// The execution with this id, if the caller may know of it.
pub(crate) async fn find(app: &App, caller: &Caller, execution_id: &str) -> Result<Execution, ApiError> {
    let execution = app.store.execution(id(execution_id)?).await?.ok_or_else(ApiError::not_found)?;
    caller.sees(&execution.tenant_id)?;
    Ok(execution)
}

/// The same with all that came of it.
pub(crate) async fn find_trace(app: &App, caller: &Caller, execution_id: &str) -> Result<Trace, ApiError> {
    let trace = app.store.trace(id(execution_id)?).await?.ok_or_else(ApiError::not_found)?;
    caller.sees(&trace.execution.tenant_id)?;
    Ok(trace)
}

/// An execution as it is shown: of its callback no more than the host.
pub(crate) fn show(app: &App, trace: Trace) -> view::TraceView {
    let host = trace.callback.as_deref().map(|sealed| {
        let owner = SealedKind::Callback.owner(trace.execution.execution_id);
        let url: url::Url = app.cipher.open(&owner, sealed).ok()?.expose_secret().parse().ok()?;
        url.host_str().map(str::to_owned)
    });
    view::trace(trace, host)
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

/// A page of executions, and how far it came if it was searched for.
#[derive(Serialize, ToSchema)]
#[schema(as = ExecutionPage)]
pub(crate) struct ExecutionPage {
    pub executions: Vec<view::ExecutionView>,
    /// `cursor` of the next page; `null` on the last.
    #[schema(required)]
    pub next_cursor: Option<ExecutionId>,
    /// How far a search (`q`) came; not there without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    pub search: Option<SearchView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Search)]
pub(crate) struct SearchView {
    /// Executions that match the other filters and were searched.
    pub looked_at: usize,
    /// `false`: it stopped at its bound, and nothing behind `next_cursor` was looked at.
    pub complete: bool,
}

impl ExecutionPage {
    /// Of up to `limit + 1` executions: the surplus one only proves that there are more.
    fn of(mut executions: Vec<Execution>, limit: usize) -> Self {
        let more = executions.len() > limit;
        executions.truncate(limit);
        Self {
            next_cursor: executions.last().map(|execution| execution.execution_id).filter(|_| more),
            executions: executions.into_iter().map(view::execution).collect(),
            search: None,
        }
    }

    /// The same of what a search found.
    fn found(found: Found, limit: usize) -> Self {
        let page = Self::of(found.executions, limit);
        Self {
            next_cursor: page.next_cursor.or(found.stopped_at),
            search: Some(SearchView { looked_at: found.looked_at, complete: found.stopped_at.is_none() }),
            ..page
        }
    }
}

/// The status that goes with a reason to be held.
pub(super) fn held_only(
    name: &str,
    status: Option<ExecutionStatus>,
    held_reason: Option<HeldReason>,
) -> Result<Option<ExecutionStatus>, ApiError> {
    match (status, held_reason) {
        (status, None) => Ok(status),
        (None | Some(ExecutionStatus::Held), Some(_)) => Ok(Some(ExecutionStatus::Held)),
        (Some(_), Some(_)) => Err(ApiError::field(name, "goes with held_reason only if it is held")),
    }
}

pub(super) fn busy() -> ApiError {
    let detail =
        format!("{SEARCHES} searches (`q`) are under way, as many as go at once; try again in a moment");
    ApiError::unavailable(detail)
}

/// What is searched for.
fn needle<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    checked_needle(String::deserialize(deserializer)?).map(Some).map_err(D::Error::custom)
}

/// The text, if it may be searched for.
pub(super) fn checked_needle(text: String) -> Result<String, &'static str> {
    match text.chars().count() {
        1..=MAX_NEEDLE => Ok(text),
        _ => Err("must have between 1 and 200 characters"),
    }
}
