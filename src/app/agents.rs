//! Agents as the hot path needs them: secrets decrypted, schema, filter and template compiled, once per version.

use std::sync::Arc;

use moka::future::Cache;

use super::cache::{Cached, Vouched};
use crate::cipher::{Cipher, CipherError};
use crate::filter::{Filter, Names};
use crate::model::{Agent, AgentId, AgentSpec, SealedKind, SecretId, Time, Trigger, WebhookSecret};
use crate::schema::PayloadSchema;
use crate::signature::{Scheme, SecretFault, SigningKey};
use crate::source::Fault;
use crate::store::{self, Store};
use crate::template::Template;

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
    /// The rules that its scheme stands for.
    pub scheme: Scheme,
    /// The secrets that may have signed it.
    pub keys: Vec<HookKey>,
    /// Which payloads run.
    pub filter: Option<Filter>,
    /// What its payload must look like.
    pub schema: Option<PayloadSchema>,
}

/// A version of an agent, ready to run.
pub struct Version {
    /// What it says.
    pub spec: AgentSpec,
    /// How its payloads become a message; `None` shows them as JSON. An error is as in [`Unusable::Schema`].
    pub template: Option<Result<Template, Fault>>,
}

/// A stored secret, schema or filter that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Sealed under another key, or moved to another row.
    #[error(transparent)]
    Sealed(#[from] CipherError),
    /// Not what its encoding says.
    #[error("a stored webhook secret is no longer valid under its encoding: {0}")]
    Secret(#[from] SecretFault),
    /// It was right when it was saved: it was changed by hand, or the rules have changed.
    #[error("the stored signature scheme cannot be used: {0}")]
    Scheme(String),
    /// It compiled when it was saved: it was changed by hand, or the rules have changed.
    #[error("the stored payload schema cannot be used: {0}")]
    Schema(String),
    /// The same of the filter.
    #[error("the stored filter cannot be used: {0}")]
    Filter(#[from] Fault),
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
    versions: Cache<(AgentId, i32), Arc<Version>>,
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
    ) -> store::Result<Option<Arc<Version>>> {
        if let Some(version) = self.versions.get(&(id, version)).await {
            return Ok(Some(version));
        }
        let Some(spec) = store.agent_version(id, version).await? else { return Ok(None) };
        let template = spec.trigger.as_ref().and_then(|trigger| trigger.prompt_template.as_deref());
        let template = template.map(Template::compile);
        if matches!(&template, Some(Err(Fault { passing: true, .. }))) {
            return Err(store::Error::no_room());
        }
        let ready = Arc::new(Version { template, spec });
        self.versions.insert((id, version), ready.clone()).await;
        Ok(Some(ready))
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
    if let Some(Err(Unusable::Filter(Fault { passing: true, .. }))) = &hook {
        return Err(store::Error::no_room());
    }
    if let Some(Err(error)) = &hook {
        tracing::error!(agent_id = %id, %error, "webhooks of this agent cannot be taken");
    }
    Ok(Some(AgentEntry { agent, hook }))
}

fn prepare(cipher: &Cipher, trigger: Trigger, secrets: &[WebhookSecret]) -> Result<Hook, Unusable> {
    let scheme = Scheme::of(trigger.scheme, trigger.custom.as_ref()).map_err(|faults| {
        let faults: Vec<_> = faults.iter().map(|(member, message)| format!("{member} {message}")).collect();
        Unusable::Scheme(faults.join("; "))
    })?;
    let keys = secrets.iter().map(|secret| open(cipher, &scheme, secret)).collect::<Result<_, _>>()?;
    let filter = trigger.filter.as_deref().map(|text| Filter::compile(text, Names::Hook)).transpose()?;
    let schema = trigger.payload_schema.as_ref().map(PayloadSchema::compile).transpose();
    Ok(Hook {
        scheme,
        keys,
        filter,
        schema: schema.map_err(|fault| Unusable::Schema(fault.message))?,
        trigger,
    })
}

fn open(cipher: &Cipher, scheme: &Scheme, secret: &WebhookSecret) -> Result<HookKey, Unusable> {
    let text = cipher.open(&secret_owner(secret.secret_id), &secret.sealed)?;
    let key = scheme.key(&text, secret.encoding)?;
    Ok(HookKey { secret_id: secret.secret_id, key, expires_at: secret.expires_at })
}
