//! Which executions a command is about.

use clap::Args;

use super::input;
use crate::model::{AgentId, ExecutionStatus, HeldReason, TenantId};

pub(super) const HELD_REASONS: &[&str] = &["paused", "quarantine"];
pub(super) const STATUSES: &[&str] = &["queued", "held", "running", "success", "failed", "cancelled"];

#[derive(Args)]
pub(super) struct FilterArgs {
    /// Only those that stand so
    #[arg(long, value_parser = input::word::<ExecutionStatus>(STATUSES))]
    status: Option<ExecutionStatus>,
    /// Only those that are held for this reason
    #[arg(long, value_name = "REASON", value_parser = input::word::<HeldReason>(HELD_REASONS))]
    held_reason: Option<HeldReason>,
    /// Only this agent's
    #[arg(long, value_name = "AGENT_ID")]
    agent: Option<AgentId>,
    /// Only this tenant's
    #[arg(long, value_name = "TENANT_ID")]
    tenant: Option<TenantId>,
    /// Only those received at this time or later (RFC 3339)
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only those received before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
}

impl FilterArgs {
    /// As the API is asked for them.
    pub(super) fn query(self) -> [(&'static str, Option<String>); 6] {
        [
            ("status", self.status.map(|status| status.as_str().to_owned())),
            ("held_reason", self.held_reason.map(|reason| reason.as_str().to_owned())),
            ("agent_id", self.agent.map(|id| id.to_string())),
            ("tenant_id", self.tenant.map(String::from)),
            ("from", self.from),
            ("to", self.to),
        ]
    }
}
