//! Webhook secrets as the API shows them: masked, but where somebody asked for the text and may have it.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Stamp, stamp};
use crate::model::{SecretEncoding, SecretId, Time, WebhookSecret};

#[derive(Serialize, ToSchema)]
#[schema(as = WebhookSecret)]
pub struct SecretView {
    pub secret_id: SecretId,
    pub webhook_secret: String,
    pub secret_encoding: SecretEncoding,
    pub created_at: Stamp,
    #[schema(required)]
    pub expires_at: Option<Stamp>,
    #[schema(required)]
    pub last_used_at: Option<Stamp>,
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

#[derive(Serialize, ToSchema)]
#[schema(as = RotatedSecret)]
pub struct RotatedView<'a> {
    pub webhook_secret: &'a str,
    pub secret_id: SecretId,
}

pub fn rotated(secret_id: SecretId, webhook_secret: &str) -> RotatedView<'_> {
    RotatedView { webhook_secret, secret_id }
}

/// The answer around [`SecretView`]s.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookSecrets)]
pub struct SecretList {
    pub secrets: Vec<SecretView>,
}
