//! Webhook secrets as the API shows them: masked, but where somebody asked for the text and may have it.

use serde::Serialize;

use super::{Stamp, stamp};
use crate::model::{SecretEncoding, SecretId, Time, WebhookSecret};

#[derive(Serialize)]
pub struct SecretView {
    secret_id: SecretId,
    webhook_secret: String,
    secret_encoding: SecretEncoding,
    created_at: Stamp,
    expires_at: Option<Stamp>,
    last_used_at: Option<Stamp>,
}

pub fn secret(secret: WebhookSecret, text: String, last_used_at: Option<Time>) -> SecretView {
    SecretView {
        secret_id: secret.secret_id,
        webhook_secret: text,
        secret_encoding: secret.encoding,
        created_at: Stamp(secret.created_at),
        expires_at: stamp(secret.expires_at),
        last_used_at: stamp(last_used_at),
    }
}

#[derive(Serialize)]
pub struct RotatedView<'a> {
    webhook_secret: &'a str,
    secret_id: SecretId,
}

pub fn rotated(secret_id: SecretId, webhook_secret: &str) -> RotatedView<'_> {
    RotatedView { webhook_secret, secret_id }
}
