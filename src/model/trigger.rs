//! How an agent is started: by a signed webhook.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, SchemaType, Type};

use super::{AgentId, SecretId, Time};

/// The webhook that starts an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// What kind of trigger this is.
    pub r#type: TriggerType,
    /// How the sender signs.
    #[serde(default)]
    pub scheme: SchemeName,
    /// How the text of a secret becomes the key.
    #[serde(default)]
    pub secret_encoding: SecretEncoding,
    /// JSON Schema that a payload must match; `None` takes any JSON.
    #[serde(default)]
    #[schema(schema_with = json_schema)]
    pub payload_schema: Option<Value>,
    /// What makes two hooks the same delivery.
    #[serde(default)]
    pub dedupe: Dedupe,
    /// Not in this version: only `null` is taken.
    #[serde(default, deserialize_with = "only_null")]
    #[schema(schema_with = null_schema)]
    pub filter: (),
    /// Not in this version: only `null` is taken.
    #[serde(default, deserialize_with = "only_null")]
    #[schema(schema_with = null_schema)]
    pub prompt_template: (),
    /// Not in this version: only `null` is taken.
    #[serde(default, deserialize_with = "only_null")]
    #[schema(schema_with = null_schema)]
    pub rate_limit: (),
    /// Not in this version: only `null` is taken.
    #[serde(default, deserialize_with = "only_null")]
    #[schema(schema_with = null_schema)]
    pub concurrency: (),
    /// What a hook gets while the agent is paused.
    #[serde(default)]
    pub when_paused: WhenPaused,
    /// What happens to a payload that does not match the schema.
    #[serde(default)]
    pub schema_policy: SchemaPolicy,
}

/// The kinds of trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TriggerType {
    /// A signed HTTP POST.
    Webhook,
}

/// The signature schemes; [`crate::signature`] is what they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SchemeName {
    /// `X-Hub-Signature-256: sha256=<hex>` over the raw body.
    #[default]
    Hub,
}

/// How the text of a secret becomes the bytes of the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretEncoding {
    /// Standard base64.
    #[default]
    Base64,
    /// The text's own bytes.
    Utf8,
    /// Hexadecimal, either case.
    Hex,
    /// `whsec_` and base64, as Standard Webhooks writes it.
    Whsec,
}

/// What makes two hooks the same delivery, and for how long that is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dedupe {
    /// The rule.
    pub by: DedupeBy,
    /// How long a delivery is remembered, in s: 1–2,592,000.
    #[schema(minimum = 1, maximum = 2_592_000)]
    pub window_seconds: u32,
    /// Under `id`, for a hook without one: how long identical bytes are one delivery, in s: 0–2,592,000.
    #[schema(maximum = 2_592_000)]
    pub identical_seconds: u32,
}

/// The rules of [`Dedupe`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DedupeBy {
    /// `Idempotency-Key`, else the scheme's own id header, else identical bodies.
    #[default]
    Id,
    /// Identical bodies.
    Body,
}

impl Default for Dedupe {
    fn default() -> Self {
        Self { by: DedupeBy::Id, window_seconds: 86_400, identical_seconds: 300 }
    }
}

/// What a hook gets while its agent is paused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenPaused {
    /// 403 `agent_not_active`.
    #[default]
    Refuse,
}

/// What happens to a payload that does not match the schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SchemaPolicy {
    /// 422 `schema_mismatch`.
    #[default]
    Reject,
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
}

/// Takes `null` and nothing else: the contract's document names fields that this version cannot honour,
/// and taking a value without acting on it would be a lie.
fn only_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    match Option::<serde::de::IgnoredAny>::deserialize(deserializer)? {
        None => Ok(()),
        Some(_) => Err(serde::de::Error::custom("is not available in this version: leave it out or null")),
    }
}

/// Nothing but `null`, as the API's document says it.
pub fn null_schema() -> Object {
    let mut null = Object::with_type(Type::Null);
    null.description = Some("Not in this version.".into());
    null
}

/// A JSON Schema: an object or a boolean, or `null` for none.
fn json_schema() -> Object {
    let mut schema = Object::with_type(SchemaType::from_iter([Type::Object, Type::Boolean, Type::Null]));
    schema.description = Some("JSON Schema that a payload must match; `null` takes any JSON.".into());
    schema
}
