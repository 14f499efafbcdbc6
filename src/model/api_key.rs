//! Keys to the management API, and what their holders may do.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiKeyId, TenantId, Time};

/// A key as it is stored: the text itself is not kept.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Names it.
    pub key_id: ApiKeyId,
    /// What it may do.
    pub role: KeyRole,
    /// The one tenant that it sees; `None` sees all, and only an administrator does.
    pub tenant_id: Option<TenantId>,
    /// For people.
    pub name: String,
    /// Its last characters, for a key that was generated.
    pub hint: Option<String>,
    /// When it was made.
    pub created_at: Time,
}

/// What the holder of a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyRole {
    /// Everything, in all tenants.
    Admin,
    /// Reads and writes in one tenant.
    Operator,
    /// Reads in one tenant, and never sees a secret.
    Viewer,
}

impl KeyRole {
    /// Whether its holder may change anything.
    #[must_use]
    pub fn may_write(self) -> bool {
        match self {
            Self::Admin | Self::Operator => true,
            Self::Viewer => false,
        }
    }
}
