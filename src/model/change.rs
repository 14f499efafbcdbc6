//! What processes keep in memory and must be told about.

use super::{AgentId, TenantId};

/// Something was made, changed or deleted that other processes may remember.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An agent, its secrets included.
    Agent(AgentId),
    /// A tenant, its LLM key included.
    Tenant(TenantId),
    /// API keys.
    ApiKeys,
    /// Which events a tenant's endpoints want to hear of.
    Webhooks(TenantId),
}
