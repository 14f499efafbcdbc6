//! Events: what has happened, and what there may be.

use actix_web::{HttpResponse, web};
use askama::Template;

use super::answer::page;
use super::filters::Filters;
use super::frame::{Frame, Section};
use super::session::SignedIn;
use crate::api::events;
use crate::api::view::{EventTypeView, EventView, event_types};
use crate::app::App;
use crate::web::ApiError;

#[derive(Template)]
#[template(path = "events.html")]
struct EventsPage {
    frame: Frame,
    filters: Filters,
    /// Names of the catalogue, to choose from.
    types: Vec<EventTypeView>,
    events: Vec<EventView>,
    next_cursor: Option<String>,
}

#[derive(Template)]
#[template(path = "event_types.html")]
struct TypesPage {
    frame: Frame,
    types: Vec<EventTypeView>,
}

/// A page of events.
///
/// # Errors
/// 422: a filter is wrong.
pub async fn list(
    app: web::Data<App>,
    signed_in: SignedIn,
    filters: Filters,
) -> Result<HttpResponse, ApiError> {
    let found = events::page(&app, &signed_in.caller, &filters.read()?).await?;
    let (events, next_cursor) = found.into_parts();
    let frame = Frame::of(&app, &signed_in, Section::Events, "Events").after(filters.done);
    page(&EventsPage { frame, filters, types: event_types().event_types, events, next_cursor })
}

/// The catalogue.
///
/// # Errors
/// None of its own.
pub async fn types(app: web::Data<App>, signed_in: SignedIn) -> Result<HttpResponse, ApiError> {
    let frame = Frame::of(&app, &signed_in, Section::Events, "Event types");
    page(&TypesPage { frame, types: event_types().event_types })
}
