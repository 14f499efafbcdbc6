//! The prompt that a payload makes: what the model is to read, rendered as a run renders it.

use actix_web::web::Bytes;
use tokio::sync::Semaphore;

use super::view::{self, PromptView};
use crate::app::App;
use crate::llm::prompt;
use crate::model::{AgentFacts, AgentId, ErrorCode, ExecutionError, Headers, TenantId, Trace, payload_json};
use crate::template::{self, Message};
use crate::web::ApiError;

/// Prompts that are rendered at once to be looked at: each may take some memory.
static RENDERINGS: Semaphore = Semaphore::const_new(2);

/// Who is to read it.
pub(super) struct Reader {
    pub agent_id: AgentId,
    pub tenant_id: TenantId,
    pub version: i32,
}

/// What the model would read, with the marker in it; or what would end the run instead.
pub(super) async fn message(
    app: &App,
    reader: Reader,
    payload: Bytes,
    headers: Headers,
) -> Result<Result<Message, ExecutionError>, ApiError> {
    let version = app.agents.version(&app.store, reader.agent_id, reader.version).await?;
    let version = version.ok_or_else(ApiError::not_found)?;
    let failed = |message| Err(ExecutionError { code: ErrorCode::PromptFailed, message, retryable: false });
    match &version.template {
        None => {
            let mut marker = 0;
            let text = prompt::user_message(&payload, || {
                marker = prompt::random_marker();
                marker
            });
            return Ok(Ok(Message { text, marker: format!("{marker:032x}") }));
        }
        Some(Err(fault)) => return Ok(failed(format!("the stored prompt template cannot be used: {fault}"))),
        Some(Ok(_)) => {}
    }
    let unable = |_| ApiError::unavailable("the prompt cannot be rendered now; try again");
    let turn = RENDERINGS.acquire().await.map_err(|_| unable(()))?;
    let rendered = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let Some(Ok(template)) = &version.template else { return None };
        let payload = template::payload(&payload);
        let Reader { agent_id: id, tenant_id, version: number } = &reader;
        let agent = AgentFacts { id: *id, tenant_id, name: &version.spec.name, version: *number };
        Some(template.render(&payload, &headers, agent, prompt::random_marker))
    });
    match rendered.await {
        Ok(Some(Ok(message))) => Ok(Ok(message)),
        Ok(Some(Err(fault))) => Ok(failed(format!("the prompt template: {fault}"))),
        Ok(None) | Err(_) => Err(unable(())),
    }
}

/// What the model reads of an execution: made anew of its payload, by the version that it runs on. The marker is another
/// one than the run's, which is not kept.
///
/// # Errors
/// 404: the version is not there any more. 503: it cannot be rendered now.
pub(crate) async fn of_execution(
    app: &App,
    trace: &Trace,
) -> Result<Result<PromptView, ExecutionError>, ApiError> {
    let execution = &trace.execution;
    let (agent_id, number) = (execution.agent_id, execution.agent_version);
    let version = app.agents.version(&app.store, agent_id, number).await?.ok_or_else(ApiError::not_found)?;
    let reader = Reader { agent_id, tenant_id: execution.tenant_id.clone(), version: number };
    let payload = payload_json(&trace.payload, &trace.headers).into_owned();
    let message = message(app, reader, payload.into(), trace.headers.clone()).await?;
    Ok(message.map(|message| view::prompt(&version.spec.system_prompt, message)))
}
