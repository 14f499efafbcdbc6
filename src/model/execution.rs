//! One accepted payload, from the hook to its one terminal state.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    AgentId, Attempt, Cost, Event, ExecutionError, ExecutionId, Headers, HeldReason, KeySource, SecretId,
    TenantId, Time, Usage,
};

/// Where an execution stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionStatus {
    /// Waits for a worker, from `due_at` on.
    Queued,
    /// Waits for a person.
    Held,
    /// A worker holds it.
    Running,
    /// Ended with an output.
    Success,
    /// Ended with an error.
    Failed,
    /// Ended because somebody said so.
    Cancelled,
}

impl ExecutionStatus {
    /// Every status, in the order of a life.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Held, Self::Running, Self::Success, Self::Failed, Self::Cancelled];

    /// The word in rows, answers and query strings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Held => "held",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The other way round.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Whether nothing will change by itself any more.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Success | Self::Failed | Self::Cancelled => true,
            Self::Queued | Self::Held | Self::Running => false,
        }
    }
}

/// Where an execution came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionSource {
    /// A signed webhook.
    Webhook,
    /// Somebody tried the agent.
    Test,
    /// An earlier execution's payload once more.
    Replay,
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
    /// The hook's headers.
    pub headers: Headers,
    /// Why it waits for a person, if it does.
    pub held: Option<HeldReason>,
    /// Where the sender wants to hear of the end: a URL, sealed for [`super::SealedKind::Callback`].
    pub callback: Option<String>,
    /// When the request came in.
    pub received_at: Time,
    /// Written with it, where somebody wants to hear of it.
    pub event: Option<Event>,
}

/// What names a delivery, as the beginning of [`NewExecution::dedupe_key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryKey {
    /// An id that the signature covers: the same delivery, whatever else the sender says.
    SignedId,
    /// An id that nothing covers: with another body it is a mistake.
    Id,
    /// The bytes, the time of signing in them apart.
    Body,
}

impl DeliveryKey {
    /// The beginning of such a key.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::SignedId => "signed:",
            Self::Id => "id:",
            Self::Body => "body:",
        }
    }
}

/// An execution that no webhook began: nothing verified its payload but the key of whoever asked for it.
#[derive(Clone, Debug)]
pub struct UnsignedExecution {
    /// Made by us before the commit.
    pub execution_id: ExecutionId,
    /// The agent's tenant.
    pub tenant_id: TenantId,
    /// The agent that is to run.
    pub agent_id: AgentId,
    /// In this version.
    pub agent_version: i32,
    /// The bytes that it is to see.
    pub payload: Vec<u8>,
    /// `X-Request-Id` of the answer to whoever asked for it.
    pub request_id: uuid::Uuid,
    /// Why there is no webhook.
    pub source: ExecutionSource,
    /// The headers that filters and templates see.
    pub headers: Headers,
    /// The execution whose payload this is.
    pub replay_of: Option<ExecutionId>,
    /// When it was asked for.
    pub received_at: Time,
    /// Written with it, where somebody wants to hear of it.
    pub event: Option<Event>,
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
    /// 1, and one more for each retry that was asked for.
    pub run: i32,
    pub source: ExecutionSource,
    pub replay_of: Option<ExecutionId>,
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
    /// Why it waits for a person, or did so before it was released or discarded.
    pub held_reason: Option<HeldReason>,
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
    /// The hook's headers; a replay has those of the original.
    pub headers: Headers,
    /// Every LLM call of every run, in order.
    pub attempts: Vec<Attempt>,
    /// `X-Request-Id` of the answer that promised it.
    pub request_id: uuid::Uuid,
    /// The secret that verified it, if one did.
    pub secret_id: Option<SecretId>,
    /// Where its sender wants to hear of the end, sealed.
    pub callback: Option<String>,
}

/// What a timeline is told from: a [`Trace`] without the texts.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "named like the fields of the trace")]
pub struct TraceOutline {
    pub execution: Execution,
    /// Of the body as received.
    pub payload_bytes: usize,
    pub attempts: Vec<Attempt>,
    pub request_id: uuid::Uuid,
    pub secret_id: Option<SecretId>,
}

/// A run that was followed by another: of a failed execution that was retried.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "columns of the run; named like those of the execution")]
pub struct PastRun {
    pub run: i32,
    pub status: ExecutionStatus,
    pub queued_at: Time,
    pub started_at: Option<Time>,
    pub finished_at: Option<Time>,
    pub error: Option<ExecutionError>,
}

impl Execution {
    /// Runs of one execution, at most: what is read of all of them together, as for its trace, stays small.
    pub const MAX_RUNS: i32 = 100;
}

/// The clock of an execution: of its present run, but for `received_at` and `llm_ms`. Durations are ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named in the contract; units are in the names")]
pub struct Timing {
    pub received_at: Time,
    /// When the present run was asked for; `None` is `received_at`.
    pub queued_at: Option<Time>,
    pub started_at: Option<Time>,
    pub finished_at: Option<Time>,
    /// Time spent in LLM calls, all attempts of all runs together.
    pub llm_ms: Option<i64>,
}

impl Timing {
    /// Of what came in just now.
    #[must_use]
    pub fn received(received_at: Time) -> Self {
        Self { received_at, queued_at: None, started_at: None, finished_at: None, llm_ms: None }
    }

    /// When the present run began to wait.
    #[must_use]
    pub fn queued_at(&self) -> Time {
        self.queued_at.unwrap_or(self.received_at)
    }

    /// From there to the first claim.
    #[must_use]
    pub fn queue_ms(&self) -> Option<i64> {
        self.started_at.map(|t| (t - self.queued_at()).num_milliseconds())
    }

    /// From there to the end.
    #[must_use]
    pub fn total_ms(&self) -> Option<i64> {
        self.finished_at.map(|t| (t - self.queued_at()).num_milliseconds())
    }
}
