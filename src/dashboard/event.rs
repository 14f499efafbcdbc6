//! One event, with what became of it; and reporting one.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::answer::{page, page_with, see};
use super::done::Done;
use super::faults::Faults;
use super::filters::Filters;
use super::frame::{Frame, Section};
use super::sent::Sent;
use super::session::SignedIn;
use super::show::{Show, indented};
use super::typed::text;
use crate::api::events::{publish_one, whole};
use crate::api::view::{EventDetailView, EventTypeView, event_types};
use crate::app::App;
use crate::web::{ApiError, Body};

#[derive(Template)]
#[template(path = "event.html")]
struct EventPage {
    frame: Frame,
    detail: EventDetailView,
}

#[derive(Template)]
#[template(path = "event_form.html")]
struct FormPage {
    frame: Frame,
    /// Names of the catalogue, to choose from.
    types: Vec<EventTypeView>,
    fields: Report,
    faults: Faults,
}

/// What is reported.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Report {
    tenant_id: String,
    event_type: String,
    /// JSON.
    data: String,
    idempotency_key: String,
}

impl EventPage {
    fn data(&self) -> String {
        indented(self.detail.event.data.get())
    }
}

/// One event.
///
/// # Errors
/// 404: there is none of this id.
pub async fn show(
    app: web::Data<App>,
    signed_in: SignedIn,
    path: web::Path<String>,
    filters: Filters,
) -> Result<HttpResponse, ApiError> {
    let detail = whole(&app, &signed_in.caller, &path).await?;
    let title = format!("Event {}", detail.event.event_id);
    let frame = Frame::of(&app, &signed_in, Section::Events, title).after(filters.done);
    page(&EventPage { frame, detail })
}

/// The form to report one.
///
/// # Errors
/// 403: a viewer reports none.
pub async fn new(app: web::Data<App>, signed_in: SignedIn) -> Result<HttpResponse, ApiError> {
    signed_in.caller.writer()?;
    let fields = Report { event_type: "custom.".into(), data: "{}".into(), ..Report::default() };
    shown(&app, &signed_in, StatusCode::OK, fields, Faults::default())
}

/// Reports one, and goes there.
///
/// # Errors
/// 403: a viewer reports none; 503: too many wait.
pub async fn publish(app: web::Data<App>, sent: Sent<Report>) -> Result<HttpResponse, ApiError> {
    let Sent { signed_in, fields } = sent;
    let published = match wish(&signed_in, &fields) {
        Ok(wish) => publish_one(&signed_in.caller, &app, wish).await,
        Err(refused) => Err(refused),
    };
    match published {
        Ok(event_id) => Ok(see(&app, &Done::Published.at(&format!("/events/{event_id}")))),
        Err(refused) => {
            let (status, faults) = Faults::of(refused)?;
            shown(&app, &signed_in, status, fields, faults)
        }
    }
}

/// As the API takes it: the data to the letter.
#[derive(Serialize)]
struct Said<'a> {
    tenant_id: Value,
    event_type: &'a str,
    idempotency_key: Value,
    data: &'a RawValue,
}

fn wish(signed_in: &SignedIn, fields: &Report) -> Result<Body, ApiError> {
    signed_in.caller.writer()?;
    let data: &RawValue = serde_json::from_str(&fields.data)
        .map_err(|error| ApiError::field("/data", format!("is no JSON: {error}")))?;
    let said = Said {
        tenant_id: text(&fields.tenant_id),
        event_type: fields.event_type.trim(),
        idempotency_key: text(&fields.idempotency_key),
        data,
    };
    Body::written(&said)
}

fn shown(
    app: &App,
    signed_in: &SignedIn,
    status: StatusCode,
    fields: Report,
    faults: Faults,
) -> Result<HttpResponse, ApiError> {
    let frame = Frame::of(app, signed_in, Section::Events, "Publish an event");
    let types = event_types().event_types.into_iter().filter(|kind| !kind.reserved).collect();
    page_with(status, &FormPage { frame, types, fields, faults })
}
