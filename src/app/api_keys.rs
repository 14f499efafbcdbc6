//! API keys that were seen to be valid.

use sha2::{Digest, Sha256};

use super::cache::{Cached, Vouched};
use crate::store::{self, Store};

/// What is stored of a key, and compared: hashes of secrets of 28 and more random characters need no salt.
#[must_use]
pub fn key_hash(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// A cache of valid keys only, so that wrong ones take no room.
pub struct ApiKeys(Cached<[u8; 32], ()>);

impl ApiKeys {
    pub(super) fn new(vouched: Vouched) -> Self {
        Self(Cached::new(vouched))
    }

    /// Whether the key with this hash may do anything.
    ///
    /// # Errors
    /// The database's.
    pub async fn is_valid(&self, store: &Store, hash: [u8; 32]) -> store::Result<bool> {
        let found = async { store.has_api_key(&hash).await.map(|valid| valid.then_some(())) };
        Ok(self.0.get_or(&hash, found).await?.is_some())
    }

    pub(super) fn forget_all(&self) {
        self.0.forget_all();
    }
}
