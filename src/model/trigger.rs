//! How an agent is started: by a signed webhook.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, SchemaType, Type};

use super::{
    AgentId, CallbackHost, CustomScheme, MAX_CALLBACK_HOSTS, MAX_CONCURRENCY, RateLimit, SchemeName,
    SecretEncoding, SecretId, Time,
};

/// The webhook that starts an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// What kind of trigger this is.
    pub r#type: TriggerType,
    /// How the sender signs.
    #[serde(default)]
    pub scheme: SchemeName,
    /// Under `custom`: how the sender signs, in full.
    #[serde(default)]
    pub custom: Option<CustomScheme>,
    /// How the text of a secret becomes the key; `None` is as the scheme's senders have it.
    #[serde(default)]
    pub secret_encoding: Option<SecretEncoding>,
    /// JSON Schema that a payload must match; `None` takes any JSON.
    #[serde(default)]
    #[schema(schema_with = json_schema)]
    pub payload_schema: Option<Value>,
    /// What makes two hooks the same delivery.
    #[serde(default)]
    pub dedupe: Dedupe,
    /// A CEL expression that says which payloads run; `None` runs all.
    #[serde(default)]
    #[schema(max_length = 1024, example = "payload.action == 'opened'")]
    pub filter: Option<String>,
    /// A minijinja template of the user message; `None` shows the payload as JSON.
    #[serde(default)]
    #[schema(max_length = 65_536)]
    pub prompt_template: Option<String>,
    /// How many hooks are taken per minute; `None` is any number.
    #[serde(default)]
    pub rate_limit: Option<RateLimit>,
    /// Executions that run at once: 1–10,000; `None` is any number.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10_000)]
    pub concurrency: Option<u32>,
    /// Whether a sender may wait for the outcome (`Prefer: wait`).
    #[serde(default)]
    pub allow_wait: bool,
    /// Hosts that a hook may name in `Agenthook-Callback-Url`, to hear of the end of its run: 1–20 names, `*.example.com`
    /// for everything below, each with a `:port` or with any; `null` calls nobody back.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 20, example = json!(["*.example.com"]))]
    pub callback_hosts: Option<Vec<CallbackHost>>,
    /// What a hook gets while the agent is paused.
    #[serde(default)]
    pub when_paused: WhenPaused,
    /// What happens to a payload that does not match the schema.
    #[serde(default)]
    pub schema_policy: SchemaPolicy,
}

impl Trigger {
    /// How the text of a secret becomes the key.
    #[must_use]
    pub fn encoding(&self) -> SecretEncoding {
        self.secret_encoding.unwrap_or(self.scheme.default_encoding())
    }

    /// What makes two hooks the same delivery where the signature covers no id.
    #[must_use]
    pub fn dedupe_by(&self) -> DedupeBy {
        self.dedupe.by.unwrap_or(self.scheme.default_dedupe())
    }

    /// What is out of bounds, as `(JSON Pointer into the agent, what to do)`. Whether schema, filter and template compile
    /// is for those who compile them to say.
    #[must_use]
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let mut check = |fine: bool, pointer, message: &str| {
            if !fine {
                faults.push((pointer, message.to_owned()));
            }
        };
        check(
            (1..=2_592_000).contains(&self.dedupe.window_seconds),
            "/trigger/dedupe/window_seconds",
            "must be between 1 and 2592000 (30 days)",
        );
        check(
            self.dedupe.identical_seconds <= 2_592_000,
            "/trigger/dedupe/identical_seconds",
            "must be at most 2592000 (30 days)",
        );
        check(
            self.concurrency.is_none_or(|most| (1..=MAX_CONCURRENCY).contains(&most)),
            "/trigger/concurrency",
            "must be between 1 and 10000",
        );
        if let Some(fault) = self.rate_limit.as_ref().and_then(RateLimit::fault) {
            check(false, "/trigger/rate_limit", fault);
        }
        check(
            self.callback_hosts.as_ref().is_none_or(|hosts| (1..=MAX_CALLBACK_HOSTS).contains(&hosts.len())),
            "/trigger/callback_hosts",
            "must be 1 to 20 hosts, or null",
        );
        let is_custom = self.scheme == SchemeName::Custom;
        check(
            self.custom.is_some() == is_custom,
            "/trigger/custom",
            "goes with the scheme `custom`, and that one needs it",
        );
        faults
    }

    /// The same trigger with what its scheme says by default in its place, as the API shows it.
    #[must_use]
    pub fn in_full(mut self) -> Self {
        self.secret_encoding = Some(self.encoding());
        self.dedupe.by = Some(self.dedupe_by());
        self
    }
}

/// The kinds of trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TriggerType {
    /// A signed HTTP POST.
    Webhook,
}

/// What makes two hooks the same delivery, and for how long that is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dedupe {
    /// The rule; `None` is as the scheme's senders need it.
    pub by: Option<DedupeBy>,
    /// How long a delivery is remembered, in s: 1–2,592,000.
    #[schema(minimum = 1, maximum = 2_592_000)]
    pub window_seconds: u32,
    /// Under `id`, for a hook without one: how long identical bytes are one delivery, in s: 0–2,592,000.
    #[schema(maximum = 2_592_000)]
    pub identical_seconds: u32,
}

/// The rules of [`Dedupe`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DedupeBy {
    /// `Idempotency-Key`, else the scheme's own id header, else identical bodies.
    Id,
    /// Identical bodies.
    Body,
}

impl Default for Dedupe {
    fn default() -> Self {
        Self { by: None, window_seconds: 86_400, identical_seconds: 300 }
    }
}

/// What a hook gets while its agent is paused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenPaused {
    /// 403 `agent_not_active`.
    #[default]
    Refuse,
    /// It is accepted and held until somebody releases it.
    Hold,
}

/// What happens to a payload that does not match the schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SchemaPolicy {
    /// 422 `schema_mismatch`.
    #[default]
    Reject,
    /// It is accepted and held until somebody has looked at it.
    Quarantine,
}

/// A webhook secret as it is stored: only the cipher can open it.
#[derive(Clone, Debug)]
pub struct WebhookSecret {
    /// Names the secret in the API and in executions.
    pub secret_id: SecretId,
    /// Whose it is.
    pub agent_id: AgentId,
    /// Fernet token (see [`crate::cipher`]).
    pub sealed: String,
    /// How its text becomes the key.
    pub encoding: SecretEncoding,
    /// When it was made.
    pub created_at: Time,
    /// From when on it verifies nothing; `None` is never.
    pub expires_at: Option<Time>,
}

impl WebhookSecret {
    /// Longest text of one, in bytes.
    pub const MAX_BYTES: usize = 1024;
    /// How many of an agent's secrets are kept that verify nothing any more, to tell who still signs with them.
    pub const MAX_RETIRED: i64 = 10;
    /// How long such a one is kept after its end, in days.
    pub const RETIRED_DAYS: i64 = 90;
}

/// A JSON Schema: an object or a boolean, or `null` for none.
fn json_schema() -> Object {
    let mut schema = Object::with_type(SchemaType::from_iter([Type::Object, Type::Boolean, Type::Null]));
    schema.description = Some("JSON Schema that a payload must match; `null` takes any JSON.".into());
    schema
}
