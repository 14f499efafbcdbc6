//! How it goes: what ended in a window of time, and what waits.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::view;
use crate::app::App;
use crate::model::{AgentId, TenantId, Window};
use crate::store::{Backlog, Counted};
use crate::web::{ApiError, Caller, Query, Scope};

/// Whose and when.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct StatsQuery {
    /// How far back from now; without it 24 hours.
    window: Option<Window>,
    /// Only this tenant's.
    tenant_id: Option<TenantId>,
    /// Only of this agent.
    agent_id: Option<AgentId>,
}

/// Show how executions go
///
/// Runs that ended in the window, in time buckets and together: how they ended, tokens, cost, and how long they took. They
/// are added up as they end, within a moment; runs that ended before the server's first version with these sums are not in
/// them. `queue` is of this moment.
#[utoipa::path(
    get, path = "/api/v1/stats", tag = "executions", operation_id = "get_stats", params(StatsQuery),
    responses((status = 200, description = "The sums.", body = view::StatsView, example = json!({
        "window": "24h", "from": "2026-01-30T12:15:00.000Z", "to": "2026-01-31T12:15:00.000Z", "bucket_seconds": 900,
        "totals": {
            "success": 97, "failed": 3, "cancelled": 1, "success_rate": 0.97, "prompt_tokens": 4100, "completion_tokens": 1200,
            "cost_usd": 0.00133, "known_cost_usd": 0.00133, "unknown_costs": 0, "latency_ms": {"p50": 812, "p95": 1927, "p99": 2948}
        },
        "buckets": [{
            "at": "2026-01-31T12:00:00.000Z", "success": 0, "failed": 0, "cancelled": 0, "success_rate": null,
            "prompt_tokens": 0, "completion_tokens": 0, "cost_usd": 0.0, "known_cost_usd": 0.0, "unknown_costs": 0,
            "latency_ms": {"p50": null, "p95": null, "p99": null}
        }],
        "queue": {"depth": 3, "oldest_waiting_ms": 120, "running": 12, "held": 0}
    })))
)]
pub async fn get(
    caller: Caller,
    app: web::Data<App>,
    query: Query<StatsQuery>,
) -> Result<HttpResponse, ApiError> {
    let (window, now) = (query.window.unwrap_or_default(), app.clock.now());
    let (sums, backlog) = match counted(&caller, &app, &query).await? {
        Some(of) => (app.store.rollups(&of, window, now).await?, app.store.backlog(&of, now).await?),
        None => (Vec::new(), Backlog::default()),
    };
    Ok(HttpResponse::Ok().json(view::stats(window, sums, backlog, now)))
}

/// Whose runs are asked for; `None`: none that the caller may know of.
async fn counted(caller: &Caller, app: &App, query: &StatsQuery) -> Result<Option<Counted>, ApiError> {
    let agent_id = query.agent_id;
    let tenant_id = match (caller.scope(query.tenant_id.clone()), agent_id) {
        (Scope::Nothing, _) => return Ok(None),
        (Scope::Tenant(tenant_id), _) => Some(tenant_id),
        (Scope::All, None) => None,
        (Scope::All, Some(agent_id)) => match app.store.tenant_of_agent(agent_id).await? {
            Some(tenant_id) => Some(tenant_id),
            None => return Ok(None),
        },
    };
    Ok(Some(Counted { tenant_id, agent_id }))
}
