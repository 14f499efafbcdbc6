//! One action on many executions. Whatever is done to each is what would be done to it by hand, with its own row in the
//! audit log; here is only the list, and in [`job`] the pace.

mod job;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use tracing::Instrument;
use utoipa::ToSchema;
use uuid::Uuid;

use job::{Job, work};

use super::executions::{busy, checked_needle, held_only};
use super::query;
use crate::app::{App, BULK_JOBS};
use crate::model::{AgentId, AuditAction, ExecutionId, ExecutionStatus, HeldReason, TenantId};
use crate::store::ExecutionFilter;
use crate::web::{ApiError, Body, Caller, Code, Scope};

/// Executions that one job takes on, at most.
const MAX_MATCHED: usize = 100_000;

/// What is to be done to all that match.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Bulk {
    action: BulkAction,
    filter: BulkFilter,
    /// Only says how many it would be.
    #[serde(default)]
    dry_run: bool,
}

/// What can be done to many. Each is for those that are as it needs them: `release` and `discard` for what is held,
/// `retry` for what has failed, `cancel` for what has not ended, `replay` for all.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum BulkAction {
    Retry,
    Replay,
    Cancel,
    Release,
    Discard,
}

/// Which executions: as in the list. At least one of these has to be said.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BulkFilter {
    /// Only this tenant's.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<TenantId>,
    /// Only of this agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<AgentId>,
    /// Only in this state, which has to be one that the action is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<ExecutionStatus>,
    /// Only those that are held for this reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_reason: Option<HeldReason>,
    /// From then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    from: Option<String>,
    /// Before then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    to: Option<String>,
    /// Only those whose payload, output or error has this text. No more than a search of the list looks at.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200)]
    q: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = BulkAnswer)]
struct BulkView {
    matched: usize,
    /// Names the job in the server's log and in the audit log; not there if nothing is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<Uuid>,
}

/// What is worked through.
struct Searched {
    /// One list for each state that the action is for.
    filters: Vec<ExecutionFilter>,
    /// Only those with this text.
    text: Option<String>,
}

/// Do something to many executions
///
/// To all that match, at most 100,000. The work goes on after the answer, in this process, in the order of the ids. If
/// the process stops in the middle the rest is left as it was: the filter still matches it, and the same may be asked
/// again.
#[utoipa::path(
    post, path = "/api/v1/executions/bulk", tag = "executions", operation_id = "bulk_executions",
    request_body(content = Bulk, example = json!({
        "action": "release", "filter": {"held_reason": "paused", "from": "2026-01-31T00:00:00Z"}, "dry_run": true
    })),
    responses(
        (status = 200, description = "A dry run, or nothing matches: nothing is done.", body = BulkView),
        (status = 202, description = "It is under way.", body = BulkView),
        (status = 409, description = "conflict")
    )
)]
pub async fn start(caller: Caller, app: web::Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    let writer = caller.writer()?;
    let Bulk { action, filter, dry_run } = body.parse()?;
    let searched = searched(&caller, action, &filter)?;
    let turn = match dry_run {
        true => None,
        false => Some(app.bulk_jobs.turn().ok_or_else(too_many_jobs)?),
    };
    let ids = match &searched {
        Some(searched) => matching(&app, searched).await?,
        None => Vec::new(),
    };
    let matched = ids.len();
    let Some(turn) = turn.filter(|_| matched > 0) else {
        return Ok(HttpResponse::Ok().json(BulkView { matched, job_id: None }));
    };
    let job_id = Uuid::now_v7();
    let asked = serde_json::to_value(&filter).unwrap_or_default();
    let entry = writer.does(AuditAction::BulkStarted, job_id, app.clock.now());
    let entry = entry.with("action", spelled(action)).with("filter", asked).with("matched", matched);
    let entry = match caller.key.tenant_id.as_ref().or(filter.tenant_id.as_ref()) {
        Some(tenant_id) => entry.of(tenant_id),
        None => entry,
    };
    app.store.audit(&entry).await?;
    tracing::info!(%job_id, ?action, matched, "bulk job started");
    let job = Job { job_id, action, caller: caller.clone(), ids };
    actix_web::rt::spawn(work(job, app, turn).in_current_span());
    Ok(HttpResponse::Accepted().json(BulkView { matched, job_id: Some(job_id) }))
}

/// Where to look; `None` for what the caller cannot see.
fn searched(caller: &Caller, action: BulkAction, filter: &BulkFilter) -> Result<Option<Searched>, ApiError> {
    let BulkFilter { tenant_id, agent_id, status, held_reason, from, to, q } = filter.clone();
    let says_nothing = tenant_id.is_none() && agent_id.is_none() && status.is_none() && held_reason.is_none();
    if says_nothing && from.is_none() && to.is_none() && q.is_none() {
        return Err(ApiError::field(
            "/filter",
            "must say at least one thing; to mean all of a state, name it",
        ));
    }
    let time = |name: &str, text: Option<String>| {
        let time = text.as_deref().map(query::parse_time).transpose();
        time.map_err(|message| ApiError::field(name, message))
    };
    let text =
        q.clone().map(checked_needle).transpose().map_err(|fault| ApiError::field("/filter/q", fault))?;
    let status = held_only("/filter/status", status, held_reason)?;
    let filter = ExecutionFilter {
        tenant_id: None,
        agent_id,
        status: None,
        held_reason,
        from: time("/filter/from", from)?,
        to: time("/filter/to", to)?,
        before: None,
    };
    let states = states(action, status)?;
    let tenant_id = match caller.scope(tenant_id) {
        Scope::All => None,
        Scope::Tenant(tenant_id) => Some(tenant_id),
        Scope::Nothing => return Ok(None),
    };
    let in_state = |status| ExecutionFilter { status, tenant_id: tenant_id.clone(), ..filter.clone() };
    Ok(Some(Searched { filters: states.into_iter().map(in_state).collect(), text }))
}

/// The states that are worked through; `None` is all of them.
fn states(
    action: BulkAction,
    asked: Option<ExecutionStatus>,
) -> Result<Vec<Option<ExecutionStatus>>, ApiError> {
    use ExecutionStatus::{Failed, Held, Queued, Running};
    let fitting = match action {
        BulkAction::Replay => return Ok(vec![asked]),
        BulkAction::Retry => vec![Failed],
        // In the order of a life, so that what goes on meanwhile is met again.
        BulkAction::Cancel => vec![Held, Queued, Running],
        BulkAction::Release | BulkAction::Discard => vec![Held],
    };
    let Some(asked) = asked else { return Ok(fitting.into_iter().map(Some).collect()) };
    if fitting.contains(&asked) {
        return Ok(vec![Some(asked)]);
    }
    let words: Vec<_> = fitting.into_iter().map(ExecutionStatus::as_str).collect();
    let message = format!("must be {} for this action, or left out", words.join(" or "));
    Err(ApiError::field("/filter/status", message))
}

/// Which they are, the oldest first; too many are refused.
async fn matching(app: &App, Searched { filters, text }: &Searched) -> Result<Vec<ExecutionId>, ApiError> {
    let mut ids = Vec::new();
    for filter in filters {
        let room = MAX_MATCHED + 1 - ids.len();
        match text {
            None => ids.extend(app.store.execution_ids(filter, room as i64).await?),
            Some(text) => {
                let _turn = app.searches.turn().await.ok_or_else(busy)?;
                let found = app.store.search(filter, text, room).await?;
                if found.stopped_at.is_some() {
                    let message =
                        "stopped at the bound of a search: narrow the filter by agent_id, status, from or to";
                    return Err(ApiError::field("/filter/q", message));
                }
                ids.extend(found.executions.into_iter().map(|execution| execution.execution_id));
            }
        }
        if ids.len() > MAX_MATCHED {
            let message =
                format!("matches more than {MAX_MATCHED} executions: narrow it, by from and to for example");
            return Err(ApiError::field("/filter", message));
        }
    }
    ids.sort_unstable();
    // What changed its state between two looks is in both.
    ids.dedup();
    Ok(ids)
}

fn spelled(action: BulkAction) -> serde_json::Value {
    serde_json::to_value(action).unwrap_or_default()
}

fn too_many_jobs() -> ApiError {
    let detail = format!(
        "{BULK_JOBS} bulk jobs are under way in this process, as many as go at once; try again when one has ended"
    );
    ApiError::new(Code::Conflict, detail)
}
