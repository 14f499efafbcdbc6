//! What is done to an execution by hand: cancel, retry, replay.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::executions::{self, find, find_trace};
use super::view;
use crate::app::App;
use crate::model::{
    AgentId, AuditAction, AuditEntry, Event, EventType, Execution, ExecutionId, ExecutionSource,
    ExecutionStatus, Time, Trace, UnsignedExecution,
};
use crate::store::{self, Cancellation, Retry};
use crate::web::{ApiError, Body, Caller, Code, to_the_end};

/// Who does it: somebody to one execution, or as a part of a job.
#[derive(Clone, Copy)]
pub(crate) struct By<'a> {
    caller: &'a Caller,
    job_id: Option<Uuid>,
}

impl<'a> By<'a> {
    /// To this one.
    pub fn hand(caller: &'a Caller) -> Self {
        Self { caller, job_id: None }
    }

    /// To many.
    pub fn job(caller: &'a Caller, job_id: Uuid) -> Self {
        Self { caller, job_id: Some(job_id) }
    }

    /// The note of it; only for who may write.
    pub fn does(self, action: AuditAction, execution: &Execution, at: Time) -> Result<AuditEntry, ApiError> {
        let entry = self.caller.writer()?.does(action, execution.execution_id, at).of(&execution.tenant_id);
        Ok(match self.job_id {
            Some(job_id) => entry.with("job_id", job_id.to_string()),
            None => entry,
        })
    }
}

/// A body that may be left out and says nothing.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// How to replay. Nothing is the same as `{}`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Replay {
    /// The version to run it on; the present one if it is not said.
    #[schema(minimum = 1)]
    agent_version: Option<i32>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Retried)]
struct RetriedView {
    execution_id: ExecutionId,
    run: i32,
    status: ExecutionStatus,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Replayed)]
struct ReplayedView {
    execution_id: ExecutionId,
    replay_of: ExecutionId,
}

/// Cancel an execution
///
/// Also while its call is out, and from any process.
#[utoipa::path(
    post, path = "/api/v1/executions/{execution_id}/cancel", tag = "executions", operation_id = "cancel_execution",
    params(("execution_id" = ExecutionId, Path, description = "The execution.")),
    request_body(content = Option<Nothing>, example = json!({})),
    responses((status = 200, description = "The execution.", body = view::TraceView), (status = 409, description = "conflict"))
)]
pub async fn cancel(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let execution = to_change(&app, &caller, &path, body).await?;
    cancel_one(&app, By::hand(&caller), &execution).await?;
    Ok(HttpResponse::Ok().json(executions::show(&app, find_trace(&app, &caller, &path).await?)))
}

pub(crate) async fn cancel_one(
    app: &web::Data<App>,
    by: By<'_>,
    execution: &Execution,
) -> Result<(), ApiError> {
    let (execution_id, agent, version) =
        (execution.execution_id, execution.agent_id, execution.agent_version);
    let entry = by.does(AuditAction::ExecutionCancelled, execution, app.clock.now())?;
    let cancelled = to_the_end({
        let app = app.clone();
        async move {
            let cancelled = app.store.cancel(execution_id, &entry).await;
            if matches!(cancelled, Ok(Cancellation::Done)) {
                app.cancelled(execution_id);
                app.ended(execution_id, agent, version).await;
            }
            cancelled
        }
    });
    match cancelled.await?? {
        Cancellation::Done => {}
        Cancellation::Ended(status) => return Err(ended(status)),
        Cancellation::Missing => return Err(ApiError::not_found()),
    }
    tracing::info!(%execution_id, "execution cancelled");
    Ok(())
}

/// Retry a failed execution
///
/// It gets another run, under the same id, at most 100. That is an operator's decision: it runs whatever the agent's
/// status is, `paused` and `archived` included.
#[utoipa::path(
    post, path = "/api/v1/executions/{execution_id}/retry", tag = "executions", operation_id = "retry_execution",
    params(("execution_id" = ExecutionId, Path, description = "The execution.")),
    request_body(content = Option<Nothing>, example = json!({})),
    responses((status = 202, description = "It will run.", body = RetriedView), (status = 409, description = "conflict"))
)]
pub async fn retry(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let execution = to_change(&app, &caller, &path, body).await?;
    let execution_id = execution.execution_id;
    let run = retry_one(&app, By::hand(&caller), &execution).await?;
    let status = ExecutionStatus::Queued;
    Ok(HttpResponse::Accepted().json(RetriedView { execution_id, run, status }))
}

/// Which run it will be.
pub(crate) async fn retry_one(
    app: &web::Data<App>,
    by: By<'_>,
    execution: &Execution,
) -> Result<i32, ApiError> {
    let execution_id = execution.execution_id;
    let entry = by.does(AuditAction::ExecutionRetried, execution, app.clock.now())?;
    let tell = app.is_wanted(&EventType::ExecutionQueued, &execution.tenant_id, execution.agent_id).await?;
    let retried = to_the_end({
        let app = app.clone();
        async move {
            let retried = app.store.retry(execution_id, tell, &entry).await;
            if matches!(retried, Ok(Retry::Queued(_))) {
                app.ring(execution_id);
                app.events_written();
            }
            retried
        }
    });
    match retried.await?? {
        Retry::Queued(run) => {
            tracing::info!(%execution_id, run, "execution retried");
            Ok(run)
        }
        Retry::NotFailed(status) => Err(not_failed(status)),
        Retry::TooMany => Err(too_many()),
        Retry::AgentDeleted => Err(agent_deleted()),
        Retry::Missing => Err(ApiError::not_found()),
    }
}

/// Replay an execution
///
/// Makes a new one of the same payload, by default on the agent's present version. That is an operator's decision: it
/// runs whatever the agent's status is, `paused` and `archived` included.
#[utoipa::path(
    post, path = "/api/v1/executions/{execution_id}/replay", tag = "executions", operation_id = "replay_execution",
    params(("execution_id" = ExecutionId, Path, description = "The execution.")),
    request_body(content = Option<Replay>, example = json!({"agent_version": 1})),
    responses((status = 202, description = "The new one will run.", body = ReplayedView), (status = 409, description = "conflict"))
)]
pub async fn replay(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let original = find_trace(&app, &caller, &path).await?;
    caller.writer()?;
    let Replay { agent_version } = body.parse_or_default()?;
    let replay_of = original.execution.execution_id;
    let execution_id = replay_one(&app, By::hand(&caller), original, agent_version).await?;
    Ok(HttpResponse::Accepted().json(ReplayedView { execution_id, replay_of }))
}

/// The new execution.
pub(crate) async fn replay_one(
    app: &web::Data<App>,
    by: By<'_>,
    original: Trace,
    agent_version: Option<i32>,
) -> Result<ExecutionId, ApiError> {
    let Trace { execution: original, payload, headers, .. } = original;
    let agent_version = version(app, original.agent_id, agent_version).await?;
    let (execution_id, replay_of, now) = (ExecutionId::new(), original.execution_id, app.clock.now());
    let entry = by.does(AuditAction::ExecutionReplayed, &original, now)?;
    let entry = entry.with("execution_id", execution_id.to_string()).with("agent_version", agent_version);
    let replayed = to_the_end({
        let (app, request_id) = (app.clone(), by.caller.request_id);
        async move {
            let mut execution = UnsignedExecution {
                execution_id,
                tenant_id: original.tenant_id,
                agent_id: original.agent_id,
                agent_version,
                payload,
                request_id,
                source: ExecutionSource::Replay,
                headers,
                replay_of: Some(replay_of),
                received_at: now,
                event: None,
            };
            tell_if_wanted(&app, &mut execution).await?;
            let stored = app.store.insert_unsigned(&execution, &entry).await;
            app.ring(execution_id);
            app.events_written();
            stored
        }
    });
    replayed.await??;
    tracing::info!(%execution_id, %replay_of, agent_version, "execution replayed");
    Ok(execution_id)
}

/// Has its event written with it, if somebody wants to hear that it is queued.
pub(super) async fn tell_if_wanted(app: &App, execution: &mut UnsignedExecution) -> store::Result<()> {
    if app.is_wanted(&EventType::ExecutionQueued, &execution.tenant_id, execution.agent_id).await? {
        execution.event = Some(Event::of_unsigned(execution));
    }
    Ok(())
}

/// The execution that is to be changed by a request that says nothing more, if the caller may.
pub(super) async fn to_change(
    app: &App,
    caller: &Caller,
    execution_id: &str,
    body: Body,
) -> Result<Execution, ApiError> {
    let execution = find(app, caller, execution_id).await?;
    caller.writer()?;
    let Nothing {} = body.parse_or_default()?;
    Ok(execution)
}

/// The version that is asked for, if there is one, else the present one.
async fn version(app: &App, agent_id: AgentId, asked: Option<i32>) -> Result<i32, ApiError> {
    let agent = app.store.agent(agent_id).await?.ok_or_else(agent_deleted)?;
    let Some(asked) = asked else { return Ok(agent.version) };
    if app.store.agent_version(agent_id, asked).await?.is_none() {
        let message = format!("is no version of this agent: it has 1 to {}", agent.version);
        return Err(ApiError::field("/agent_version", message));
    }
    Ok(asked)
}

fn ended(status: ExecutionStatus) -> ApiError {
    let detail = match status {
        ExecutionStatus::Cancelled => "the execution was cancelled before; nothing is left to do",
        ExecutionStatus::Success => "the execution has ended with success: there is nothing to cancel",
        ExecutionStatus::Failed => {
            "the execution has failed: there is nothing to cancel; retry or replay it instead"
        }
        ExecutionStatus::Queued | ExecutionStatus::Held | ExecutionStatus::Running => {
            "the execution has changed at the same time; read it again"
        }
    };
    ApiError::new(Code::Conflict, detail)
}

fn not_failed(status: ExecutionStatus) -> ApiError {
    let detail = match status {
        ExecutionStatus::Success => {
            "the execution has succeeded; to run its payload once more, replay it instead"
        }
        ExecutionStatus::Cancelled => {
            "the execution was cancelled; to run its payload all the same, replay it instead"
        }
        ExecutionStatus::Running => {
            "the execution is running: wait for its end, or replay it instead, which makes another execution"
        }
        ExecutionStatus::Queued => {
            "the execution is queued and will run by itself; to run its payload once more, replay it instead"
        }
        ExecutionStatus::Held => {
            "the execution is held and waits to be released; to run its payload now, replay it instead"
        }
        ExecutionStatus::Failed => "the execution has changed at the same time; read it again",
    };
    ApiError::new(Code::Conflict, detail)
}

fn too_many() -> ApiError {
    let max = Execution::MAX_RUNS;
    let detail = format!("the execution has had {max} runs, as many as one can have; replay it instead");
    ApiError::new(Code::Conflict, detail)
}

pub(super) fn agent_deleted() -> ApiError {
    ApiError::new(Code::Conflict, "the agent was deleted, so nobody can run this any more")
}
