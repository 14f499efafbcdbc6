//! The nouns of the product: pure data and rules, without I/O, database or web framework.
//!
//! Everything here can be built in a test with a literal. Rows ([`crate::store`]) and answers
//! ([`crate::api`]) are other structs; they convert to and from these.

mod agent;
mod api_key;
mod audit;
mod callback;
mod change;
mod delivery;
mod error;
mod event;
mod execution;
mod form;
mod hit;
mod id;
mod limit;
mod llm_config;
mod position;
mod registration;
mod retry;
mod scheme;
mod sealed;
mod session;
mod stats;
mod subscription;
mod tenant;
mod timeline;
mod trace;
mod trigger;
mod webhook;

pub use agent::{Agent, AgentFacts, AgentSpec, AgentStatus};
pub use api_key::{ApiKey, KeyRole};
pub use audit::{Actor, AuditAction, AuditEntry, LoggedAction};
pub use callback::{
    CallbackFault, CallbackHost, InvalidCallbackHost, MAX_CALLBACK_HOSTS, MAX_CALLBACK_URL_BYTES,
    callback_url,
};
pub use change::Change;
pub use delivery::{Delivery, DeliveryAttempt, DeliveryError, DeliveryErrorCode, DeliveryStatus};
pub use error::{ErrorCode, ExecutionError};
pub use event::{
    EVENT_OUTPUT_BYTES, Event, EventInfo, EventType, ReportedEvent, UnknownEventType, UnreadableExecution,
    catalogue, in_javascripts_form,
};
pub use execution::{
    DeliveryKey, Execution, ExecutionSource, ExecutionStatus, NewExecution, PastRun, Timing, Trace,
    TraceOutline, UnsignedExecution,
};
pub use form::{form_json, is_form, is_json, payload_json};
pub use hit::{
    Diagnosis, DiagnosisCode, Headers, HeldReason, Hit, HitCount, HitDetail, HitReason, HitVerdict,
};
pub use id::{
    AgentId, ApiKeyId, AuditId, DeliveryId, EventId, ExecutionId, HitId, InvalidId, InvalidTenantId,
    RecoveryId, SecretId, SigningSecretId, TenantId, WebhookId, WorkerId,
};
pub use limit::{MAX_CONCURRENCY, RateLimit};
pub use llm_config::LlmConfig;
pub use position::Position;
pub use registration::{
    InvalidModelUri, InvalidTokenId, ModelRegistered, ModelUri, Registration, TokenId,
    is_contributor_address, model_id,
};
pub use retry::{Backoff, RetryPolicy};
pub use scheme::{Algorithm, CustomScheme, SchemeName, SecretEncoding, SignatureEncoding, TimestampUnit};
pub use sealed::SealedKind;
pub use session::Session;
pub use stats::{Grain, Latencies, Rollup, RunEnd, Window};
pub use subscription::Subscription;
pub use tenant::{FallbackReason, KeyPolicy, KeySource, LlmKey, Tenant};
pub use timeline::{
    TimelineDetails, TimelineEntry, TimelineEvent, ToldAttempt, ToldDelivery, ToldEvent, timeline,
};
pub use trace::{Attempt, Cost, Usage};
pub use trigger::{Dedupe, DedupeBy, SchemaPolicy, Trigger, TriggerType, WebhookSecret, WhenPaused};
pub use webhook::{
    Circuit, CircuitRule, DisabledReason, EventPattern, InvalidPattern, MAX_TIMEOUT_SECONDS,
    MIN_SIGNING_SECRET_CHARS, Profile, RetrySchedule, SigningSecret, StoredSigningSecret, TargetText,
    Webhook, WebhookHealth, WebhookKind, WebhookOptions, WebhookStatus,
};

/// A point in time: UTC, whole milliseconds (see [`crate::clock::Clock`]).
pub type Time = chrono::DateTime<chrono::Utc>;
