//! Keys to the management API.

use serde::{Deserialize, Serialize};

use super::{ApiKeyId, Time};

/// A key as it is stored: the text itself is not kept.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Names it.
    pub key_id: ApiKeyId,
    /// What it may do.
    pub role: KeyRole,
    /// For people.
    pub name: String,
    /// Its last characters, for a key that was generated.
    pub hint: Option<String>,
    /// When it was made.
    pub created_at: Time,
}

/// What the holder of a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyRole {
    /// Everything.
    Admin,
}
