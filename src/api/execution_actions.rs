//! What is done to an execution by hand: cancel, retry, replay.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::executions::{find, find_trace};
use super::{to_the_end, view};
use crate::app::App;
use crate::model::{
    AgentId, AuditAction, Execution, ExecutionId, ExecutionSource, ExecutionStatus, Trace, UnsignedExecution,
};
use crate::store::{Cancellation, Retry};
use crate::web::{ApiError, Body, Caller, Code};

/// A body that may be left out and says nothing.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

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
    let execution = find(&app, &caller, &path).await?;
    let (writer, execution_id) = (caller.writer()?, execution.execution_id);
    let Nothing {} = body.parse_or_default()?;
    let entry = writer.does(AuditAction::ExecutionCancelled, execution_id, app.clock.now());
    let entry = entry.of(&execution.tenant_id);
    let cancelled = to_the_end({
        let app = app.clone();
        async move {
            let cancelled = app.store.cancel(execution_id, &entry).await;
            if matches!(cancelled, Ok(Cancellation::Done)) {
                app.cancelled(execution_id);
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
    Ok(HttpResponse::Ok().json(view::trace(find_trace(&app, &caller, &path).await?)))
}

/// Retry a failed execution
///
/// It gets another run, under the same id, at most 100. That is an operator's decision: it runs whatever the agent's status is,
/// `paused` and `archived` included.
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
    let execution = find(&app, &caller, &path).await?;
    let (writer, execution_id) = (caller.writer()?, execution.execution_id);
    let Nothing {} = body.parse_or_default()?;
    let entry = writer.does(AuditAction::ExecutionRetried, execution_id, app.clock.now());
    let entry = entry.of(&execution.tenant_id);
    let retried = to_the_end({
        let app = app.clone();
        async move {
            let retried = app.store.retry(execution_id, &entry).await;
            if matches!(retried, Ok(Retry::Queued(_))) {
                app.ring(execution_id);
            }
            retried
        }
    });
    match retried.await?? {
        Retry::Queued(run) => {
            tracing::info!(%execution_id, run, "execution retried");
            let status = ExecutionStatus::Queued;
            Ok(HttpResponse::Accepted().json(RetriedView { execution_id, run, status }))
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
    let Trace { execution: original, payload, .. } = find_trace(&app, &caller, &path).await?;
    let writer = caller.writer()?;
    let Replay { agent_version } = body.parse_or_default()?;
    let agent_version = version(&app, original.agent_id, agent_version).await?;
    let (execution_id, replay_of, now) = (ExecutionId::new(), original.execution_id, app.clock.now());
    let entry = writer.does(AuditAction::ExecutionReplayed, replay_of, now).of(&original.tenant_id);
    let entry = entry.with("execution_id", execution_id.to_string()).with("agent_version", agent_version);
    let replayed = to_the_end({
        let (app, request_id) = (app.clone(), caller.request_id);
        async move {
            let execution = UnsignedExecution {
                execution_id,
                tenant_id: original.tenant_id,
                agent_id: original.agent_id,
                agent_version,
                payload,
                request_id,
                source: ExecutionSource::Replay,
                replay_of: Some(replay_of),
                received_at: now,
            };
            let stored = app.store.insert_unsigned(&execution, &entry).await;
            app.ring(execution_id);
            stored
        }
    });
    replayed.await??;
    tracing::info!(%execution_id, %replay_of, agent_version, "execution replayed");
    Ok(HttpResponse::Accepted().json(ReplayedView { execution_id, replay_of }))
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

fn agent_deleted() -> ApiError {
    ApiError::new(Code::Conflict, "the agent was deleted, so nobody can run this any more")
}
