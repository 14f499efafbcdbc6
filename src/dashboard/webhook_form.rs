//! Making a webhook, and changing its settings. What the API does not take is told at its field, with what was typed.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde_json::{Map, Value};

use super::answer::{page_with, see};
use super::done::Done;
use super::faults::Faults;
use super::filters::Filters;
use super::frame::{Frame, Section};
use super::sent::Sent;
use super::session::SignedIn;
use super::shown_once::ShownOncePage;
use super::typed::{changed, text};
use super::webhook_fields::WebhookFields;
use crate::api::view::{ShownOnce, WebhookView};
use crate::api::webhooks::{find, make, patch, refuse_platform, show};
use crate::app::App;
use crate::model::WebhookId;
use crate::web::{ApiError, Body, Code, IfMatch};

#[derive(Template)]
#[template(path = "webhook_form.html")]
struct FormPage {
    frame: Frame,
    /// The one that is changed; else a new one is made.
    webhook_id: Option<WebhookId>,
    fields: WebhookFields,
    faults: Faults,
}

impl FormPage {
    fn path(&self) -> String {
        self.webhook_id.map_or_else(|| "/webhooks".to_owned(), |id| format!("/webhooks/{id}"))
    }

    fn profiles(&self) -> [(&'static str, &'static str); 5] {
        [
            ("standard", "standard: the envelope, signed in hex and by Standard Webhooks"),
            ("standard-webhooks", "standard-webhooks: Standard Webhooks and nothing else"),
            ("hub", "hub: the envelope, signed as GitHub signs"),
            ("hokusai", "hokusai: registrations of models alone"),
            ("mlflow", "mlflow: registrations of models alone"),
        ]
    }

    fn when_exhausted(&self) -> [(&'static str, &'static str); 3] {
        [
            ("", "as the schedule has it"),
            ("true", "disable the webhook"),
            ("false", "leave the webhook active"),
        ]
    }

    fn presets(&self) -> [(&'static str, &'static str); 4] {
        [
            ("standard", "standard: after 5 min, 30 min, 2 h, 8 h, 24 h"),
            ("fast", "fast: after 1, 2, 4 s"),
            ("hokusai", "hokusai: after 2, 4, 8, 16, 32 s"),
            ("own", "a schedule of my own"),
        ]
    }
}

/// The form for a new one.
///
/// # Errors
/// 403: a viewer makes none.
pub async fn new(
    app: web::Data<App>,
    signed_in: SignedIn,
    filters: Filters,
) -> Result<HttpResponse, ApiError> {
    signed_in.caller.writer()?;
    let fields = WebhookFields {
        tenant_id: filters.get("tenant_id").to_owned(),
        agent_id: filters.get("agent_id").to_owned(),
        ..WebhookFields::default()
    };
    shown(&app, &signed_in, StatusCode::OK, None, fields, Faults::default())
}

/// Makes one, and shows its secret, this once.
///
/// # Errors
/// 403: a viewer makes none.
pub async fn create(app: web::Data<App>, sent: Sent<WebhookFields>) -> Result<HttpResponse, ApiError> {
    let Sent { signed_in, fields } = sent;
    let made = match with_secret(&fields, &Map::new()) {
        Ok(mut wish) => {
            wish.insert("tenant_id".to_owned(), text(&fields.tenant_id));
            make(&signed_in.caller, &app, Body::of(&wish)).await
        }
        Err(refused) => Err(refused),
    };
    match made {
        Ok(made) => secret_page(&app, &signed_in, StatusCode::CREATED, made, "Webhook made"),
        Err(refused) => {
            let (status, mut faults) = Faults::of(refused)?;
            if !fields.secret.is_empty() {
                faults = faults.forgetting_the_secret();
            }
            shown(&app, &signed_in, status, None, fields, faults)
        }
    }
}

/// The form for one that is there.
///
/// # Errors
/// 403: a viewer changes none; 404: there is none of this id; 409: it is changed elsewhere.
pub async fn edit(
    app: web::Data<App>,
    signed_in: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let (webhook_id, present) = present(&app, &signed_in, &path).await?;
    shown(&app, &signed_in, StatusCode::OK, Some(webhook_id), present, Faults::default())
}

/// Changes what is not as it was, if nobody else has changed anything since the form was opened.
///
/// # Errors
/// 403: a viewer changes none; 404: there is none of this id; 409: it is changed elsewhere.
pub async fn save(
    app: web::Data<App>,
    sent: Sent<WebhookFields>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let Sent { signed_in, mut fields } = sent;
    let (webhook_id, present) = present(&app, &signed_in, &path).await?;
    let version = IfMatch::version(fields.version);
    // Not against what is there now: after a conflict the form still says what somebody else has changed since.
    let were = serde_json::from_str(&fields.were).unwrap_or_default();
    let saved = match with_secret(&fields, &were) {
        Ok(wish) => patch(&signed_in.caller, &app, &path, &version, Body::of(&wish)).await,
        Err(refused) => Err(refused),
    };
    let refused = match saved {
        Ok(saved) if saved.secret_key.is_some() || !saved.warnings.is_empty() => {
            return secret_page(&app, &signed_in, StatusCode::OK, saved, "Webhook saved");
        }
        Ok(_) => return Ok(see(&app, &Done::Saved.at(&format!("/webhooks/{webhook_id}")))),
        Err(refused) => refused,
    };
    let is_conflict = refused.code() == Code::VersionMismatch;
    let (status, mut faults) = Faults::of(refused)?;
    if is_conflict {
        faults.whole = Some(format!(
            "nothing was saved: somebody else has changed the webhook since you opened this form, and it is at version {} \
             now. Look at what it is now before you save: what you have changed here would then take its place, and \
             everything else stay as it is",
            present.version
        ));
        fields.version = present.version;
    }
    if !fields.secret.is_empty() {
        faults = faults.forgetting_the_secret();
    }
    shown(&app, &signed_in, status, Some(webhook_id), fields, faults)
}

/// The settings as they are, for whoever may change them.
async fn present(
    app: &App,
    signed_in: &SignedIn,
    path: &str,
) -> Result<(WebhookId, WebhookFields), ApiError> {
    let webhook = find(app, &signed_in.caller, path).await?;
    signed_in.caller.writer()?;
    refuse_platform(&webhook)?;
    let (webhook_id, options) = (webhook.webhook_id, webhook.options.clone());
    let view = show(app, &signed_in.caller, webhook, ShownOnce::default()).await?;
    Ok((webhook_id, WebhookFields::of(view, &options)?))
}

/// What is not as it was, and the secret if there is a new one.
fn with_secret(fields: &WebhookFields, were: &Map<String, Value>) -> Result<Map<String, Value>, ApiError> {
    let mut wish = changed(fields.settings()?, were);
    if let secret @ Value::String(_) = text(&fields.secret) {
        wish.insert("secret".to_owned(), secret);
    }
    Ok(wish)
}

fn secret_page(
    app: &App,
    signed_in: &SignedIn,
    status: StatusCode,
    webhook: WebhookView,
    title: &str,
) -> Result<HttpResponse, ApiError> {
    let standard =
        webhook.standard_webhooks_secret.map(|text| ("For a Standard Webhooks library".into(), text));
    let secret = webhook.secret_key.map(|text| ("Signing secret".into(), text));
    ShownOncePage {
        frame: Frame::of(app, signed_in, Section::Webhooks, title),
        lead: None,
        webhook_url: None,
        secrets: secret.into_iter().chain(standard).collect(),
        notes: webhook.warnings,
        next: format!("/webhooks/{}", webhook.webhook_id),
        next_name: "To the webhook",
    }
    .page(status)
}

fn shown(
    app: &App,
    signed_in: &SignedIn,
    status: StatusCode,
    webhook_id: Option<WebhookId>,
    fields: WebhookFields,
    faults: Faults,
) -> Result<HttpResponse, ApiError> {
    let title = if webhook_id.is_some() { "Change a webhook" } else { "New webhook" };
    let frame = Frame::of(app, signed_in, Section::Webhooks, title);
    page_with(status, &FormPage { frame, webhook_id, fields, faults })
}
