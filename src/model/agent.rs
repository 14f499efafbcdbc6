//! An agent: a prompt, a model and a trigger, in immutable versions.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AgentId, LlmConfig, RetryPolicy, TenantId, Time, Trigger};

/// An agent at its present version.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Never changes.
    pub agent_id: AgentId,
    /// Never changes.
    pub tenant_id: TenantId,
    /// 1 for a new agent, one more with each change.
    pub version: i32,
    /// What this version says.
    pub spec: AgentSpec,
    /// When the first version was made.
    pub created_at: Time,
    /// When this version was made.
    pub updated_at: Time,
}

/// Everything about an agent that its owner can change. Each change is a new version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentSpec {
    /// For people.
    #[schema(min_length = 1, max_length = 200, example = "Ticket enhancer")]
    pub name: String,
    /// Whether hooks are taken.
    #[serde(default)]
    pub status: AgentStatus,
    /// Sent to the model byte for byte.
    #[serde(default)]
    #[schema(max_length = 262_144, example = "You triage tickets.")]
    pub system_prompt: String,
    /// The model and how it samples.
    pub llm_config: LlmConfig,
    /// How it is started; `None` takes no webhooks.
    #[serde(default)]
    pub trigger: Option<Trigger>,
    /// How a failed call is repeated.
    #[serde(default)]
    pub retry: RetryPolicy,
    /// How long one LLM call may take, in s: 1–3,600.
    #[serde(default = "default_timeout")]
    #[schema(minimum = 1, maximum = 3600)]
    pub timeout_seconds: u32,
}

/// Whether an agent takes hooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentStatus {
    /// Takes hooks.
    #[default]
    Active,
    /// Refuses hooks for now.
    Paused,
    /// Refuses hooks for good; kept for its history.
    Archived,
}

fn json_bytes(object: &serde_json::Map<String, serde_json::Value>) -> usize {
    serde_json::to_string(object).map_or(usize::MAX, |text| text.len())
}

fn default_timeout() -> u32 {
    120
}

/// The limits of a specification, each named where its check is ([`AgentSpec::faults`]).
/// What filters and templates may know of an agent.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct AgentFacts<'a> {
    /// The agent.
    pub id: AgentId,
    /// Whose it is.
    pub tenant_id: &'a TenantId,
    /// For people.
    pub name: &'a str,
    /// The version that a payload runs under.
    pub version: i32,
}

impl Agent {
    /// What filters and templates may know of it.
    #[must_use]
    pub fn facts(&self) -> AgentFacts<'_> {
        AgentFacts {
            id: self.agent_id,
            tenant_id: &self.tenant_id,
            name: &self.spec.name,
            version: self.version,
        }
    }
}

impl AgentSpec {
    /// The longest name, in characters.
    pub const MAX_NAME_CHARS: usize = 200;
    /// The longest system prompt, in bytes.
    pub const MAX_PROMPT_BYTES: usize = 262_144;
    /// Objects whose fields a PATCH changes one by one; all others are replaced whole, a payload schema above all.
    pub const MERGED: [&str; 3] = ["llm_config", "retry", "trigger"];

    /// What is out of bounds, as `(JSON Pointer, what to do)`. Empty is good.
    #[must_use]
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let mut check = |fine: bool, pointer, message: &str| {
            if !fine {
                faults.push((pointer, message.to_owned()));
            }
        };
        let within =
            |number: Option<f64>, low: f64, high: f64| number.is_none_or(|n| (low..=high).contains(&n));
        let name = self.name.chars().count();
        check((1..=Self::MAX_NAME_CHARS).contains(&name), "/name", "must have 1 to 200 characters");
        check(
            self.system_prompt.len() <= Self::MAX_PROMPT_BYTES,
            "/system_prompt",
            "must be at most 262144 bytes",
        );
        let llm = &self.llm_config;
        check(
            (1..=LlmConfig::MAX_MODEL_LEN).contains(&llm.model.len())
                && !llm.model.contains(char::is_control),
            "/llm_config/model",
            "must be the name of a model in the LiteLLM proxy, 1 to 200 bytes",
        );
        check(within(llm.temperature, 0.0, 2.0), "/llm_config/temperature", "must be between 0 and 2");
        check(within(llm.top_p, 0.0, 1.0), "/llm_config/top_p", "must be between 0 and 1");
        for (penalty, pointer) in [
            (llm.presence_penalty, "/llm_config/presence_penalty"),
            (llm.frequency_penalty, "/llm_config/frequency_penalty"),
        ] {
            check(within(penalty, -2.0, 2.0), pointer, "must be between -2 and 2");
        }
        check(llm.max_tokens != Some(0), "/llm_config/max_tokens", "must be at least 1");
        check(
            llm.max_completion_tokens != Some(0),
            "/llm_config/max_completion_tokens",
            "must be at least 1",
        );
        let format = llm.response_format.as_ref();
        check(
            format.is_none_or(|format| json_bytes(format) <= LlmConfig::MAX_RESPONSE_FORMAT_BYTES),
            "/llm_config/response_format",
            "must be at most 65536 bytes of JSON",
        );
        let retry = &self.retry;
        check((1..=20).contains(&retry.max_attempts), "/retry/max_attempts", "must be between 1 and 20");
        check(
            retry.initial_delay_ms <= 3_600_000,
            "/retry/initial_delay_ms",
            "must be at most 3600000 (an hour)",
        );
        check(retry.max_delay_ms <= 86_400_000, "/retry/max_delay_ms", "must be at most 86400000 (a day)");
        check((1..=3600).contains(&self.timeout_seconds), "/timeout_seconds", "must be between 1 and 3600");
        faults.extend(self.trigger.iter().flat_map(Trigger::faults));
        faults
    }
}
