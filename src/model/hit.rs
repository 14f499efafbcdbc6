//! A hit: one POST to an agent's webhook, and what became of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AgentId, ExecutionId, HitId, TenantId, Time};

/// What became of a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HitVerdict {
    /// It is an execution.
    Accepted,
    /// It is an execution that waits for a person.
    Held,
    /// It was accepted before.
    Duplicate,
    /// The agent's filter left it out, or it was a handshake.
    Ignored,
    /// It was refused.
    Rejected,
}

impl HitVerdict {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Accepted, Self::Held, Self::Duplicate, Self::Ignored, Self::Rejected];
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HitReason {
    /// Accepted: it waits for a worker.
    Queued,
    /// Held: the agent is paused.
    Paused,
    /// Held: the payload does not match the schema.
    Quarantine,
    /// Duplicate: the same delivery again.
    SameDelivery,
    /// Ignored: the filter says no.
    Filter,
    /// Ignored: the sender's handshake, which was answered.
    Handshake,
    /// Rejected: see the diagnosis.
    InvalidSignature,
    /// Rejected: the agent is paused or archived.
    AgentNotActive,
    /// Rejected: no JSON within the bounds.
    MalformedJson,
    /// Rejected: does not match the schema.
    SchemaMismatch,
    /// Rejected: the agent does not call back where the sender wants it to.
    CallbackNotAllowed,
    /// Rejected: the same delivery id with another body.
    IdempotencyMismatch,
    /// Rejected: over the agent's rate, or its tenant's.
    RateLimited,
    /// Rejected: over the size limit.
    PayloadTooLarge,
    /// Rejected: a content type or encoding that is not taken.
    UnsupportedMediaType,
    /// Rejected: the body came too slowly, or ended early.
    Incomplete,
    /// Rejected: the server could not take it then.
    Unavailable,
}

/// Why a signature was refused: a name for the mistake. `docs/integrators.md` says of each what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiagnosisCode {
    /// Nothing is signed, or under another header.
    MissingHeader,
    /// The time of signing is too far from ours.
    TimestampSkew,
    /// Another hash function.
    WrongAlgorithm,
    /// The right signature, written another way.
    BadPrefix,
    /// The right secret, read another way.
    SecretEncoding,
    /// A secret that verifies no more, or another agent's.
    WrongSecretOf,
    /// A line end too many, or too few.
    TrailingNewline,
    /// The same JSON, written another way.
    BodyReserialized,
    /// Right under another scheme.
    WrongScheme,
    /// None of these.
    Unknown,
}

/// What is wrong with a signature, for the agent's owner: the sender never sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Diagnosis {
    /// The mistake's name.
    pub code: DiagnosisCode,
    /// What was found, and what to do. Holds no secret and no signature.
    pub detail: String,
}

/// A hit as lists show it.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "named in the contract; units are in the names")]
pub struct Hit {
    pub hit_id: HitId,
    pub agent_id: AgentId,
    pub tenant_id: TenantId,
    pub received_at: Time,
    pub verdict: HitVerdict,
    pub reason: HitReason,
    /// Of the answer; `None` of what was accepted, whose sender may have been told 202 or 200.
    pub status_code: Option<u16>,
    /// What it became, or has become before.
    pub execution_id: Option<ExecutionId>,
    /// Of a refused signature.
    pub diagnosis: Option<Diagnosis>,
    /// What else there is to say about the reason: what is wrong with the JSON, whose rate it was. Nothing of the payload.
    pub detail: Option<String>,
    /// How many bytes the body had; `None` if it was not read to its end.
    pub body_bytes: Option<u64>,
}

/// A hit with what came in.
#[derive(Clone, Debug)]
pub struct HitDetail {
    /// The hit.
    pub hit: Hit,
    /// Its headers, without secrets.
    pub headers: Headers,
    /// The first [`Hit::BODY_BYTES`] of its body.
    pub body: Vec<u8>,
}

impl Hit {
    /// Bytes of a body that are kept of a hit which made no execution, and shown of any: the first.
    pub const BODY_BYTES: usize = 64 * 1024;
}

/// How many hits there were in an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "their names say it all")]
pub struct HitCount {
    pub agent_id: AgentId,
    /// Its beginning.
    pub hour: Time,
    pub verdict: HitVerdict,
    pub reason: HitReason,
}

/// Why an execution is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeldReason {
    /// The agent was paused (`when_paused: hold`).
    Paused,
    /// The payload does not match the schema (`schema_policy: quarantine`).
    Quarantine,
}

impl HeldReason {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Paused, Self::Quarantine];

    /// The word in rows, answers and query strings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Quarantine => "quarantine",
        }
    }

    /// The other way round.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// The headers of a hook as they are kept and as filters and templates see them: names in lower case, without secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Headers(pub BTreeMap<String, String>);

impl Headers {
    /// Headers that are kept, at most.
    pub const MAX_COUNT: usize = 64;
    /// Bytes of one header's value, at most; the rest is cut off.
    pub const MAX_VALUE_BYTES: usize = 1024;
    /// Bytes of all names and values together, at most.
    pub const MAX_BYTES: usize = 8192;

    /// As it is stored.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_default()
    }
}
