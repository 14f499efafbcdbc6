//! A dry run as the API shows it.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::ingress::{Filtered, Tried};
use crate::llm;
use crate::model::{Agent, AgentId, ErrorCode, ExecutionError, HeldReason, KeySource};
use crate::template::Message;
use crate::web::ApiError;

/// What was found out.
pub struct Rehearsal<'a> {
    /// The agent at its present version.
    pub agent: &'a Agent,
    /// Why it takes no hooks now, or holds them.
    pub standing: Result<Option<HeldReason>, ApiError>,
    /// Whether the agent says which payloads run.
    pub has_filter: bool,
    /// Whether it holds what does not match its schema.
    pub keeps_mismatches: bool,
    /// Whether it says what its payloads look like.
    pub has_schema: bool,
    /// What would become of the payload.
    pub tried: Tried,
    /// The user message, with the marker in it; `None` if none can be made.
    pub message: Option<Message>,
    /// Who would pay the first call.
    pub pays: Result<KeySource, ExecutionError>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DryRun)]
pub struct RehearsalView {
    pub dry_run: bool,
    pub agent_id: AgentId,
    pub agent_version: i32,
    /// `accepted`, `held`, `ignored`, `rejected`.
    pub verdict: &'static str,
    /// The code of the refusal; `paused` or `quarantine` of what would be held; or `filter`.
    #[schema(required)]
    pub reason: Option<&'static str>,
    #[schema(required)]
    pub detail: Option<String>,
    pub filter: FilterView,
    pub schema: SchemaView,
    #[schema(required)]
    pub prompt: Option<PromptView>,
    pub model: String,
    /// `tenant`, `platform`, `none`.
    pub key_source: &'static str,
    /// What would end the execution before its first call.
    #[schema(required)]
    pub error: Option<ErrorView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DryRunFilter)]
pub struct FilterView {
    /// Whether there is one; without one every payload is wanted.
    pub configured: bool,
    /// `null`: the payload is not the JSON that could be asked about.
    #[schema(required)]
    pub matched: Option<bool>,
    /// Why it could not be evaluated: it does not match then.
    #[schema(required)]
    pub error: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DryRunSchema)]
pub struct SchemaView {
    /// Whether there is one; without one any JSON is taken.
    pub configured: bool,
    /// `null`: the payload is not the JSON that could be checked.
    #[schema(required)]
    pub valid: Option<bool>,
    /// Where it does not match, as ingress says it.
    #[schema(value_type = Vec<Object>)]
    pub errors: Vec<Value>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DryRunPrompt)]
pub struct PromptView {
    pub messages: Vec<MessageView>,
    pub marker: String,
    pub note: &'static str,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DryRunMessage)]
pub struct MessageView {
    pub role: &'static str,
    pub content: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DryRunError)]
pub struct ErrorView {
    pub code: ErrorCode,
    pub message: String,
}

/// Why a filter could not be evaluated.
pub fn failed(filter: &Filtered) -> Option<String> {
    match filter {
        Filtered::Failed(fault) => Some(fault.to_string()),
        Filtered::NotAsked | Filtered::Wanted | Filtered::LeftOut => None,
    }
}

pub fn rehearsal(found: Rehearsal<'_>) -> RehearsalView {
    let Rehearsal { agent, standing, has_filter, keeps_mismatches, has_schema, tried, message, pays } = found;
    let (spec, Tried { filter, fault }) = (&agent.spec, tried);
    let error = failed(&filter);
    let (verdict, reason, detail) = match (standing, &filter, &fault) {
        (Err(refusal), ..) => rejected(&refusal),
        (Ok(_), Filtered::LeftOut, _) => {
            ("ignored", Some("filter"), Some("the agent's filter leaves it out".to_owned()))
        }
        (Ok(_), Filtered::Failed(fault), _) => {
            ("ignored", Some("filter"), Some(format!("the agent's filter cannot be evaluated: {fault}")))
        }
        (Ok(_), Filtered::Wanted, Some(_)) if keeps_mismatches => held(HeldReason::Quarantine),
        (Ok(_), Filtered::NotAsked | Filtered::Wanted, Some(refusal)) => rejected(refusal),
        (Ok(Some(reason)), Filtered::NotAsked | Filtered::Wanted, None) => held(reason),
        (Ok(None), Filtered::NotAsked | Filtered::Wanted, None) => ("accepted", None, None),
    };
    let is_json = filter != Filtered::NotAsked;
    RehearsalView {
        dry_run: true,
        agent_id: agent.agent_id,
        agent_version: agent.version,
        verdict,
        reason,
        detail,
        filter: FilterView {
            configured: has_filter,
            matched: is_json.then_some(filter == Filtered::Wanted),
            error,
        },
        schema: SchemaView {
            configured: has_schema,
            valid: is_json.then_some(fault.is_none()),
            errors: fault.map(ApiError::into_errors).unwrap_or_default(),
        },
        prompt: message.map(|message| prompt(&spec.system_prompt, message)),
        model: spec.llm_config.model.clone(),
        key_source: match &pays {
            Ok(KeySource::Tenant) => "tenant",
            Ok(KeySource::Platform) => "platform",
            Err(_) => "none",
        },
        error: pays.err().map(|error| ErrorView { code: error.code, message: error.message }),
    }
}

/// What is sent of a system prompt and a user message.
pub fn prompt(system_prompt: &str, Message { text, marker }: Message) -> PromptView {
    PromptView {
        messages: llm::messages(system_prompt, &text)
            .into_iter()
            .map(|message| MessageView { role: message.role, content: message.content.to_owned() })
            .collect(),
        marker,
        note: "the marker around the payload is drawn at random for each run; all else is sent as it stands here",
    }
}

/// Verdict, reason and detail of what would wait for a person.
fn held(reason: HeldReason) -> (&'static str, Option<&'static str>, Option<String>) {
    ("held", Some(reason.as_str()), Some("it would wait until a person releases it".to_owned()))
}

fn rejected(refusal: &ApiError) -> (&'static str, Option<&'static str>, Option<String>) {
    ("rejected", Some(refusal.code().parts().0), Some(refusal.detail().to_owned()))
}
