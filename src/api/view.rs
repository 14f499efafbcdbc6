//! Answers: what the API shows of the model, field by field, so that a new column is never shown by accident.

use serde::Serialize;
use serde_json::value::RawValue;
use url::Url;

use crate::model::{
    Agent, AgentId, AgentSpec, AgentStatus, ApiKey, ApiKeyId, Attempt, Cost, Execution, ExecutionError,
    ExecutionId, ExecutionSource, ExecutionStatus, FallbackReason, KeyPolicy, KeyRole, KeySource, LlmConfig,
    RetryPolicy, SecretEncoding, SecretId, Tenant, TenantId, Time, Trace, Trigger, Usage, WebhookSecret,
};

/// A time as the contract writes it: RFC 3339, UTC, milliseconds.
#[derive(Serialize)]
#[serde(into = "String")]
#[derive(Clone, Copy)]
pub struct Stamp(pub Time);

impl From<Stamp> for String {
    fn from(stamp: Stamp) -> Self {
        stamp.0.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
    }
}

pub fn stamp(time: Option<Time>) -> Option<Stamp> {
    time.map(Stamp)
}

#[derive(Serialize)]
pub struct TenantView {
    tenant_id: TenantId,
    name: Option<String>,
    key_policy: KeyPolicy,
    fallback_on: Vec<FallbackReason>,
    allowed_models: Option<Vec<String>>,
    rate_limit: (),
    concurrency: (),
    llm_key: LlmKeyView,
    created_at: Stamp,
    updated_at: Stamp,
}

#[derive(Serialize)]
struct LlmKeyView {
    configured: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

pub fn tenant(tenant: Tenant) -> TenantView {
    TenantView {
        tenant_id: tenant.tenant_id,
        name: tenant.name,
        key_policy: tenant.key_policy,
        fallback_on: tenant.fallback_on,
        allowed_models: tenant.allowed_models,
        rate_limit: (),
        concurrency: (),
        llm_key: LlmKeyView {
            configured: tenant.llm_key.is_some(),
            hint: tenant.llm_key.map(|key| key.hint),
        },
        created_at: Stamp(tenant.created_at),
        updated_at: Stamp(tenant.updated_at),
    }
}

#[derive(Serialize)]
pub struct AgentView {
    agent_id: AgentId,
    tenant_id: TenantId,
    version: i32,
    name: String,
    status: AgentStatus,
    system_prompt: String,
    llm_config: LlmConfig,
    trigger: Option<Trigger>,
    retry: RetryPolicy,
    timeout_seconds: u32,
    webhook_url: Option<String>,
    created_at: Stamp,
    updated_at: Stamp,
    /// Shown once, by the answer that made the trigger.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_secret: Option<String>,
}

pub fn agent(agent: Agent, public_url: &Url, webhook_secret: Option<String>) -> AgentView {
    let AgentSpec { name, status, system_prompt, llm_config, trigger, retry, timeout_seconds } = agent.spec;
    AgentView {
        webhook_url: trigger.as_ref().map(|_| webhook_url(public_url, agent.agent_id)),
        agent_id: agent.agent_id,
        tenant_id: agent.tenant_id,
        version: agent.version,
        name,
        status,
        system_prompt,
        llm_config,
        trigger,
        retry,
        timeout_seconds,
        created_at: Stamp(agent.created_at),
        updated_at: Stamp(agent.updated_at),
        webhook_secret,
    }
}

fn webhook_url(public_url: &Url, agent_id: AgentId) -> String {
    format!("{}/webhook/agents/{agent_id}/webhook", public_url.as_str().trim_end_matches('/'))
}

#[derive(Serialize)]
pub struct SecretView {
    secret_id: SecretId,
    webhook_secret: String,
    secret_encoding: SecretEncoding,
    created_at: Stamp,
    expires_at: Option<Stamp>,
    last_used_at: Option<Stamp>,
}

pub fn secret(secret: WebhookSecret, text: String, last_used_at: Option<Time>) -> SecretView {
    SecretView {
        secret_id: secret.secret_id,
        webhook_secret: text,
        secret_encoding: secret.encoding,
        created_at: Stamp(secret.created_at),
        expires_at: stamp(secret.expires_at),
        last_used_at: stamp(last_used_at),
    }
}

#[derive(Serialize)]
pub struct RotatedView<'a> {
    webhook_secret: &'a str,
    secret_id: SecretId,
}

pub fn rotated(secret_id: SecretId, webhook_secret: &str) -> RotatedView<'_> {
    RotatedView { webhook_secret, secret_id }
}

#[derive(Serialize)]
pub struct ApiKeyView {
    key_id: ApiKeyId,
    /// Shown once, by the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    role: KeyRole,
    tenant_id: (),
    name: String,
    hint: Option<String>,
    created_at: Stamp,
}

pub fn api_key(key: ApiKey, text: Option<String>) -> ApiKeyView {
    ApiKeyView {
        key_id: key.key_id,
        key: text,
        role: key.role,
        tenant_id: (),
        name: key.name,
        hint: key.hint,
        created_at: Stamp(key.created_at),
    }
}

#[derive(Serialize)]
pub struct ExecutionView {
    execution_id: ExecutionId,
    agent_id: AgentId,
    agent_version: i32,
    tenant_id: TenantId,
    status: ExecutionStatus,
    run: i32,
    source: ExecutionSource,
    replay_of: Option<ExecutionId>,
    error: Option<ExecutionError>,
    model: Option<String>,
    key_source: Option<KeySource>,
    usage: Option<Usage>,
    cost_usd: Option<f64>,
    timing: TimingView,
    due_at: Option<Stamp>,
}

#[derive(Serialize)]
struct TimingView {
    received_at: Stamp,
    started_at: Option<Stamp>,
    finished_at: Option<Stamp>,
    queue_ms: Option<i64>,
    llm_ms: Option<i64>,
    total_ms: Option<i64>,
}

pub fn execution(execution: Execution) -> ExecutionView {
    let timing = execution.timing;
    ExecutionView {
        execution_id: execution.execution_id,
        agent_id: execution.agent_id,
        agent_version: execution.agent_version,
        tenant_id: execution.tenant_id,
        status: execution.status,
        run: execution.run,
        source: execution.source,
        replay_of: execution.replay_of,
        error: execution.error,
        model: execution.model,
        key_source: execution.key_source,
        usage: execution.usage,
        cost_usd: execution.cost.map(Cost::usd),
        timing: TimingView {
            received_at: Stamp(timing.received_at),
            started_at: stamp(timing.started_at),
            finished_at: stamp(timing.finished_at),
            queue_ms: timing.queue_ms(),
            llm_ms: timing.llm_ms,
            total_ms: timing.total_ms(),
        },
        due_at: stamp(execution.due_at),
    }
}

#[derive(Serialize)]
pub struct TraceView {
    #[serde(flatten)]
    execution: ExecutionView,
    input: Option<Box<RawValue>>,
    output: Option<String>,
    attempts: Vec<AttemptView>,
}

#[derive(Serialize)]
struct AttemptView {
    number: i32,
    run: i32,
    started_at: Stamp,
    finished_at: Option<Stamp>,
    key_source: KeySource,
    status_code: Option<i32>,
    error: Option<ExecutionError>,
    usage: Option<Usage>,
    cost_usd: Option<f64>,
    llm_call_id: String,
    model: String,
}

pub fn trace(trace: Trace) -> TraceView {
    let attempt = |attempt: Attempt| AttemptView {
        number: attempt.number,
        run: attempt.run,
        started_at: Stamp(attempt.started_at),
        finished_at: stamp(attempt.finished_at),
        key_source: attempt.key_source,
        status_code: attempt.status_code,
        error: attempt.error,
        usage: attempt.usage,
        cost_usd: attempt.cost.map(Cost::usd),
        llm_call_id: attempt.llm_call_id,
        model: attempt.model,
    };
    TraceView {
        execution: execution(trace.execution),
        input: input(trace.payload),
        output: trace.output,
        attempts: trace.attempts.into_iter().map(attempt).collect(),
    }
}

/// The payload as it came, inside our JSON: numbers, order and duplicate keys as they were sent. A byte order
/// mark is no part of the JSON.
fn input(payload: Vec<u8>) -> Option<Box<RawValue>> {
    let text = String::from_utf8(payload).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    RawValue::from_string(text.trim_ascii().to_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_input_is_shown_as_it_was_sent() {
        let sent =
            "\u{feff} {\"n\": 1.0, \"big\": 12345678901234567890123, \"e\": 1e2, \"n\": \"\\u0000\"}\r\n";
        let shown = serde_json::to_string(&input(sent.into())).expect("valid");
        assert_eq!(shown, "{\"n\": 1.0, \"big\": 12345678901234567890123, \"e\": 1e2, \"n\": \"\\u0000\"}");
    }
}
