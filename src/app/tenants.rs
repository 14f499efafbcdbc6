//! Tenants as the worker needs them: the LLM key decrypted once.

use std::sync::Arc;

use secrecy::SecretString;

use super::cache::{Cached, Vouched};
use crate::cipher::{Cipher, CipherError};
use crate::llm::keys;
use crate::model::{ErrorCode, ExecutionError, KeyPolicy, KeySource, SealedKind, Tenant, TenantId};
use crate::store::{self, Store};

/// One tenant, ready for use.
pub struct TenantEntry {
    /// As it is stored.
    pub tenant: Tenant,
    /// Its LLM key; an error if it cannot be decrypted.
    pub llm_key: Option<Result<SecretString, CipherError>>,
}

impl TenantEntry {
    /// Whether the tenant's agents may call this model.
    ///
    /// # Errors
    /// `model_not_allowed`.
    pub fn allows(&self, model: &str) -> Result<(), ExecutionError> {
        if self.tenant.allows_model(model) {
            return Ok(());
        }
        let tenant_id = &self.tenant.tenant_id;
        let message =
            format!("tenant {tenant_id} may not call model {model}: it is not in its allowed_models");
        Err(ExecutionError { code: ErrorCode::ModelNotAllowed, message, retryable: false })
    }

    /// The key of an execution's first call, by the tenant's policy.
    ///
    /// # Errors
    /// `no_key`, saying why there is none.
    pub fn pays<'a>(
        &'a self,
        platform_key: Option<&'a SecretString>,
    ) -> Result<(KeySource, &'a SecretString), ExecutionError> {
        let own = match &self.llm_key {
            Some(Ok(key)) => Some(key),
            // Another key must not stand in for one that is configured. Who never pays with it needs no key of its own.
            Some(Err(error)) if self.tenant.key_policy != KeyPolicy::PlatformOnly => {
                tracing::error!(tenant_id = %self.tenant.tenant_id, %error, "a tenant's LLM key cannot be opened");
                let message = "the tenant's LLM key cannot be decrypted; the operator has to look at \
                               AGENTHOOK_ENCRYPTION_KEYS";
                let message = message.to_owned();
                return Err(ExecutionError { code: ErrorCode::NoKey, message, retryable: false });
            }
            Some(Err(_)) | None => None,
        };
        keys::choose(&self.tenant, own, platform_key)
    }
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
