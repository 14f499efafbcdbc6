//! What is decided about an execution that waits for a person: release, discard.

use actix_web::{HttpResponse, web};

use super::execution_actions::{By, Nothing, agent_deleted, to_change};
use super::executions::{self, find_trace};
use super::view;
use crate::app::App;
use crate::model::{AuditAction, EventType, Execution, ExecutionStatus};
use crate::store::Release;
use crate::web::{ApiError, Body, Caller, Code, to_the_end};

/// Release a held execution
///
/// It is queued, on the version of the agent that took it. That is an operator's decision: it runs whatever the agent's
/// status is, `paused` and `archived` included, and whatever its schema says.
#[utoipa::path(
    post, path = "/api/v1/executions/{execution_id}/release", tag = "executions", operation_id = "release_execution",
    params(("execution_id" = crate::model::ExecutionId, Path, description = "The execution.")),
    request_body(content = Option<Nothing>, example = json!({})),
    responses((status = 202, description = "It will run.", body = view::TraceView), (status = 409, description = "conflict"))
)]
pub async fn release(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let execution = to_change(&app, &caller, &path, body).await?;
    release_one(&app, By::hand(&caller), &execution).await?;
    Ok(HttpResponse::Accepted().json(executions::show(&app, find_trace(&app, &caller, &path).await?)))
}

/// Discard a held execution
///
/// It ends as `cancelled` and never runs. The same delivery again is a duplicate.
#[utoipa::path(
    post, path = "/api/v1/executions/{execution_id}/discard", tag = "executions", operation_id = "discard_execution",
    params(("execution_id" = crate::model::ExecutionId, Path, description = "The execution.")),
    request_body(content = Option<Nothing>, example = json!({})),
    responses((status = 200, description = "The execution.", body = view::TraceView), (status = 409, description = "conflict"))
)]
pub async fn discard(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let execution = to_change(&app, &caller, &path, body).await?;
    discard_one(&app, By::hand(&caller), &execution).await?;
    Ok(HttpResponse::Ok().json(executions::show(&app, find_trace(&app, &caller, &path).await?)))
}

pub(crate) async fn release_one(
    app: &web::Data<App>,
    by: By<'_>,
    execution: &Execution,
) -> Result<(), ApiError> {
    let execution_id = execution.execution_id;
    let entry = by.does(AuditAction::ExecutionReleased, execution, app.clock.now())?;
    let tell = app.is_wanted(&EventType::ExecutionQueued, &execution.tenant_id, execution.agent_id).await?;
    let released = to_the_end({
        let app = app.clone();
        async move {
            let released = app.store.release(execution_id, tell, &entry).await;
            if matches!(released, Ok(Release::Done)) {
                app.ring(execution_id);
                app.events_written();
            }
            released
        }
    });
    decided(released.await??)?;
    tracing::info!(%execution_id, "execution released");
    Ok(())
}

pub(crate) async fn discard_one(
    app: &web::Data<App>,
    by: By<'_>,
    execution: &Execution,
) -> Result<(), ApiError> {
    let execution_id = execution.execution_id;
    let entry = by.does(AuditAction::ExecutionDiscarded, execution, app.clock.now())?;
    let discarded = to_the_end({
        let app = app.clone();
        // No sender waits for its end: it was told that it is held.
        async move {
            let discarded = app.store.discard(execution_id, &entry).await;
            app.events_written();
            discarded
        }
    });
    decided(discarded.await??)?;
    tracing::info!(%execution_id, "execution discarded");
    Ok(())
}

fn decided(what: Release) -> Result<(), ApiError> {
    match what {
        Release::Done => Ok(()),
        Release::NotHeld(status) => Err(not_held(status)),
        Release::AgentDeleted => Err(agent_deleted()),
        Release::Missing => Err(ApiError::not_found()),
    }
}

fn not_held(status: ExecutionStatus) -> ApiError {
    let detail = match status {
        ExecutionStatus::Queued => {
            "the execution is not held: it is queued and will run by itself; to end it, cancel it"
        }
        ExecutionStatus::Running => "the execution is not held: it is running; to end it, cancel it",
        ExecutionStatus::Success => {
            "the execution is not held: it has succeeded; to run its payload once more, replay it"
        }
        ExecutionStatus::Failed => "the execution is not held: it has failed; retry it or replay it",
        ExecutionStatus::Cancelled => {
            "the execution was cancelled or discarded before; to run its payload all the same, replay it"
        }
        ExecutionStatus::Held => "the execution has changed at the same time; read it again",
    };
    ApiError::new(Code::Conflict, detail)
}
