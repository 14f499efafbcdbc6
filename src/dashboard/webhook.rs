//! One webhook: how it is, its deliveries, and the buttons that mend it. A button does what the API's request does.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use serde_json::json;

use super::answer::{page, see};
use super::confirm::Confirm;
use super::done::Done;
use super::filters::{Filters, in_utc};
use super::frame::{Frame, Section};
use super::sent::{Button, Sent};
use super::session::SignedIn;
use super::show::Show;
use crate::api::view::{DeliveryPage, ShownOnce, WebhookView};
use crate::api::{deliveries, webhook_actions, webhooks};
use crate::app::App;
use crate::model::{DeliveryStatus, WebhookId, WebhookKind, WebhookStatus};
use crate::web::{ApiError, Body, IfMatch};

#[derive(Template)]
#[template(path = "webhook.html")]
struct WebhookPage {
    frame: Frame,
    filters: Filters,
    statuses: [DeliveryStatus; 4],
    webhook: WebhookView,
    deliveries: DeliveryPage,
}

/// What to send again.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recover {
    /// In UTC, as a browser's field says it.
    since: String,
    /// Up to now, if it is left empty.
    until: String,
}

/// What to delete.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// The version that was looked at; 0 is none.
    #[serde(default)]
    version: i32,
}

impl WebhookPage {
    fn path(&self) -> String {
        here(self.webhook.webhook_id)
    }

    fn is_disabled(&self) -> bool {
        self.webhook.status == WebhookStatus::Disabled
    }

    /// Whether it can be disabled by hand: what the settings or an agent make is changed there.
    fn can_be_disabled(&self) -> bool {
        !self.is_disabled() && self.webhook.kind == WebhookKind::Webhook
    }

    /// Whether its settings are changed here, and not with what made it.
    fn can_be_changed(&self) -> bool {
        self.webhook.kind == WebhookKind::Webhook
    }

    /// Whether its secret is exchanged here.
    fn can_be_rotated(&self) -> bool {
        self.webhook.kind != WebhookKind::Platform
    }

    /// Whether it has a URL of its own to send a test to.
    fn can_be_tested(&self) -> bool {
        self.webhook.kind != WebhookKind::Callback
    }
}

/// One webhook.
///
/// # Errors
/// 404: there is none of this id.
pub async fn show(
    app: web::Data<App>,
    signed_in: SignedIn,
    path: web::Path<String>,
    filters: Filters,
) -> Result<HttpResponse, ApiError> {
    let webhook = webhooks::find(&app, &signed_in.caller, &path).await?;
    let webhook_id = webhook.webhook_id;
    let frame = Frame::of(&app, &signed_in, Section::Webhooks, format!("Webhook {webhook_id}"));
    page(&WebhookPage {
        frame: frame.after(filters.done),
        statuses: DeliveryStatus::ALL,
        webhook: webhooks::show(&app, &signed_in.caller, webhook, ShownOnce::default()).await?,
        deliveries: deliveries::page(&app, webhook_id, &filters.read()?).await?,
        filters,
    })
}

/// Sends to it again.
///
/// # Errors
/// 403, 404: as the API says it.
pub async fn enable(
    app: web::Data<App>,
    sent: Sent<Button>,
    path: web::Path<WebhookId>,
) -> Result<HttpResponse, ApiError> {
    webhook_actions::enable(sent.caller(), app.clone(), path.to_string().into()).await?;
    Ok(after(&app, Done::Enabled, *path))
}

/// Sends nothing to it.
///
/// # Errors
/// 403, 404, 409: as the API says it.
pub async fn disable(
    app: web::Data<App>,
    sent: Sent<Button>,
    path: web::Path<WebhookId>,
) -> Result<HttpResponse, ApiError> {
    webhook_actions::disable(sent.caller(), app.clone(), path.to_string().into()).await?;
    Ok(after(&app, Done::Disabled, *path))
}

/// Sends an example to it.
///
/// # Errors
/// 403, 404, 409: as the API says it.
pub async fn test(
    app: web::Data<App>,
    sent: Sent<Button>,
    path: web::Path<WebhookId>,
) -> Result<HttpResponse, ApiError> {
    let nothing = Body::of(&json!({}));
    webhook_actions::test(sent.caller(), app.clone(), path.to_string().into(), nothing).await?;
    Ok(after(&app, Done::Tested, *path))
}

/// Sends again what has failed.
///
/// # Errors
/// 403, 404, 422: as the API says it.
pub async fn recover(
    app: web::Data<App>,
    sent: Sent<Recover>,
    path: web::Path<WebhookId>,
) -> Result<HttpResponse, ApiError> {
    let Sent { signed_in, fields: Recover { since, until } } = sent;
    let until = (!until.is_empty()).then(|| in_utc(until));
    let wish = Body::of(&json!({"since": in_utc(since), "until": until}));
    deliveries::recover(signed_in.caller, app.clone(), path.to_string().into(), wish).await?;
    Ok(after(&app, Done::Recovered, *path))
}

/// Asks whether it shall be deleted.
///
/// # Errors
/// 403: a viewer deletes none; 404: there is none of this id; 409: it is deleted elsewhere.
pub async fn ask_to_delete(
    app: web::Data<App>,
    signed_in: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let webhook = webhooks::find(&app, &signed_in.caller, &path).await?;
    signed_in.caller.writer()?;
    webhooks::refuse_platform(&webhook)?;
    let (webhook_id, version) = (webhook.webhook_id, webhook.version);
    let view = webhooks::show(&app, &signed_in.caller, webhook, ShownOnce::default()).await?;
    Confirm {
        frame: Frame::of(&app, &signed_in, Section::Webhooks, "Delete a webhook"),
        subject: view.url.unwrap_or_else(|| webhook_id.to_string()),
        consequences: "What waits to be sent to it ends as exhausted. Disable it instead to keep what waits.",
        action: format!("{}/delete", here(webhook_id)),
        version: Some(version),
        label: "Delete the webhook",
        back: here(webhook_id),
    }
    .page()
}

/// Deletes it.
///
/// # Errors
/// 403, 404, 409, 412: as the API says it.
pub async fn delete(
    app: web::Data<App>,
    sent: Sent<Delete>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let version = IfMatch::version(sent.fields.version);
    webhooks::delete(sent.caller(), app.clone(), path, version).await?;
    Ok(see(&app, &Done::WebhookDeleted.at("/webhooks")))
}

fn here(id: WebhookId) -> String {
    format!("/webhooks/{id}")
}

fn after(app: &App, done: Done, id: WebhookId) -> HttpResponse {
    see(app, &done.at(&here(id)))
}
