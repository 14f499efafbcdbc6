//! API keys that were seen to be valid.

use std::time::Duration;

use moka::future::Cache;
use sha2::{Digest, Sha256};

use crate::store::{self, Store};

/// How long a key counts as valid without being looked up: a revocation holds after this at the latest.
const FRESH: Duration = Duration::from_secs(1);

/// What is stored of a key, and compared: hashes of secrets of 28 and more random characters need no salt.
#[must_use]
pub fn key_hash(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// A cache of valid keys only, so that wrong ones take no room.
#[derive(Debug)]
pub struct ApiKeys(Cache<[u8; 32], ()>);

impl Default for ApiKeys {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(10_000).time_to_live(FRESH).build())
    }
}

impl ApiKeys {
    /// Whether the key with this hash may do anything.
    ///
    /// # Errors
    /// The database's.
    pub async fn is_valid(&self, store: &Store, hash: [u8; 32]) -> store::Result<bool> {
        if self.0.contains_key(&hash) {
            return Ok(true);
        }
        let valid = store.has_api_key(&hash).await?;
        if valid {
            self.0.insert(hash, ()).await;
        }
        Ok(valid)
    }
}
