//! What is done to an endpoint: enabled, disabled, tried; and its secret exchanged.

use actix_web::{HttpResponse, web};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::view::{self, ShownOnce};
use super::webhook_request::check_secret;
use super::webhooks::{changed, find, of, refuse_platform, show};
use super::{RACES, signing_secret};
use crate::app::App;
use crate::model::{
    AuditAction, DisabledReason, Event, EventId, EventPattern, EventType, Webhook, WebhookKind, WebhookStatus,
};
use crate::store;
use crate::web::{ApiError, Body, Caller, Code, IfMatch, etag, to_the_end};

/// How to rotate.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = SigningSecretRotate)]
struct Rotate {
    /// How long earlier secrets sign too, in s; 0 ends them at once.
    #[schema(maximum = 2_592_000, default = 86_400)]
    overlap_seconds: Option<u32>,
    /// The new one, 16 characters or more; without it one is made.
    secret: Option<String>,
}

/// What to send.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = WebhookTest)]
struct Test {
    /// One that the endpoint's profile can tell. Without it, the first that the endpoint's `events` let through; of a
    /// family that has it, `execution.completed`.
    #[schema(value_type = Option<String>)]
    event_type: Option<EventType>,
}

/// The event that is sent.
#[derive(Serialize, ToSchema)]
#[schema(as = Published)]
pub struct PublishedView {
    /// Names it.
    pub event_id: EventId,
}

/// Enable a webhook endpoint
///
/// It is active again, and what waits for it is sent. Its circuit is closed.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{webhook_id}/enable", tag = "endpoints", operation_id = "enable_webhook",
    params(("webhook_id" = String, Path, description = "The endpoint.")),
    responses((status = 200, description = "The endpoint.", body = view::WebhookView, headers(("ETag" = String, description = "The version, for `If-Match`."))))
)]
pub async fn enable(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let webhook = find(&app, &caller, &path).await?;
    let webhook = Webhook { status: WebhookStatus::Active, disabled_reason: None, ..webhook };
    set_status(&caller, app, webhook, AuditAction::WebhookEnabled).await
}

/// Disable a webhook endpoint
///
/// Nothing is sent to it until it is enabled; what waits for it waits on.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{webhook_id}/disable", tag = "endpoints", operation_id = "disable_webhook",
    params(("webhook_id" = String, Path, description = "The endpoint.")),
    responses(
        (status = 200, description = "The endpoint.", body = view::WebhookView, headers(("ETag" = String, description = "The version, for `If-Match`."))),
        (status = 409, description = "conflict")
    )
)]
pub async fn disable(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let webhook = find(&app, &caller, &path).await?;
    caller.writer()?;
    refuse_platform(&webhook)?;
    let disabled_reason = Some(DisabledReason::ByHand);
    let webhook = Webhook { status: WebhookStatus::Disabled, disabled_reason, ..webhook };
    set_status(&caller, app, webhook, AuditAction::WebhookDisabled).await
}

async fn set_status(
    caller: &Caller,
    app: web::Data<App>,
    webhook: Webhook,
    action: AuditAction,
) -> Result<HttpResponse, ApiError> {
    let now = app.clock.now();
    let entry = of(caller.writer()?.does(action, webhook.webhook_id, now), &webhook);
    let event = (webhook.status == WebhookStatus::Disabled)
        .then(|| Event::of_disabled_endpoint(&webhook, DisabledReason::ByHand, json!({}), now));
    let set = {
        let (app, webhook) = (app.clone(), webhook.clone());
        to_the_end(async move {
            let set = app.store.set_webhook_status(&webhook, event.as_ref(), &entry).await;
            changed(&app, &webhook).await;
            app.events_written();
            set
        })
        .await?
    };
    let version = webhook.version + i32::from(set?);
    let view = show(&app, caller, Webhook { version, ..webhook }, ShownOnce::default()).await?;
    Ok(HttpResponse::Ok().insert_header(etag(version)).json(view))
}

/// Send a test to a webhook endpoint
///
/// The example of an event type, as `GET /api/v1/event-types` shows it, for this endpoint alone, whatever it subscribes
/// to. Its `data` has `"test": true` beside what the example says, and `"test": "true"` among its `tags` where it has such.
/// Its delivery is a delivery like any other: an open circuit holds it back, and it counts. A disabled endpoint is 409.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{webhook_id}/test", tag = "endpoints", operation_id = "test_webhook",
    params(("webhook_id" = String, Path, description = "The endpoint.")),
    request_body(content = Option<Test>, example = json!({})),
    responses((status = 202, description = "It is being sent.", body = PublishedView), (status = 409, description = "conflict"))
)]
pub async fn test(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let webhook = find(&app, &caller, &path).await?;
    let writer = caller.writer()?;
    let asked = body.parse_or_default::<Test>()?.event_type;
    let event_type = asked.unwrap_or_else(|| heard_by(&webhook));
    if !webhook.profile.can_tell(&event_type) {
        return Err(ApiError::field("/event_type", "is none that the endpoint's profile can tell"));
    }
    if webhook.kind == WebhookKind::Callback {
        let detail = "a callback endpoint has no URL of its own: send a hook with Agenthook-Callback-Url";
        return Err(ApiError::new(Code::Conflict, detail));
    }
    if webhook.status == WebhookStatus::Disabled {
        let detail = "it is disabled, so nothing would be sent: enable it first (POST …/enable)";
        return Err(ApiError::new(Code::Conflict, detail));
    }
    let now = app.clock.now();
    let data = example(&event_type);
    let event = Event::new(event_type, webhook.tenant_id.clone(), now, &data).to_webhook(webhook.webhook_id);
    let event_id = event.event_id;
    let entry = of(writer.does(AuditAction::WebhookTested, webhook.webhook_id, now), &webhook);
    let entry = entry.with("event_id", event_id.to_string());
    to_the_end(async move {
        let published = app.store.publish(&event, &entry).await;
        app.events_written();
        published
    })
    .await??;
    Ok(HttpResponse::Accepted().json(PublishedView { event_id }))
}

/// What an endpoint hears of: what its owner would like to see.
fn heard_by(webhook: &Webhook) -> EventType {
    let tells = |kind: &EventType| webhook.profile.can_tell(kind);
    let first = |pattern: &EventPattern| {
        let mut known = std::iter::once(&EventType::ExecutionCompleted).chain(EventType::CATALOGUE);
        let known = known.find(|kind| tells(kind) && pattern.matches(kind));
        known.cloned().or_else(|| pattern.as_str().replace('*', "test").parse().ok().filter(tells))
    };
    webhook.events.iter().find_map(first).unwrap_or_else(|| EventType::Custom("custom.test".into()))
}

/// The catalogue's example, marked: nobody should act on it. Some profiles tell of nothing but tags.
fn example(event_type: &EventType) -> Map<String, Value> {
    let example = event_type.info().and_then(|info| serde_json::from_str(info.example.get()).ok());
    let mut data: Map<String, Value> = example.unwrap_or_default();
    if let Some(Value::Object(tags)) = data.get_mut("tags") {
        tags.insert("test".to_owned(), json!("true"));
    }
    data.insert("test".to_owned(), json!(true));
    data
}

/// Rotate a webhook endpoint's secret
///
/// The answer has the new secret, this once. Until the overlap ends earlier ones sign too, where the profile's header has
/// room for several; else the new one signs at once. One that signs already is refused.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{webhook_id}/secret/rotate", tag = "endpoints",
    operation_id = "rotate_signing_secret",
    params(("webhook_id" = String, Path, description = "The endpoint."), IfMatch),
    request_body(content = Option<Rotate>, example = json!({"overlap_seconds": 86_400})),
    responses(
        (status = 200, description = "The new secret.", body = view::RotatedSigningSecretView),
        (status = 409, description = "conflict"),
        (status = 412, description = "version_mismatch"),
        (status = 422, description = "invalid_request")
    )
)]
pub async fn rotate(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    if_match: IfMatch,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(rotate_one(&caller, &app, &path, &if_match, body).await?))
}

/// Exchanges an endpoint's secret, as it is asked for.
pub(crate) async fn rotate_one(
    caller: &Caller,
    app: &web::Data<App>,
    path: &str,
    if_match: &IfMatch,
    body: Body,
) -> Result<view::RotatedSigningSecretView, ApiError> {
    let mut webhook = find(app, caller, path).await?;
    let writer = caller.writer()?;
    let Rotate { overlap_seconds, secret } = body.parse_or_default()?;
    let overlap = signing_secret::overlap(overlap_seconds)?;
    let given = secret.map(secrecy::SecretString::from);
    given.as_ref().map_or(Ok(()), check_secret)?;
    for _ in 0..RACES {
        if_match.check(webhook.version)?;
        if webhook.kind == WebhookKind::Platform {
            refuse_platform(&webhook)?;
        }
        let now = app.clock.now();
        signing_secret::refuse_known(app, webhook.webhook_id, given.as_ref(), now).await?;
        let entry = of(writer.does(AuditAction::SigningSecretRotated, webhook.webhook_id, now), &webhook);
        if let Some((secret_id, text)) =
            signing_secret::rotate(app, webhook, given.clone(), overlap, entry).await?
        {
            let shown = signing_secret::shown(&text);
            return Ok(view::RotatedSigningSecretView {
                secret_id,
                secret_key: text.expose_secret().to_owned(),
                standard_webhooks_secret: shown.standard_webhooks_secret,
            });
        }
        webhook = find(app, caller, path).await?;
    }
    Err(store::Error::Conflict.into())
}
