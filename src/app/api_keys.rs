//! API keys that were seen to be valid.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::cache::{Cached, Vouched};
use crate::model::ApiKey;
use crate::store::{self, Store};

/// What is stored of a key, and compared: hashes of secrets of 28 and more random characters need no salt.
#[must_use]
pub fn key_hash(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// A cache of valid keys only, so that wrong ones take no room.
pub struct ApiKeys(Cached<[u8; 32], Arc<ApiKey>>);

impl ApiKeys {
    pub(super) fn new(vouched: Vouched) -> Self {
        Self(Cached::new(vouched))
    }

    /// The key with this hash, or `None`: then whoever sent it may do nothing.
    ///
    /// # Errors
    /// The database's.
    pub async fn get(&self, store: &Store, hash: [u8; 32]) -> store::Result<Option<Arc<ApiKey>>> {
        let found = async { store.api_key(&hash).await.map(|key| key.map(Arc::new)) };
        self.0.get_or(&hash, found).await
    }

    pub(super) fn forget_all(&self) {
        self.0.forget_all();
    }
}
