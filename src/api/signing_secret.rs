//! Secrets that deliveries are signed with: made, sealed, shown once.

use actix_web::web;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};

use super::view::ShownOnce;
use crate::app::App;
use crate::egress::WHSEC;
use crate::model::{
    AuditEntry, SchemeName, SealedKind, SecretEncoding, SigningSecretId, StoredSigningSecret, Time, Webhook,
    WebhookId,
};
use crate::signature::Scheme;
use crate::store::{self, NewSigningSecret};
use crate::web::{ApiError, Code, to_the_end};

/// Secrets of one endpoint that sign at once, at most.
const MAX_LIVE: i64 = 5;
/// How long earlier secrets sign on, in s, unless somebody says otherwise: a day.
const OVERLAP: u32 = 86_400;
/// The longest that they may, in s: 30 days.
const MAX_OVERLAP: u32 = 2_592_000;

/// A secret, given or made, as it is stored; and its text.
pub fn make(
    app: &App,
    webhook_id: WebhookId,
    given: Option<SecretString>,
    now: Time,
) -> (StoredSigningSecret, SecretString) {
    let text = given.unwrap_or_else(|| {
        let scheme = Scheme::of(SchemeName::StandardWebhooks, None).expect("a preset");
        scheme.generate_secret(SecretEncoding::Whsec).expect("a preset that makes its secrets")
    });
    let secret_id = SigningSecretId::new();
    let sealed = app.cipher.seal(&SealedKind::SigningSecret.owner(secret_id), &text);
    (StoredSigningSecret { secret_id, webhook_id, sealed, created_at: now, expires_at: None }, text)
}

/// Refuses a secret that signs already: there would be nothing to exchange.
///
/// # Errors
/// 422 with its place, and 503 where a stored one cannot be opened: under a wrong key nothing is put beside it.
pub async fn refuse_known(
    app: &App,
    webhook_id: WebhookId,
    given: Option<&SecretString>,
    now: Time,
) -> Result<(), ApiError> {
    let secrets = app.store.signing_secrets(webhook_id).await?;
    for secret in secrets.iter().filter(|secret| secret.expires_at.is_none_or(|end| now < end)) {
        let owner = SealedKind::SigningSecret.owner(secret.secret_id);
        let text = app.cipher.open(&owner, &secret.sealed).map_err(|error| {
            tracing::error!(%webhook_id, %error, "a signing secret cannot be opened");
            ApiError::unavailable(error.to_string())
        })?;
        if given.is_some_and(|given| given.expose_secret() == text.expose_secret()) {
            let message = "is one that signs already: give another, or leave it out to have one made. To make it the only \
                           one, PATCH the webhook with it";
            return Err(ApiError::field("/secret", message));
        }
    }
    Ok(())
}

/// How long earlier secrets sign on, in s.
///
/// # Errors
/// 422: longer than they may.
pub fn overlap(asked: Option<u32>) -> Result<u32, ApiError> {
    let overlap = asked.unwrap_or(OVERLAP);
    if overlap > MAX_OVERLAP {
        return Err(ApiError::field("/overlap_seconds", format!("must be at most {MAX_OVERLAP} (30 days)")));
    }
    Ok(overlap)
}

/// Exchanges an endpoint's secret for the given one, or one that is made. `None`: the endpoint has changed meanwhile.
///
/// # Errors
/// 409: too many sign already.
pub async fn rotate(
    app: &web::Data<App>,
    webhook: Webhook,
    given: Option<SecretString>,
    overlap_seconds: u32,
    entry: AuditEntry,
) -> Result<Option<(SigningSecretId, SecretString)>, ApiError> {
    let (secret, text) = make(app, webhook.webhook_id, given, entry.at);
    let secret_id = secret.secret_id;
    let rotation = replacing(secret, overlap_seconds);
    let entry = entry.with("secret_id", secret_id.to_string()).with("overlap_seconds", overlap_seconds);
    let app = app.clone();
    let rotated =
        to_the_end(async move { app.store.rotate_signing_secret(&webhook, &rotation, &entry).await });
    match rotated.await? {
        Ok(true) => Ok(Some((secret_id, text))),
        Ok(false) => Err(ApiError::new(Code::Conflict, too_many())),
        Err(store::Error::Conflict) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn too_many() -> String {
    format!("{MAX_LIVE} secrets sign already: wait until one ends, or rotate with \"overlap_seconds\": 0")
}

/// The secret in the place of all earlier ones; these sign for so long, in s.
pub fn replacing(secret: StoredSigningSecret, overlap_seconds: u32) -> NewSigningSecret {
    let earlier_until =
        (overlap_seconds > 0).then(|| secret.created_at + TimeDelta::seconds(overlap_seconds.into()));
    NewSigningSecret { secret, earlier_until, at_most: MAX_LIVE }
}

/// What the answer that made it says.
pub fn shown(text: &SecretString) -> ShownOnce {
    let text = text.expose_secret();
    let standard = (!text.starts_with(WHSEC)).then(|| format!("{WHSEC}{}", STANDARD.encode(text)));
    ShownOnce { secret_key: Some(text.to_owned()), standard_webhooks_secret: standard, warnings: Vec::new() }
}
