//! The state machine of a run: queued → running → ended, or queued again. [`cancel`] ends it from outside,
//! [`retry`] begins the next run of what has failed, and [`held`] says what becomes of what waits for a person.
//!
//! Every step is a compare-and-set. A claim takes a run for a worker process and numbers it (`claims`); each later
//! step names both ([`Hold`]), so a worker that lost its hold (stalled, cut off, killed) cannot write any more: its
//! late result finds no row. An attempt's row is written before its call and closed in the transaction that ends it.
//!
//! A worker process has one lease for all that it runs ([`lease`]).

mod attempt;
mod cancel;
mod claim;
mod due;
mod finish;
mod held;
mod lease;
mod loss;
mod retry;
mod told;

use uuid::Uuid;

use crate::model::{
    AgentId, Cost, Execution, ExecutionError, ExecutionId, Headers, KeySource, TenantId, Time, Usage,
    WorkerId,
};

pub use attempt::Begin;
pub use cancel::Cancellation;
pub use claim::Claim;
pub use finish::End;
pub use held::Release;
pub use lease::Lease;
pub use loss::{Loss, Lost};
pub use retry::Retry;

pub(super) use attempt::BEGIN_POSTGRES;
pub(super) use claim::CLAIM_POSTGRES;
pub(super) use due::CLAIM_DUE_POSTGRES;
pub use due::LOCK_POSTGRES;
pub(super) use finish::END_POSTGRES;
pub(super) use loss::CLOSE_POSTGRES;

/// The statements that both databases prepare.
pub(super) const STATEMENTS: &[&[&str]] = &[
    attempt::STATEMENTS,
    cancel::STATEMENTS,
    claim::STATEMENTS,
    due::STATEMENTS,
    finish::STATEMENTS,
    held::STATEMENTS,
    lease::STATEMENTS,
    loss::STATEMENTS,
    retry::STATEMENTS,
    told::STATEMENTS,
];

/// From how many deaths of its process on a run is suspected of them, and goes on alone.
pub const SUSPECT: i32 = 2;

/// A run in a worker's hands, as the ledger has it: the right to write about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hold {
    /// The run.
    pub execution_id: ExecutionId,
    /// The worker process that holds it.
    pub owner: WorkerId,
    /// Which claim of the run this is: only the newest may write.
    pub claims: i32,
}

/// A claimed execution: what a worker needs to run it, and the proof that it may.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "columns of the execution")]
pub struct Claimed {
    /// The proof.
    pub hold: Hold,
    pub tenant_id: TenantId,
    pub agent_id: AgentId,
    pub agent_version: i32,
    pub payload: Vec<u8>,
    /// Of the hook; none of what no hook began.
    pub headers: Headers,
    pub tries: u32,
    /// Attempts so far, of earlier claims too.
    pub attempt_count: i32,
    /// Of the attempts so far.
    pub spent: Spent,
    /// As it was claimed.
    pub execution: Execution,
}

/// What the attempts of an execution took together.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "columns of the execution")]
pub struct Spent {
    pub usage: Option<Usage>,
    pub cost: Option<Cost>,
    pub llm_ms: i64,
}

/// An attempt about to be made.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "columns of the attempt")]
pub struct AttemptStart {
    pub number: i32,
    pub started_at: Time,
    pub key_source: KeySource,
    pub llm_call_id: String,
    pub model: String,
}

/// An attempt that came back.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "columns of the attempt")]
pub struct AttemptEnd {
    pub number: i32,
    pub finished_at: Time,
    pub key_source: KeySource,
    pub model: String,
    pub status_code: Option<u16>,
    pub error: Option<ExecutionError>,
    pub usage: Option<Usage>,
    pub cost: Option<Cost>,
    /// Of the whole execution, this attempt included.
    pub spent: Spent,
}

/// Where a run goes from here.
#[derive(Clone, Debug)]
pub enum Finish {
    /// Ended well, with this output.
    Success(String),
    /// Ended badly.
    Failed(ExecutionError),
    /// Waits until then and runs again; counts as a try.
    RetryAt(Time),
    /// Goes on at once, with another key: only the attempt ends.
    GoOn,
}

#[derive(sqlx::FromRow)]
struct HoldRow {
    execution_id: Uuid,
    claims: i32,
}

impl HoldRow {
    fn of(self, owner: WorkerId) -> Hold {
        Hold { execution_id: ExecutionId(self.execution_id), owner, claims: self.claims }
    }
}
