//! An agent as the API shows it.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use url::Url;
use utoipa::ToSchema;

use super::Stamp;
use crate::model::{Agent, AgentId, AgentSpec, AgentStatus, LlmConfig, RetryPolicy, TenantId, Trigger};

#[derive(Serialize, ToSchema)]
#[schema(as = Agent)]
pub struct AgentView {
    pub agent_id: AgentId,
    pub tenant_id: TenantId,
    #[schema(minimum = 1)]
    pub version: i32,
    pub name: String,
    pub status: AgentStatus,
    pub system_prompt: String,
    pub llm_config: LlmConfig,
    #[schema(required)]
    pub trigger: Option<Trigger>,
    pub retry: RetryPolicy,
    pub timeout_seconds: u32,
    #[schema(required)]
    pub webhook_url: Option<String>,
    pub created_at: Stamp,
    pub updated_at: Stamp,
    /// Shown once, by the answer that made the trigger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_secret: Option<String>,
    /// Shown once, by the answer that first had `callback_hosts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_secret: Option<String>,
}

/// What one answer shows of an agent's secrets.
#[derive(Default)]
pub struct AgentSecrets {
    pub webhook: Option<SecretString>,
    pub callback: Option<SecretString>,
}

pub fn agent(agent: Agent, public_url: &Url, secrets: AgentSecrets) -> AgentView {
    let shown = |secret: Option<SecretString>| secret.map(|text| text.expose_secret().to_owned());
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
        trigger: trigger.map(Trigger::in_full),
        retry,
        timeout_seconds,
        created_at: Stamp(agent.created_at),
        updated_at: Stamp(agent.updated_at),
        webhook_secret: shown(secrets.webhook),
        callback_secret: shown(secrets.callback),
    }
}

/// A version as it was: what the agent's owner can change, and nothing that changes without a version.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentVersion)]
pub struct AgentVersionView {
    pub agent_id: AgentId,
    #[schema(minimum = 1)]
    pub version: i32,
    pub name: String,
    pub status: AgentStatus,
    pub system_prompt: String,
    pub llm_config: LlmConfig,
    #[schema(required)]
    pub trigger: Option<Trigger>,
    pub retry: RetryPolicy,
    pub timeout_seconds: u32,
    pub created_at: Stamp,
}

pub fn agent_version(agent: Agent) -> AgentVersionView {
    let AgentSpec { name, status, system_prompt, llm_config, trigger, retry, timeout_seconds } = agent.spec;
    AgentVersionView {
        agent_id: agent.agent_id,
        version: agent.version,
        name,
        status,
        system_prompt,
        llm_config,
        trigger: trigger.map(Trigger::in_full),
        retry,
        timeout_seconds,
        created_at: Stamp(agent.updated_at),
    }
}

fn webhook_url(public_url: &Url, agent_id: AgentId) -> String {
    format!("{}/webhook/agents/{agent_id}/webhook", public_url.as_str().trim_end_matches('/'))
}
