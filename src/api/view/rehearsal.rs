//! A dry run as the API shows it.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::llm;
use crate::model::{Agent, AgentId, ErrorCode, ExecutionError, KeySource};
use crate::web::ApiError;

/// What was found out.
pub struct Rehearsal<'a> {
    /// The agent at its present version.
    pub agent: &'a Agent,
    /// Why no run would come of it.
    pub refusal: Option<ApiError>,
    /// Whether the agent says what its payloads look like.
    pub has_schema: bool,
    /// What is wrong with the payload.
    pub fault: Option<ApiError>,
    /// The user message; `None` if the payload can be none.
    pub message: Option<String>,
    /// The marker in it.
    pub marker: u128,
    /// Who would pay the first call.
    pub pays: Result<KeySource, ExecutionError>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DryRun)]
pub struct RehearsalView {
    dry_run: bool,
    agent_id: AgentId,
    agent_version: i32,
    /// `accepted`, `rejected`.
    verdict: &'static str,
    /// The code of the refusal.
    #[schema(required)]
    reason: Option<&'static str>,
    #[schema(required)]
    detail: Option<String>,
    schema: SchemaView,
    #[schema(required)]
    prompt: Option<PromptView>,
    model: String,
    /// `tenant`, `platform`, `none`.
    key_source: &'static str,
    /// What would end the execution before its first call.
    #[schema(required)]
    error: Option<ErrorView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DryRunSchema)]
struct SchemaView {
    /// Whether there is one; without one any JSON is taken.
    configured: bool,
    /// `null`: the payload is not the JSON that could be checked.
    #[schema(required)]
    valid: Option<bool>,
    /// Where it does not match, as ingress says it.
    #[schema(value_type = Vec<Object>)]
    errors: Vec<Value>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DryRunPrompt)]
struct PromptView {
    messages: Vec<MessageView>,
    marker: String,
    note: &'static str,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DryRunMessage)]
struct MessageView {
    role: &'static str,
    content: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DryRunError)]
struct ErrorView {
    code: ErrorCode,
    message: String,
}

pub fn rehearsal(found: Rehearsal<'_>) -> RehearsalView {
    let Rehearsal { agent, refusal, has_schema, fault, message, marker, pays } = found;
    let spec = &agent.spec;
    let valid = match (&fault, &message) {
        (None, _) => Some(true),
        (Some(_), Some(_)) => Some(false),
        (Some(_), None) => None,
    };
    RehearsalView {
        dry_run: true,
        agent_id: agent.agent_id,
        agent_version: agent.version,
        verdict: if refusal.is_none() { "accepted" } else { "rejected" },
        reason: refusal.as_ref().map(|refusal| refusal.code().parts().0),
        detail: refusal.as_ref().map(|refusal| refusal.detail().to_owned()),
        schema: SchemaView {
            configured: has_schema,
            valid,
            errors: fault.map(ApiError::into_errors).unwrap_or_default(),
        },
        prompt: message.map(|message| PromptView {
            messages: llm::messages(&spec.system_prompt, &message)
                .into_iter()
                .map(|message| MessageView { role: message.role, content: message.content.to_owned() })
                .collect(),
            marker: format!("{marker:032x}"),
            note: "the marker around the payload is drawn at random for each run; all else is sent as it stands here",
        }),
        model: spec.llm_config.model.clone(),
        key_source: match &pays {
            Ok(KeySource::Tenant) => "tenant",
            Ok(KeySource::Platform) => "platform",
            Err(_) => "none",
        },
        error: pays.err().map(|error| ErrorView { code: error.code, message: error.message }),
    }
}
