//! Endpoints as the worker needs them: the target decrypted, keys made, the filter compiled, once per version.

use std::sync::Arc;

use moka::future::Cache;
use secrecy::ExposeSecret;

use crate::cipher::{Cipher, CipherError};
use crate::egress::{Recipient, UnusableTarget};
use crate::filter::{Filter, Names};
use crate::model::{SealedKind, SigningSecret, StoredSigningSecret, TargetText, Webhook, WebhookId};
use crate::source::Fault;
use crate::store::{self, Store};

/// Versions kept ready.
const READY: u64 = 10_000;

/// An endpoint, ready for use.
pub struct WebhookEntry {
    /// What is stored.
    pub webhook: Webhook,
    /// Where its deliveries go. An error is the operator's to mend: nothing is sent until then.
    pub recipient: Result<Recipient, UnusableWebhook>,
    /// Which events it gets. An error is as in [`UnusableWebhook::Filter`].
    pub filter: Option<Result<Filter, UnusableWebhook>>,
}

/// A stored target, secret or filter that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UnusableWebhook {
    /// Sealed under another key, or moved to another row.
    #[error(transparent)]
    Sealed(#[from] CipherError),
    /// It was right when it was saved.
    #[error("the stored target cannot be used: {0}")]
    Target(String),
    /// The same of a secret.
    #[error(transparent)]
    Unusable(#[from] UnusableTarget),
    /// It compiled when it was saved: it was changed by hand, or the rules have changed.
    #[error("the stored filter cannot be used: {0}")]
    Filter(#[from] Fault),
}

/// Endpoints by their versions: what is kept can never be out of date.
pub struct Webhooks(Cache<(WebhookId, i32), Arc<WebhookEntry>>);

impl Webhooks {
    pub(super) fn new() -> Self {
        Self(Cache::new(READY))
    }

    /// The endpoint in this version, or in a newer one; `None` if it is deleted.
    ///
    /// # Errors
    /// The database's.
    pub async fn get(
        &self,
        store: &Store,
        cipher: &Cipher,
        id: WebhookId,
        version: i32,
    ) -> store::Result<Option<Arc<WebhookEntry>>> {
        if let Some(ready) = self.0.get(&(id, version)).await {
            return Ok(Some(ready));
        }
        let Some(webhook) = store.webhook(id).await? else { return Ok(None) };
        let ready = Arc::new(prepare(cipher, webhook, &store.signing_secrets(id).await?));
        self.0.insert((id, ready.webhook.version), ready.clone()).await;
        Ok(Some(ready))
    }
}

fn prepare(cipher: &Cipher, webhook: Webhook, secrets: &[StoredSigningSecret]) -> WebhookEntry {
    let filter =
        webhook.options.filter.as_deref().map(|text| Filter::compile(text, Names::Event).map_err(Into::into));
    WebhookEntry { recipient: recipient(cipher, &webhook, secrets), filter, webhook }
}

fn recipient(
    cipher: &Cipher,
    webhook: &Webhook,
    secrets: &[StoredSigningSecret],
) -> Result<Recipient, UnusableWebhook> {
    let target = open_target(cipher, webhook)?;
    let open = |secret: &StoredSigningSecret| {
        let text = cipher.open(&SealedKind::SigningSecret.owner(secret.secret_id), &secret.sealed)?;
        Ok::<_, UnusableWebhook>(SigningSecret { text, expires_at: secret.expires_at })
    };
    let secrets = secrets.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    Ok(Recipient::new(webhook.webhook_id, webhook.profile, target, secrets)?)
}

/// Where an endpoint is.
///
/// # Errors
/// It cannot be opened.
pub fn open_target(cipher: &Cipher, webhook: &Webhook) -> Result<TargetText, UnusableWebhook> {
    let text = cipher.open(&SealedKind::WebhookTarget.owner(webhook.webhook_id.0), &webhook.target)?;
    serde_json::from_str(text.expose_secret())
        .map_err(|error| UnusableWebhook::Target(format!("is no JSON, line {}", error.line())))
}
