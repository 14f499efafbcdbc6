//! Agents as the hot path needs them: secrets decrypted, schema compiled, once per version.

use std::sync::Arc;

use moka::future::Cache;

use super::cache::{Cached, Vouched};
use crate::cipher::{Cipher, CipherError};
use crate::model::{Agent, AgentId, AgentSpec, SealedKind, SecretId, Time, Trigger, WebhookSecret};
use crate::schema::PayloadSchema;
use crate::signature::{SecretFault, SigningKey};
use crate::store::{self, Store};

/// Versions kept ready.
const VERSIONS: u64 = 10_000;

/// One agent, ready for use.
pub struct AgentEntry {
    /// At its present version.
    pub agent: Agent,
    /// What a webhook needs; `None` without a trigger. An error is met with 503: nobody can be believed
    /// and nothing be checked, and that passes when the operator has mended it.
    pub hook: Option<Result<Hook, Unusable>>,
}

/// What it takes to believe and check a webhook.
pub struct Hook {
    /// How it is signed, and what makes it the same delivery.
    pub trigger: Trigger,
    /// The secrets that may have signed it.
    pub keys: Vec<HookKey>,
    /// What its payload must look like.
    pub schema: Option<PayloadSchema>,
}

/// A stored secret or schema that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Sealed under another key, or moved to another row.
    #[error(transparent)]
    Sealed(#[from] CipherError),
    /// Not what its encoding says.
    #[error("a stored webhook secret is no longer valid under its encoding: {0}")]
    Secret(#[from] SecretFault),
    /// It compiled when it was saved: it was changed by hand, or the rules have changed.
    #[error("the stored payload schema cannot be used: {0}")]
    Schema(String),
}

/// One webhook secret, ready for use.
pub struct HookKey {
    /// Names it.
    pub secret_id: SecretId,
    /// Verifies.
    pub key: SigningKey,
    /// From when on it verifies nothing.
    pub expires_at: Option<Time>,
}

/// The label of a webhook secret inside its ciphertext.
#[must_use]
pub fn secret_owner(secret_id: SecretId) -> String {
    SealedKind::WebhookSecret.owner(secret_id)
}

/// Caches of agents and of their immutable versions. An id that is not there is remembered too.
pub struct Agents {
    present: Cached<AgentId, Option<Arc<AgentEntry>>>,
    versions: Cache<(AgentId, i32), Arc<AgentSpec>>,
}

impl Agents {
    pub(super) fn new(vouched: Vouched) -> Self {
        Self { present: Cached::new(vouched), versions: Cache::new(VERSIONS) }
    }

    /// The agent, or `None` if there is none.
    ///
    /// # Errors
    /// The database's.
    pub async fn get(
        &self,
        store: &Store,
        cipher: &Cipher,
        id: AgentId,
    ) -> store::Result<Option<Arc<AgentEntry>>> {
        let found = async { Ok::<_, store::Error>(Some(load(store, cipher, id).await?.map(Arc::new))) };
        Ok(self.present.get_or(&id, found).await?.flatten())
    }

    /// What a version of an agent says.
    ///
    /// # Errors
    /// The database's.
    pub async fn version(
        &self,
        store: &Store,
        id: AgentId,
        version: i32,
    ) -> store::Result<Option<Arc<AgentSpec>>> {
        if let Some(spec) = self.versions.get(&(id, version)).await {
            return Ok(Some(spec));
        }
        let spec = store.agent_version(id, version).await?.map(Arc::new);
        if let Some(spec) = &spec {
            self.versions.insert((id, version), spec.clone()).await;
        }
        Ok(spec)
    }

    pub(super) async fn forget(&self, id: AgentId) {
        self.present.forget(&id).await;
    }

    pub(super) fn forget_all(&self) {
        self.present.forget_all();
    }
}

async fn load(store: &Store, cipher: &Cipher, id: AgentId) -> store::Result<Option<AgentEntry>> {
    let Some(agent) = store.agent(id).await? else { return Ok(None) };
    let hook = match agent.spec.trigger.clone() {
        None => None,
        Some(trigger) => Some(prepare(cipher, trigger, &store.webhook_secrets(id).await?)),
    };
    if let Some(Err(error)) = &hook {
        tracing::error!(agent_id = %id, %error, "webhooks of this agent cannot be taken");
    }
    Ok(Some(AgentEntry { agent, hook }))
}

fn prepare(cipher: &Cipher, trigger: Trigger, secrets: &[WebhookSecret]) -> Result<Hook, Unusable> {
    let keys = secrets.iter().map(|secret| open(cipher, secret)).collect::<Result<_, _>>()?;
    let schema = trigger.payload_schema.as_ref().map(PayloadSchema::compile).transpose();
    Ok(Hook { keys, schema: schema.map_err(|fault| Unusable::Schema(fault.message))?, trigger })
}

fn open(cipher: &Cipher, secret: &WebhookSecret) -> Result<HookKey, Unusable> {
    let text = cipher.open(&secret_owner(secret.secret_id), &secret.sealed)?;
    let key = SigningKey::new(&text, secret.encoding)?;
    Ok(HookKey { secret_id: secret.secret_id, key, expires_at: secret.expires_at })
}
