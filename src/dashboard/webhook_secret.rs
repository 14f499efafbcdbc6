//! Exchanging the secret that deliveries to a webhook are signed with.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use serde_json::json;

use super::answer::page_with;
use super::faults::Faults;
use super::frame::{Frame, Section};
use super::sent::Sent;
use super::session::SignedIn;
use super::shown_once::ShownOncePage;
use super::typed::{number, text};
use crate::api::webhook_actions::rotate_one;
use crate::api::webhooks::{find, refuse_platform};
use crate::app::App;
use crate::model::{WebhookId, WebhookKind};
use crate::web::{ApiError, Body, IfMatch};

#[derive(Template)]
#[template(path = "webhook_rotate.html")]
struct RotatePage {
    frame: Frame,
    webhook_id: WebhookId,
    fields: Rotate,
    faults: Faults,
}

/// How to rotate.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rotate {
    overlap_seconds: String,
    /// Never shown again: not even to who has just typed it.
    secret: String,
    /// The one that was looked at; 0 is none.
    version: i32,
}

/// The form.
///
/// # Errors
/// 403: a viewer rotates none; 404: there is none of this id; 409: it is changed elsewhere.
pub async fn form(
    app: web::Data<App>,
    signed_in: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let webhook = find(&app, &signed_in.caller, &path).await?;
    signed_in.caller.writer()?;
    if webhook.kind == WebhookKind::Platform {
        refuse_platform(&webhook)?;
    }
    let fields =
        Rotate { overlap_seconds: "86400".to_owned(), secret: String::new(), version: webhook.version };
    shown(&app, &signed_in, StatusCode::OK, webhook.webhook_id, fields, Faults::default())
}

/// Exchanges it, and shows the new one, this once.
///
/// # Errors
/// 403, 404, 409: as the API says it.
pub async fn rotate(
    app: web::Data<App>,
    sent: Sent<Rotate>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let Sent { signed_in, mut fields } = sent;
    let wish = json!({"overlap_seconds": number(&fields.overlap_seconds), "secret": text(&fields.secret)});
    let version = IfMatch::version(fields.version);
    let rotated = rotate_one(&signed_in.caller, &app, &path, &version, Body::of(&wish)).await;
    let refused = match rotated {
        Ok(rotated) => {
            let standard =
                rotated.standard_webhooks_secret.map(|text| ("For a Standard Webhooks library".into(), text));
            return ShownOncePage {
                frame: Frame::of(&app, &signed_in, Section::Webhooks, "Secret rotated"),
                lead: None,
                webhook_url: None,
                secrets: [("New signing secret".into(), rotated.secret_key)]
                    .into_iter()
                    .chain(standard)
                    .collect(),
                notes: Vec::new(),
                next: format!("/webhooks/{path}"),
                next_name: "To the webhook",
            }
            .page(StatusCode::OK);
        }
        Err(refused) => refused,
    };
    let (status, faults) = Faults::of(refused)?;
    let webhook = find(&app, &signed_in.caller, &path).await?;
    fields.version = webhook.version;
    shown(&app, &signed_in, status, webhook.webhook_id, fields, faults)
}

fn shown(
    app: &App,
    signed_in: &SignedIn,
    status: StatusCode,
    webhook_id: WebhookId,
    fields: Rotate,
    faults: Faults,
) -> Result<HttpResponse, ApiError> {
    let frame = Frame::of(app, signed_in, Section::Webhooks, "Rotate the signing secret");
    page_with(status, &RotatePage { frame, webhook_id, fields, faults })
}
