//! Endpoints: who is told of events, of which, in which form, and how patiently.

use std::collections::BTreeMap;
use std::str::FromStr;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AgentId, EventType, RateLimit, SigningSecretId, TenantId, Time, WebhookId};

/// An endpoint as it is stored: only the cipher can open its target.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Names it.
    pub webhook_id: WebhookId,
    /// Who made it, and what for.
    pub kind: WebhookKind,
    /// Whose it is; `None` is the platform's.
    pub tenant_id: Option<TenantId>,
    /// Events of this agent alone; of a callback: whose it is.
    pub agent_id: Option<AgentId>,
    /// Counts changes, those of its secrets too: what is kept in memory is kept under it.
    pub version: i32,
    /// Whether anything is sent to it.
    pub status: WebhookStatus,
    /// Why it is disabled, while it is.
    pub disabled_reason: Option<DisabledReason>,
    /// What it wants to hear of.
    pub events: Vec<EventPattern>,
    /// The form of what is sent.
    pub profile: Profile,
    /// A [`TargetText`], sealed for [`super::SealedKind::WebhookTarget`].
    pub target: String,
    /// The rest of what its owner says.
    pub options: WebhookOptions,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
}

/// Shortest secret that deliveries are signed with, in characters.
pub const MIN_SIGNING_SECRET_CHARS: usize = 16;
/// Longest timeout of an attempt, in s.
pub const MAX_TIMEOUT_SECONDS: u32 = 300;

/// Where deliveries go. Its JSON is what is sealed: URLs and headers may hold credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetText {
    /// The URL; empty for callbacks, whose deliveries each have one.
    pub url: String,
    /// Further headers, by their names.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// Who made an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookKind {
    /// Somebody, by the API.
    Webhook,
    /// `WEBHOOK_URL`: every tenant's `model.registered`.
    Platform,
    /// The agent's: what senders named as their callback.
    Callback,
}

/// Whether anything is sent to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookStatus {
    /// Yes.
    Active,
    /// No, until somebody enables it.
    Disabled,
}

/// Why an endpoint is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DisabledReason {
    /// A delivery to it was exhausted.
    Exhausted,
    /// It answered 410.
    Gone,
    /// Somebody disabled it.
    ByHand,
}

/// The form of what is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// The envelope, signed in hex and by Standard Webhooks.
    #[default]
    Standard,
    /// Standard Webhooks and nothing else.
    StandardWebhooks,
    /// The envelope, signed as GitHub signs.
    Hub,
    /// Hokusai's registration events.
    Hokusai,
    /// The model registration events of Hokusai's pipeline.
    Mlflow,
}

impl Profile {
    /// Whether it has a form for this event: those of registrations have one for nothing else.
    #[must_use]
    pub fn can_tell(self, event: &EventType) -> bool {
        match self {
            Self::Standard | Self::StandardWebhooks | Self::Hub => true,
            Self::Hokusai | Self::Mlflow => *event == EventType::ModelRegistered,
        }
    }
}

/// What its owner says of an endpoint beside the columns of its row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WebhookOptions {
    /// A CEL expression over `event` that says which events are sent.
    pub filter: Option<String>,
    /// When a failed delivery is tried again.
    pub retry: RetrySchedule,
    /// How long one attempt may take, in s; `None` is as the schedule has it.
    pub timeout_seconds: Option<u32>,
    /// How much is sent to it per minute.
    pub rate_limit: Option<RateLimit>,
    /// Whether an exhausted delivery disables it; `None` is as the schedule has it.
    pub disable_on_exhausted: Option<bool>,
    /// For people.
    pub description: Option<String>,
    /// When the circuit opens, and for how long.
    pub circuit: CircuitRule,
    /// The platform's: whether what is sent is published on Redis too.
    pub redis_fallback: bool,
}

impl WebhookOptions {
    /// How long one attempt may take, in s.
    #[must_use]
    pub fn timeout(&self) -> u32 {
        self.timeout_seconds.unwrap_or_else(|| self.retry.timeout())
    }

    /// Whether an exhausted delivery disables the endpoint.
    #[must_use]
    pub fn disables(&self) -> bool {
        self.disable_on_exhausted.unwrap_or_else(|| self.retry.disables())
    }
}

/// When a failed delivery is tried again: the waits before each retry, in s.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetrySchedule {
    /// 5 m, 30 m, 2 h, 8 h, 24 h; 30 s for an attempt.
    #[default]
    Standard,
    /// 1 s, 2 s, 4 s; 10 s for an attempt.
    Fast,
    /// 2, 4, 8, 16, 32 s; 30 s for an attempt.
    Hokusai,
    /// One's own.
    #[serde(untagged)]
    Own {
        /// Before each retry, in s.
        schedule_seconds: Vec<u32>,
        /// For an attempt, in s.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_seconds: Option<u32>,
    },
}

impl RetrySchedule {
    /// How far a wait may be from what the schedule says, either way, so that what failed together does not come back
    /// together.
    pub const JITTER: f64 = 0.1;

    /// The waits, in s.
    #[must_use]
    pub fn waits(&self) -> &[u32] {
        match self {
            Self::Standard => &[300, 1800, 7200, 28_800, 86_400],
            Self::Fast => &[1, 2, 4],
            Self::Hokusai => &[2, 4, 8, 16, 32],
            Self::Own { schedule_seconds, .. } => schedule_seconds,
        }
    }

    /// For an attempt, in s.
    #[must_use]
    pub fn timeout(&self) -> u32 {
        match self {
            Self::Standard | Self::Hokusai => 30,
            Self::Fast => 10,
            Self::Own { timeout_seconds, .. } => timeout_seconds.unwrap_or(30),
        }
    }

    /// Whether an exhausted delivery disables the endpoint, unless its owner says otherwise.
    #[must_use]
    pub fn disables(&self) -> bool {
        match self {
            Self::Standard | Self::Own { .. } => true,
            Self::Fast | Self::Hokusai => false,
        }
    }
}

/// How an endpoint is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebhookHealth {
    /// Deliveries that succeeded.
    pub delivered: i64,
    /// Deliveries that failed and have not succeeded since.
    pub failed: i64,
    /// When an attempt last succeeded.
    pub last_delivery_at: Option<Time>,
    /// When an attempt last failed.
    pub last_failure_at: Option<Time>,
    /// Attempts that failed in a row.
    pub failures: i32,
    /// Whether anything is sent to it now.
    pub circuit: Circuit,
    /// Until when it is open, where it is or was.
    pub open_until: Option<Time>,
}

/// Whether an endpoint's failures keep deliveries back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Circuit {
    /// No.
    #[default]
    Closed,
    /// Nothing is sent.
    Open,
    /// One probe decides.
    HalfOpen,
}

/// When an endpoint's circuit opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CircuitRule {
    /// After so many failures in a row.
    pub failures: u32,
    /// For so long, in s; then one probe decides.
    pub open_seconds: u32,
}

impl Default for CircuitRule {
    fn default() -> Self {
        Self { failures: 5, open_seconds: 60 }
    }
}

/// Which events an endpoint wants to hear of: a type, a family (`model.*`), or all (`*`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventPattern(String);

/// The text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an event type, a family such as model.* or custom.*, or *: GET /api/v1/event-types lists them"
)]
pub struct InvalidPattern;

impl EventPattern {
    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it wants to hear of this.
    #[must_use]
    pub fn matches(&self, event: &EventType) -> bool {
        match self.0.strip_suffix('*') {
            Some(family) => event.as_str().starts_with(family),
            None => self.0 == event.as_str(),
        }
    }
}

impl FromStr for EventPattern {
    type Err = InvalidPattern;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = |family: &str| EventType::CATALOGUE.iter().any(|kind| kind.as_str().starts_with(family));
        let fine = match text.strip_suffix('*') {
            Some("" | "custom.") => true,
            // A family of one's own may have families.
            Some(family) => {
                family.ends_with('.')
                    && (known(family) || family.trim_end_matches('.').parse::<EventType>().is_ok())
            }
            None => text.parse::<EventType>().is_ok(),
        };
        fine.then(|| Self(text.to_owned())).ok_or(InvalidPattern)
    }
}

impl TryFrom<String> for EventPattern {
    type Error = InvalidPattern;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<EventPattern> for String {
    fn from(pattern: EventPattern) -> Self {
        pattern.0
    }
}

/// A secret that deliveries are signed with, as it is stored.
#[derive(Clone, Debug)]
pub struct StoredSigningSecret {
    /// Names it.
    pub secret_id: SigningSecretId,
    /// Whose it is.
    pub webhook_id: WebhookId,
    /// Fernet token for [`super::SealedKind::SigningSecret`].
    pub sealed: String,
    /// When it was made.
    pub created_at: Time,
    /// From when on nothing is signed with it; `None` is never.
    pub expires_at: Option<Time>,
}

/// A secret that deliveries are signed with.
#[derive(Clone, Debug)]
pub struct SigningSecret {
    /// Its text.
    pub text: SecretString,
    /// From when on nothing is signed with it; `None` is never.
    pub expires_at: Option<Time>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_what_they_match() {
        let of = |text: &str| text.parse::<EventPattern>();
        let registered = EventType::ModelRegistered;
        for pattern in ["*", "model.*", "model.registered"] {
            assert!(of(pattern).expect("valid").matches(&registered), "{pattern}");
        }
        for pattern in ["execution.*", "model.deployed", "custom.*"] {
            assert!(!of(pattern).expect("valid").matches(&registered), "{pattern}");
        }
        let paid = "custom.order.paid".parse().expect("a type");
        assert!(of("custom.order.*").expect("valid").matches(&paid));
        for wrong in ["", "model", "model*", "mod.*", "**", "*.registered", "custom.A", "model.x", "custom"] {
            assert_eq!(of(wrong), Err(InvalidPattern), "{wrong}");
        }
    }

    #[test]
    fn schedules_are_read_as_they_are_written() {
        for (text, waits, timeout) in [
            (r#""standard""#, 5, 30),
            (r#""fast""#, 3, 10),
            (r#""hokusai""#, 5, 30),
            (r#"{"schedule_seconds":[1],"timeout_seconds":7}"#, 1, 7),
            (r#"{"schedule_seconds":[]}"#, 0, 30),
        ] {
            let schedule: RetrySchedule = serde_json::from_str(text).expect("a schedule");
            assert_eq!((schedule.waits().len(), schedule.timeout()), (waits, timeout), "{text}");
            assert_eq!(serde_json::to_string(&schedule).expect("JSON"), text);
        }
    }
}
