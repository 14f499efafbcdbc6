//! A tenant as the API shows it.

use serde::Serialize;
use utoipa::ToSchema;

use super::Stamp;
use crate::model::{FallbackReason, KeyPolicy, KeyRole, RateLimit, Tenant, TenantId};

#[derive(Serialize, ToSchema)]
#[schema(as = Tenant)]
pub struct TenantView {
    pub tenant_id: TenantId,
    #[schema(required)]
    pub name: Option<String>,
    pub key_policy: KeyPolicy,
    pub fallback_on: Vec<FallbackReason>,
    #[schema(required)]
    pub allowed_models: Option<Vec<String>>,
    #[schema(required)]
    pub rate_limit: Option<RateLimit>,
    /// Executions that run at once.
    #[schema(required, minimum = 1, maximum = 10_000)]
    pub concurrency: Option<u32>,
    pub llm_key: LlmKeyView,
    pub created_at: Stamp,
    pub updated_at: Stamp,
    /// What was not found out, or will not work, although it was saved.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = LlmKey)]
pub struct LlmKeyView {
    pub configured: bool,
    /// Its last characters. A viewer does not see them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

pub fn tenant(tenant: Tenant, to: KeyRole) -> TenantView {
    tenant_warned(tenant, to, Vec::new())
}

/// As whoever has this role sees it: a viewer sees no part of the LLM key.
pub fn tenant_warned(tenant: Tenant, to: KeyRole, warnings: Vec<String>) -> TenantView {
    TenantView {
        tenant_id: tenant.tenant_id,
        name: tenant.name,
        key_policy: tenant.key_policy,
        fallback_on: tenant.fallback_on,
        allowed_models: tenant.allowed_models,
        rate_limit: tenant.rate_limit,
        concurrency: tenant.concurrency,
        llm_key: LlmKeyView {
            configured: tenant.llm_key.is_some(),
            hint: tenant.llm_key.filter(|_| to.may_write()).map(|key| key.hint),
        },
        created_at: Stamp(tenant.created_at),
        updated_at: Stamp(tenant.updated_at),
        warnings,
    }
}
