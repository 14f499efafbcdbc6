//! Tenants as the worker needs them: the LLM key decrypted once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::future::Cache;
use secrecy::SecretString;

use crate::cipher::{Cipher, CipherError};
use crate::model::{Tenant, TenantId};
use crate::store::{self, Store};

/// Tenants kept ready.
const CAPACITY: u64 = 10_000;

/// One tenant, ready for use.
pub struct TenantEntry {
    /// As it is stored.
    pub tenant: Tenant,
    /// Its LLM key; an error if it cannot be decrypted.
    pub llm_key: Option<Result<SecretString, CipherError>>,
}

/// The label of a tenant's LLM key inside its ciphertext.
#[must_use]
pub fn llm_key_owner(tenant_id: &TenantId) -> String {
    format!("llm-key:{tenant_id}")
}

/// A cache of tenants.
pub struct Tenants {
    present: Cache<TenantId, Arc<TenantEntry>>,
    /// Counts changes: what was read before one must not be kept after it.
    changes: AtomicU64,
}

impl Tenants {
    /// See [`super::Agents::new`].
    #[must_use]
    pub fn new(fresh: Option<Duration>) -> Self {
        let mut present = Cache::builder().max_capacity(CAPACITY);
        if let Some(fresh) = fresh {
            present = present.time_to_live(fresh);
        }
        Self { present: present.build(), changes: AtomicU64::new(0) }
    }

    /// The tenant, or `None` if there is none.
    ///
    /// # Errors
    /// The database's.
    pub async fn get(
        &self,
        store: &Store,
        cipher: &Cipher,
        id: &TenantId,
    ) -> store::Result<Option<Arc<TenantEntry>>> {
        if let Some(entry) = self.present.get(id).await {
            return Ok(Some(entry));
        }
        let before = self.changes.load(Ordering::SeqCst);
        let Some(tenant) = store.tenant(id).await? else { return Ok(None) };
        let llm_key = tenant.llm_key.as_ref().map(|key| cipher.open(&llm_key_owner(id), &key.sealed));
        let entry = Arc::new(TenantEntry { tenant, llm_key });
        self.present.insert(id.clone(), entry.clone()).await;
        if self.changes.load(Ordering::SeqCst) != before {
            self.present.invalidate(id).await;
        }
        Ok(Some(entry))
    }

    /// Forgets a tenant that was changed or deleted. Call it after the commit.
    pub async fn changed(&self, id: &TenantId) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.present.invalidate(id).await;
    }
}
