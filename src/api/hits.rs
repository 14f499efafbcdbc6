//! Hits: what became of every POST to an agent's webhook, and why.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{agents, id, view};
use crate::app::App;
use crate::ingress::Ingress;
use crate::model::{AgentId, HitId, HitVerdict};
use crate::store::HitFilter;
use crate::web::{ApiError, Caller, Query, limit};

/// The list's query string.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Only with this verdict.
    verdict: Option<HitVerdict>,
    /// Items on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<HitId>,
}

/// List an agent's hits
///
/// Every POST to its webhook, newest first: what became of it and why. Refusals are listed as far as they come one by
/// one, the first 100 a minute; `counts` has them all.
#[utoipa::path(
    get, path = "/api/v1/agents/{agent_id}/hits", tag = "hits", operation_id = "list_hits",
    params(("agent_id" = AgentId, Path, description = "The agent."), ListQuery),
    responses((status = 200, description = "A page of hits.", body = view::HitPage))
)]
pub async fn list(
    caller: Caller,
    app: web::Data<App>,
    ingress: web::Data<Ingress>,
    path: web::Path<String>,
    query: Query<ListQuery>,
) -> Result<HttpResponse, ApiError> {
    let agent_id = agents::find(&app, &caller, &path).await?.agent_id;
    Ok(HttpResponse::Ok().json(page(&app, &ingress, agent_id, &query).await?))
}

/// A page of an agent's hits, which the caller may see.
pub(crate) async fn page(
    app: &App,
    ingress: &Ingress,
    agent_id: AgentId,
    query: &ListQuery,
) -> Result<view::HitPage, ApiError> {
    let limit = limit(query.limit)?;
    let filter = HitFilter { agent_id, verdict: query.verdict, before: query.cursor };
    ingress.hits().flush().await;
    let mut hits = app.store.hit_page(filter, limit + 1).await?;
    let wanted = usize::try_from(limit).unwrap_or_default();
    let more = hits.len() > wanted;
    hits.truncate(wanted);
    let since = ingress.hits().counted_since(app.clock.now());
    let counts = app.store.hit_counts(agent_id, since).await?;
    Ok(view::HitPage {
        next_cursor: hits.last().map(|hit| hit.hit_id).filter(|_| more),
        hits: hits.into_iter().map(view::hit).collect(),
        counts: view::hit_counts(since, counts),
    })
}

/// Show a hit
///
/// With its headers, its body, and what was wrong with its signature. Its id is the `X-Request-Id` of its answer.
#[utoipa::path(
    get, path = "/api/v1/hits/{hit_id}", tag = "hits", operation_id = "get_hit",
    params(("hit_id" = HitId, Path, description = "The hit: `X-Request-Id` of the answer to it.")),
    responses((status = 200, description = "The hit.", body = view::HitDetailView))
)]
pub async fn get(
    caller: Caller,
    app: web::Data<App>,
    ingress: web::Data<Ingress>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(whole(&app, &caller, &ingress, &path).await?))
}

/// A hit with all there is to show of it.
pub(crate) async fn whole(
    app: &App,
    caller: &Caller,
    ingress: &Ingress,
    hit_id: &str,
) -> Result<view::HitDetailView, ApiError> {
    let hit_id: HitId = id(hit_id)?;
    ingress.hits().flush().await;
    let hit = app.store.hit(hit_id).await?.ok_or_else(ApiError::not_found)?;
    caller.sees(&hit.hit.tenant_id)?;
    Ok(view::hit_detail(hit))
}
