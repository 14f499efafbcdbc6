//! Tenants as the worker needs them: the LLM key decrypted once.

use std::sync::Arc;

use secrecy::SecretString;

use super::cache::{Cached, Vouched};
use crate::cipher::{Cipher, CipherError};
use crate::model::{SealedKind, Tenant, TenantId};
use crate::store::{self, Store};

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
    SealedKind::LlmKey.owner(tenant_id)
}

/// A cache of tenants. An id that is not there is not remembered.
pub struct Tenants(Cached<TenantId, Arc<TenantEntry>>);

impl Tenants {
    pub(super) fn new(vouched: Vouched) -> Self {
        Self(Cached::new(vouched))
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
        let found = async {
            let tenant = store.tenant(id).await?;
            Ok(tenant.map(|tenant| {
                let llm_key = tenant.llm_key.as_ref().map(|key| cipher.open(&llm_key_owner(id), &key.sealed));
                Arc::new(TenantEntry { tenant, llm_key })
            }))
        };
        self.0.get_or(id, found).await
    }

    pub(super) async fn forget(&self, id: &TenantId) {
        self.0.forget(id).await;
    }

    pub(super) fn forget_all(&self) {
        self.0.forget_all();
    }
}
