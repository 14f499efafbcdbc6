//! One accepted payload, from the hook to its one terminal state.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    AgentId, Attempt, Cost, ExecutionError, ExecutionId, KeySource, SecretId, TenantId, Time, Usage,
};

/// Where an execution stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionStatus {
    /// Waits for a worker, from `due_at` on.
    Queued,
    /// A worker holds its lease.
    Running,
    /// Ended with an output.
    Success,
    /// Ended with an error.
    Failed,
}

impl ExecutionStatus {
    /// The word in rows, answers and query strings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failed => "failed",
        }
    }

    /// The other way round.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Queued, Self::Running, Self::Success, Self::Failed].into_iter().find(|s| s.as_str() == word)
    }

    /// Whether nothing will change any more.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Success | Self::Failed)
    }
}

/// What the accept path stores: one row, the hook's columns included.
#[derive(Clone, Debug)]
pub struct NewExecution {
    /// Made by us before the commit.
    pub execution_id: ExecutionId,
    /// The agent's tenant.
    pub tenant_id: TenantId,
    /// The agent that was called.
    pub agent_id: AgentId,
    /// Its version at that moment: the one that will run.
    pub agent_version: i32,
    /// The body as received: what was signed is what is stored.
    pub payload: Vec<u8>,
    /// The secret that verified it.
    pub secret_id: SecretId,
    /// `X-Request-Id` of our answer.
    pub request_id: uuid::Uuid,
    /// What makes a repeat the same delivery, hashed.
    pub dedupe_key: String,
    /// Until when a repeat is one.
    pub dedupe_until: Time,
    /// When the request came in.
    pub received_at: Time,
}

/// An execution as lists show it.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "named in the contract; units are in the names")]
pub struct Execution {
    pub execution_id: ExecutionId,
    pub tenant_id: TenantId,
    pub agent_id: AgentId,
    pub agent_version: i32,
    pub status: ExecutionStatus,
    pub error: Option<ExecutionError>,
    pub model: Option<String>,
    pub key_source: Option<KeySource>,
    /// Of all attempts together.
    pub usage: Option<Usage>,
    /// Of all attempts together; `None` if any part is unknown.
    pub cost: Option<Cost>,
    pub timing: Timing,
    /// Calls made that count against `retry.max_attempts`.
    pub tries: u32,
    /// When it may run (again).
    pub due_at: Option<Time>,
}

/// An execution with all that came in, all that came out, and every call in between.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The execution.
    pub execution: Execution,
    /// The body as received.
    pub payload: Vec<u8>,
    /// What the model wrote.
    pub output: Option<String>,
    /// Every LLM call, in order.
    pub attempts: Vec<Attempt>,
}

/// The clock of an execution. Durations are ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named in the contract; units are in the names")]
pub struct Timing {
    pub received_at: Time,
    pub started_at: Option<Time>,
    pub finished_at: Option<Time>,
    /// Time spent in LLM calls, all attempts together.
    pub llm_ms: Option<i64>,
}

impl Timing {
    /// From the hook to the first claim.
    #[must_use]
    pub fn queue_ms(&self) -> Option<i64> {
        self.started_at.map(|t| (t - self.received_at).num_milliseconds())
    }

    /// From the hook to the end.
    #[must_use]
    pub fn total_ms(&self) -> Option<i64> {
        self.finished_at.map(|t| (t - self.received_at).num_milliseconds())
    }
}
