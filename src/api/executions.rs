//! Executions: what ran, what came of it, and why.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{id, view};
use crate::app::App;
use crate::model::{ExecutionId, ExecutionStatus, TenantId, Time};
use crate::store::{ExecutionFilter, Found};
use crate::web::{Admin, ApiError, Page, limit};

/// Characters of a text that is searched for, at most.
const MAX_NEEDLE: usize = 200;

/// The list's query string.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    tenant_id: Option<String>,
    agent_id: Option<String>,
    status: Option<String>,
    from: Option<String>,
    to: Option<String>,
    q: Option<String>,
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
    if let Some(needle) = parameter("q", &query.q, needle)? {
        let wanted = usize::try_from(limit).unwrap_or_default();
        let found = app.store.search(&filter, &needle, wanted + 1).await?;
        return Ok(HttpResponse::Ok().json(SearchPage::of(found, wanted)));
    }
    let executions = app.store.executions(&filter, limit + 1).await?;
    let cursor = |execution: &crate::model::Execution| execution.execution_id.to_string();
    Ok(HttpResponse::Ok().json(Page::of("executions", executions, limit, cursor, view::execution)))
}

/// `GET /api/v1/executions/{execution_id}`
pub async fn get(_: Admin, app: web::Data<App>, path: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let trace = app.store.trace(id(&path)?).await?.ok_or_else(ApiError::not_found)?;
    Ok(HttpResponse::Ok().json(view::trace(trace)))
}

/// A page of what a search found, and how far it came.
#[derive(Serialize)]
struct SearchPage {
    executions: Vec<view::ExecutionView>,
    next_cursor: Option<ExecutionId>,
    search: SearchView,
}

#[derive(Serialize)]
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

fn needle(text: &str) -> Result<String, &'static str> {
    if (1..=MAX_NEEDLE).contains(&text.chars().count()) {
        Ok(text.to_owned())
    } else {
        Err("must have between 1 and 200 characters")
    }
}

fn filter(query: &ListQuery) -> Result<ExecutionFilter, ApiError> {
    let status = |word: &str| {
        let none = "is none of queued, held, running, success, failed, cancelled";
        ExecutionStatus::parse(word).ok_or(none)
    };
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
