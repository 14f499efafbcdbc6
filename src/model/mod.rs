//! The nouns of the product: pure data and rules, without I/O, database or web framework.
//!
//! Everything here can be built in a test with a literal. Rows ([`crate::store`]) and answers
//! ([`crate::api`]) are other structs; they convert to and from these.

mod agent;
mod api_key;
mod audit;
mod change;
mod error;
mod execution;
mod id;
mod llm_config;
mod retry;
mod sealed;
mod tenant;
mod timeline;
mod trace;
mod trigger;

pub use agent::{Agent, AgentSpec, AgentStatus};
pub use api_key::{ApiKey, KeyRole};
pub use audit::{Actor, AuditAction, AuditEntry, LoggedAction};
pub use change::Change;
pub use error::{ErrorCode, ExecutionError};
pub use execution::{
    Execution, ExecutionSource, ExecutionStatus, NewExecution, PastRun, Timing, Trace, TraceOutline,
    UnsignedExecution,
};
pub use id::{AgentId, ApiKeyId, AuditId, ExecutionId, InvalidTenantId, SecretId, TenantId, WorkerId};
pub use llm_config::LlmConfig;
pub use retry::{Backoff, RetryPolicy};
pub use sealed::SealedKind;
pub use tenant::{FallbackReason, KeyPolicy, KeySource, LlmKey, Tenant};
pub use timeline::{TimelineDetails, TimelineEntry, TimelineEvent, timeline};
pub use trace::{Attempt, Cost, Usage};
pub use trigger::{
    Dedupe, DedupeBy, SchemaPolicy, SchemeName, SecretEncoding, Trigger, TriggerType, WebhookSecret,
    WhenPaused, null_schema,
};

/// A point in time: UTC, whole milliseconds (see [`crate::clock::Clock`]).
pub type Time = chrono::DateTime<chrono::Utc>;
