//! Who did what: a row for every write and every secret that was shown.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{ApiKeyId, AuditId, KeyRole, TenantId, Time};

/// One thing that somebody did.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// Newer entries have later ids.
    pub audit_id: AuditId,
    /// When.
    pub at: Time,
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: LoggedAction,
    /// Whose it is; `None` is the platform's.
    pub tenant_id: Option<TenantId>,
    /// To which agent, tenant, key or execution: its id.
    pub subject: String,
    /// What else is worth knowing: names of changed fields, a version, an overlap. Never a secret, never a payload.
    pub detail: Map<String, Value>,
}

/// Who did it. The names are those of that time: keys are deleted, entries stay.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The API key; `None` is the server itself.
    pub key_id: Option<ApiKeyId>,
    /// The key's name.
    pub name: String,
    /// The key's role.
    pub role: KeyRole,
    /// From where, as far as proxies that are trusted say.
    pub address: Option<IpAddr>,
    /// In which request.
    pub request_id: Option<Uuid>,
}

macro_rules! actions {
    // `tt`, because utoipa does not see through the group in which a `literal` comes.
    ($($name:ident = $word:tt;)*) => {
        /// What can be done and is worth a row.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[allow(missing_docs, reason = "the words say it")]
        pub enum AuditAction { $(#[serde(rename = $word)] $name,)* }

        impl AuditAction {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

actions! {
    TenantCreated = "tenant.created";
    TenantUpdated = "tenant.updated";
    TenantDeleted = "tenant.deleted";
    LlmKeySet = "llm_key.set";
    LlmKeyRemoved = "llm_key.removed";
    ApiKeyCreated = "api_key.created";
    ApiKeyDeleted = "api_key.deleted";
    ApiKeySignedIn = "api_key.signed_in";
    ApiKeySignedOut = "api_key.signed_out";
    AgentCreated = "agent.created";
    AgentUpdated = "agent.updated";
    AgentDeleted = "agent.deleted";
    AgentTested = "agent.tested";
    WebhookSecretRevealed = "webhook_secret.revealed";
    WebhookSecretRotated = "webhook_secret.rotated";
    WebhookSecretRevoked = "webhook_secret.revoked";
    ExecutionCancelled = "execution.cancelled";
    ExecutionRetried = "execution.retried";
    ExecutionReplayed = "execution.replayed";
    ExecutionReleased = "execution.released";
    ExecutionDiscarded = "execution.discarded";
    ModelRegistered = "model.registered";
    ModelNotified = "model.notified";
    BulkStarted = "bulk.started";
    WebhookCreated = "webhook.created";
    WebhookUpdated = "webhook.updated";
    WebhookDeleted = "webhook.deleted";
    WebhookEnabled = "webhook.enabled";
    WebhookDisabled = "webhook.disabled";
    WebhookTested = "webhook.tested";
    WebhookRecovered = "webhook.recovered";
    SigningSecretRotated = "signing_secret.rotated";
    DeliveryRetried = "delivery.retried";
}

/// An action as it stands in the log. One that a newer version of this program wrote may have a word that this one does
/// not know, and is shown all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum LoggedAction {
    /// One of this version's.
    Known(AuditAction),
    /// Another's word.
    Unknown(String),
}

impl From<AuditAction> for LoggedAction {
    fn from(action: AuditAction) -> Self {
        Self::Known(action)
    }
}

impl LoggedAction {
    /// The kind of thing that `subject` names, as [`AuditAction::subject_type`]; by the beginning of a word that is not
    /// known, and `unknown` if that says nothing either.
    #[must_use]
    pub fn subject_type(&self) -> &'static str {
        let word = match self {
            Self::Known(action) => return action.subject_type(),
            Self::Unknown(word) => word.split('.').next().unwrap_or_default(),
        };
        match word {
            "tenant" | "llm_key" => "tenant",
            "api_key" => "api_key",
            "agent" | "webhook_secret" => "agent",
            "execution" => "execution",
            "model" => "model",
            "bulk" => "bulk_job",
            "webhook" | "signing_secret" => "webhook",
            "delivery" => "delivery",
            _ => "unknown",
        }
    }
}

impl AuditEntry {
    /// An entry without further detail.
    #[must_use]
    pub fn new(actor: Actor, action: AuditAction, subject: impl ToString, at: Time) -> Self {
        let (audit_id, subject) = (AuditId::new(), subject.to_string());
        Self { audit_id, at, actor, action: action.into(), tenant_id: None, subject, detail: Map::new() }
    }

    /// Says whose the subject is.
    #[must_use]
    pub fn of(self, tenant_id: &TenantId) -> Self {
        Self { tenant_id: Some(tenant_id.clone()), ..self }
    }

    /// Adds a detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }
}

impl AuditAction {
    /// The kind of thing that `subject` names.
    #[must_use]
    pub fn subject_type(self) -> &'static str {
        match self {
            Self::TenantCreated | Self::TenantUpdated | Self::TenantDeleted => "tenant",
            Self::LlmKeySet | Self::LlmKeyRemoved => "tenant",
            Self::ApiKeyCreated | Self::ApiKeyDeleted => "api_key",
            Self::ApiKeySignedIn | Self::ApiKeySignedOut => "api_key",
            Self::AgentCreated | Self::AgentUpdated | Self::AgentDeleted | Self::AgentTested => "agent",
            Self::WebhookSecretRevealed | Self::WebhookSecretRotated | Self::WebhookSecretRevoked => "agent",
            Self::ExecutionCancelled | Self::ExecutionRetried | Self::ExecutionReplayed => "execution",
            Self::ExecutionReleased | Self::ExecutionDiscarded => "execution",
            Self::ModelRegistered | Self::ModelNotified => "model",
            Self::BulkStarted => "bulk_job",
            Self::WebhookCreated | Self::WebhookUpdated | Self::WebhookDeleted => "webhook",
            Self::WebhookEnabled | Self::WebhookDisabled | Self::WebhookTested => "webhook",
            Self::WebhookRecovered | Self::SigningSecretRotated => "webhook",
            Self::DeliveryRetried => "delivery",
        }
    }
}

impl Actor {
    /// The server itself, as when it makes the first key.
    #[must_use]
    pub fn server() -> Self {
        let name = "the server".to_owned();
        Self { key_id: None, name, role: KeyRole::Admin, address: None, request_id: None }
    }
}
