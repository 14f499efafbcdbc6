//! The endpoint that `WEBHOOK_URL` and its family define: at the start of whoever answers the API it becomes what the
//! settings say.

use secrecy::ExposeSecret;

use super::{StartError, open_target};
use crate::cipher::Cipher;
use crate::clock::Clock;
use crate::config::{PlatformWebhook, SettingError, Settings};
use crate::egress::Guard;
use crate::model::{
    Actor, AuditAction, AuditEntry, CircuitRule, EventPattern, EventType, Profile, RetrySchedule, SealedKind,
    SigningSecretId, StoredSigningSecret, TargetText, Time, Webhook, WebhookId, WebhookKind, WebhookOptions,
    WebhookStatus,
};
use crate::store::{Error, NewSigningSecret, Result, Store};

/// How often it is tried anew because another process that starts was first.
const RACES: usize = 10;

/// Refuses settings by which nothing could ever be sent.
///
/// # Errors
/// The setting, without the URL: it may hold credentials.
pub(super) async fn check(settings: &Settings, guard: &Guard) -> std::result::Result<(), SettingError> {
    let Some(wanted) = &settings.outbound.platform_webhook else { return Ok(()) };
    // That its name does not resolve yet keeps nobody from starting.
    guard
        .check(wanted.url.expose_secret())
        .await
        .map(drop)
        .map_err(|fault| SettingError { name: "WEBHOOK_URL", problem: fault.to_string() })
}

/// Makes it what the settings say; without the setting there is none.
///
/// # Errors
/// The database's.
pub(super) async fn settle(
    settings: &Settings,
    store: &Store,
    cipher: &Cipher,
    clock: &Clock,
) -> std::result::Result<(), StartError> {
    let wanted = settings.outbound.platform_webhook.as_ref();
    for _ in 0..RACES {
        match attempt(wanted, store, cipher, clock.now()).await {
            Err(Error::Conflict) => {}
            settled => {
                return settled
                    .map_err(|error| StartError::Fault(format!("WEBHOOK_URL cannot be stored: {error}")));
            }
        }
    }
    Err(StartError::Fault("WEBHOOK_URL cannot be stored: other processes store it again and again".into()))
}

async fn attempt(wanted: Option<&PlatformWebhook>, store: &Store, cipher: &Cipher, now: Time) -> Result<()> {
    let earlier = store.platform_webhook().await?;
    let note = |action, id: WebhookId| {
        AuditEntry::new(Actor::server(), action, id, now).with("setting", "WEBHOOK_URL")
    };
    let Some(wanted) = wanted else {
        let Some(earlier) = earlier else { return Ok(()) };
        let entry = note(AuditAction::WebhookDeleted, earlier.webhook_id);
        return store.set_platform_webhook(Some(&earlier), None, &entry).await;
    };
    let Some(earlier) = earlier else {
        let id = WebhookId::new();
        let webhook = webhook(wanted, cipher, id, now);
        let secret = secret(wanted, cipher, id, now);
        let entry = note(AuditAction::WebhookCreated, id);
        return store.set_platform_webhook(None, Some((&webhook, Some(&secret))), &entry).await;
    };
    let id = earlier.webhook_id;
    let next = webhook(wanted, cipher, id, now);
    let is_same_secret = has_secret(wanted, store, cipher, id, now).await?;
    let is_same = earlier.events == next.events
        && earlier.profile == next.profile
        && earlier.options == next.options
        && open_target(cipher, &earlier).is_ok_and(|stored| stored == target(wanted));
    if is_same && is_same_secret {
        return Ok(());
    }
    let next = Webhook { version: earlier.version, ..next };
    let secret = (!is_same_secret).then(|| secret(wanted, cipher, id, now));
    let entry = note(AuditAction::WebhookUpdated, id);
    store.set_platform_webhook(Some(&earlier), Some((&next, secret.as_ref())), &entry).await?;
    if earlier.status == WebhookStatus::Disabled {
        // It was gone where it was, or had failed; whoever says where it is now wants to hear of things.
        store.set_webhook_status(&next, None, &note(AuditAction::WebhookEnabled, id)).await?;
    }
    Ok(())
}

fn target(wanted: &PlatformWebhook) -> TargetText {
    TargetText { url: wanted.url.expose_secret().to_owned(), ..TargetText::default() }
}

fn webhook(wanted: &PlatformWebhook, cipher: &Cipher, webhook_id: WebhookId, now: Time) -> Webhook {
    let text = serde_json::to_string(&target(wanted)).expect("texts can be written");
    let registered: Vec<EventPattern> = EventType::ModelRegistered.as_str().parse().into_iter().collect();
    Webhook {
        webhook_id,
        kind: WebhookKind::Platform,
        tenant_id: None,
        agent_id: None,
        version: 1,
        status: WebhookStatus::Active,
        disabled_reason: None,
        events: registered,
        profile: Profile::Hokusai,
        target: cipher.seal(&SealedKind::WebhookTarget.owner(webhook_id.0), &text.into()),
        options: WebhookOptions {
            retry: RetrySchedule::Own {
                schedule_seconds: wanted.schedule_seconds.clone(),
                timeout_seconds: Some(wanted.timeout_seconds),
            },
            // As the `hokusai` preset has it: nobody would think of enabling what a setting names.
            disable_on_exhausted: Some(false),
            circuit: CircuitRule {
                failures: wanted.failure_threshold,
                open_seconds: wanted.recovery_seconds,
            },
            redis_fallback: wanted.redis_fallback,
            ..WebhookOptions::default()
        },
        created_at: now,
        updated_at: now,
    }
}

/// In the place of all earlier ones.
fn secret(wanted: &PlatformWebhook, cipher: &Cipher, webhook_id: WebhookId, now: Time) -> NewSigningSecret {
    let secret_id = SigningSecretId::new();
    let sealed = cipher.seal(&SealedKind::SigningSecret.owner(secret_id), &wanted.secret);
    let secret = StoredSigningSecret { secret_id, webhook_id, sealed, created_at: now, expires_at: None };
    NewSigningSecret { secret, earlier_until: None, at_most: i64::MAX }
}

/// Whether the newest stored secret is the one of the settings.
async fn has_secret(
    wanted: &PlatformWebhook,
    store: &Store,
    cipher: &Cipher,
    id: WebhookId,
    now: Time,
) -> Result<bool> {
    let secrets = store.signing_secrets(id).await?;
    let newest = secrets.iter().find(|secret| secret.expires_at.is_none_or(|end| now < end));
    Ok(newest.is_some_and(|secret| {
        let text = cipher.open(&SealedKind::SigningSecret.owner(secret.secret_id), &secret.sealed);
        text.is_ok_and(|text| text.expose_secret() == wanted.secret.expose_secret())
    }))
}
