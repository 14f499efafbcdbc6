//! A tenant: whose agents, whose data and, first of all, whose LLM key pays.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{RateLimit, TenantId, Time};

/// One customer of the platform.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Chosen by the operator; never changes.
    pub tenant_id: TenantId,
    /// Counts changes of the fields below, so that two at once cannot undo each other.
    pub version: i32,
    /// For people.
    pub name: Option<String>,
    /// Which key may pay.
    pub key_policy: KeyPolicy,
    /// When the platform's key may stand in for the tenant's.
    pub fallback_on: Vec<FallbackReason>,
    /// Models the tenant's agents may call; `None` is any.
    pub allowed_models: Option<Vec<String>>,
    /// How many hooks all its agents take together; `None` is any number.
    pub rate_limit: Option<RateLimit>,
    /// Executions of all its agents that run at once; `None` is any number.
    pub concurrency: Option<u32>,
    /// The tenant's own LiteLLM key, encrypted.
    pub llm_key: Option<LlmKey>,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
}

/// A tenant's LiteLLM key as it is stored: only the cipher can open it.
#[derive(Clone, Debug)]
pub struct LlmKey {
    /// Fernet token (see [`crate::cipher`]).
    pub sealed: String,
    /// What may be shown: `sk-…wxyz`.
    pub hint: String,
}

/// Which key pays for a tenant's calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyPolicy {
    /// The tenant's key; the platform's only for a reason listed in `fallback_on`.
    #[default]
    TenantThenPlatform,
    /// The tenant's key or none.
    TenantOnly,
    /// Always the platform's key.
    PlatformOnly,
}

/// Why the platform's key may pay although the tenant's comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FallbackReason {
    /// The tenant has no key configured.
    Missing,
    /// LiteLLM refuses the tenant's key, or refuses it this model.
    Rejected,
    /// The tenant's key has spent its budget.
    BudgetExceeded,
    /// The tenant's key is over its own rate limit.
    RateLimited,
}

/// Who paid for an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// The tenant's own key.
    Tenant,
    /// The platform's key.
    Platform,
}

impl Tenant {
    /// Whether the tenant's agents may call this model.
    #[must_use]
    pub fn allows_model(&self, model: &str) -> bool {
        self.allowed_models.as_ref().is_none_or(|allowed| allowed.iter().any(|m| m == model))
    }

    /// Whether the platform's key may pay for this reason.
    #[must_use]
    pub fn falls_back_on(&self, reason: FallbackReason) -> bool {
        self.key_policy == KeyPolicy::TenantThenPlatform && self.fallback_on.contains(&reason)
    }
}
