//! The list of webhooks that events are sent to.

use actix_web::{HttpResponse, web};
use askama::Template;

use super::answer::page;
use super::filters::Filters;
use super::frame::{Frame, Section};
use super::session::SignedIn;
use super::show::Show;
use crate::api::view::WebhookView;
use crate::api::webhooks;
use crate::app::App;
use crate::web::ApiError;

#[derive(Template)]
#[template(path = "webhooks.html")]
struct WebhooksPage {
    frame: Frame,
    filters: Filters,
    webhooks: Vec<WebhookView>,
    next_cursor: Option<String>,
}

/// A page of webhooks.
///
/// # Errors
/// 422: a filter is wrong.
pub async fn list(
    app: web::Data<App>,
    signed_in: SignedIn,
    filters: Filters,
) -> Result<HttpResponse, ApiError> {
    let list = webhooks::page(&app, &signed_in.caller, &filters.read()?).await?;
    let (webhooks, next_cursor) = list.into_parts();
    let frame = Frame::of(&app, &signed_in, Section::Webhooks, "Webhooks");
    page(&WebhooksPage { frame, filters, webhooks, next_cursor })
}
