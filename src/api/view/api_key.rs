//! API keys as the API shows them: the text once, to whoever made it.

use serde::Serialize;
use utoipa::ToSchema;

use super::Stamp;
use crate::model::{ApiKey, ApiKeyId, KeyRole, TenantId};

#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct ApiKeyView {
    pub key_id: ApiKeyId,
    /// Shown once, by the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    pub role: KeyRole,
    #[schema(required)]
    pub tenant_id: Option<TenantId>,
    pub name: String,
    #[schema(required)]
    pub hint: Option<String>,
    pub created_at: Stamp,
}

pub fn api_key(key: ApiKey, text: Option<String>) -> ApiKeyView {
    ApiKeyView {
        key_id: key.key_id,
        key: text,
        role: key.role,
        tenant_id: key.tenant_id,
        name: key.name,
        hint: key.hint,
        created_at: Stamp(key.created_at),
    }
}
