//! An endpoint's row out of its settings, and its target, which is sealed, out of the row.

use super::webhook_request::Settings;
use crate::app::{App, open_target};
use crate::model::{SealedKind, TargetText, TenantId, Time, Webhook, WebhookId, WebhookKind, WebhookStatus};
use crate::web::ApiError;

/// An endpoint of these settings, as if it were new.
pub fn made(app: &App, webhook_id: WebhookId, tenant_id: TenantId, settings: Settings, now: Time) -> Webhook {
    Webhook {
        webhook_id,
        kind: WebhookKind::Webhook,
        tenant_id: Some(tenant_id),
        agent_id: settings.agent_id,
        version: 1,
        status: WebhookStatus::Active,
        disabled_reason: None,
        events: settings.events,
        profile: settings.profile,
        target: seal(app, webhook_id, &settings.target),
        options: settings.options,
        created_at: now,
        updated_at: now,
    }
}

fn seal(app: &App, webhook_id: WebhookId, target: &TargetText) -> String {
    let text = serde_json::to_string(target).expect("texts can be written");
    app.cipher.seal(&SealedKind::WebhookTarget.owner(webhook_id.0), &text.into())
}

/// Where it is. What cannot be opened is met with 503: under a wrong key nothing is put in its place.
///
/// # Errors
/// 503: it cannot be opened.
pub fn open(app: &App, webhook: &Webhook) -> Result<TargetText, ApiError> {
    open_target(&app.cipher, webhook).map_err(|error| {
        tracing::error!(webhook_id = %webhook.webhook_id, %error, "an endpoint's target cannot be opened");
        ApiError::unavailable(error.to_string())
    })
}
