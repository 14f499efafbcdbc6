//! Executions: what ran, what came of it, and why.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{id, view};
use crate::app::App;
use crate::model::{ExecutionStatus, TenantId, Time};
use crate::store::ExecutionFilter;
use crate::web::{Admin, ApiError, Page, limit};

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
    _: Admin,
    app: web::Data<App>,
    query: web::Query<ListQuery>,
) -> Result<HttpResponse, ApiError> {
    let limit = limit(query.limit)?;
    let filter = filter(&query)?;
    let executions = app.store.executions(&filter, limit + 1).await?;
    let cursor = |execution: &crate::model::Execution| execution.execution_id.to_string();
    Ok(HttpResponse::Ok().json(Page::of("executions", executions, limit, cursor, view::execution)))
}

/// `GET /api/v1/executions/{execution_id}`
pub async fn get(_: Admin, app: web::Data<App>, path: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let trace = app.store.trace(id(&path)?).await?.ok_or_else(ApiError::not_found)?;
    Ok(HttpResponse::Ok().json(view::trace(trace)))
}

fn filter(query: &ListQuery) -> Result<ExecutionFilter, ApiError> {
    let status =
        |word: &str| ExecutionStatus::parse(word).ok_or("is none of queued, running, success, failed");
    Ok(ExecutionFilter {
        tenant_id: parameter("tenant_id", &query.tenant_id, |text| {
            text.parse::<TenantId>().map_err(|_| "is no tenant id")
        })?,
        agent_id: parameter("agent_id", &query.agent_id, |text| text.parse().map_err(|_| "is no agent id"))?,
        status: parameter("status", &query.status, status)?,
        from: parameter("from", &query.from, time)?,
        to: parameter("to", &query.to, time)?,
        before: parameter("cursor", &query.cursor, |text| {
            text.parse().map_err(|_| "is not a cursor of this list")
        })?,
    })
}

fn parameter<T>(
    name: &str,
    text: &Option<String>,
    parse: impl Fn(&str) -> Result<T, &'static str>,
) -> Result<Option<T>, ApiError> {
    text.as_deref().map(parse).transpose().map_err(|message| ApiError::field(name, message))
}

fn time(text: &str) -> Result<Time, &'static str> {
    // A `+` that was not escaped arrives as a space.
    let text = text.replace(' ', "+");
    let parsed = DateTime::parse_from_rfc3339(&text)
        .map_err(|_| "is no RFC 3339 time such as 2026-01-31T12:00:00Z")?;
    let time = parsed.with_timezone(&Utc);
    if (0..=9999).contains(&chrono::Datelike::year(&time)) { Ok(time) } else { Err("is no time of this era") }
}
