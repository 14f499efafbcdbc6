//! One delivery: every attempt, with what was sent and what the receiver answered.

use actix_web::{HttpResponse, web};
use askama::Template;

use super::answer::{page, see};
use super::done::Done;
use super::filters::Filters;
use super::frame::{Frame, Section};
use super::sent::{Button, Sent};
use super::session::SignedIn;
use super::show::Show;
use crate::api::deliveries;
use crate::api::view::DeliveryDetailView;
use crate::app::App;
use crate::model::{DeliveryId, WebhookId};
use crate::web::ApiError;

#[derive(Template)]
#[template(path = "delivery.html")]
struct DeliveryPage {
    frame: Frame,
    webhook_id: WebhookId,
    detail: DeliveryDetailView,
}

impl DeliveryPage {
    fn path(&self) -> String {
        here(self.webhook_id, self.detail.delivery.delivery_id)
    }
}

/// One delivery.
///
/// # Errors
/// 404: there is none of this id.
pub async fn show(
    app: web::Data<App>,
    signed_in: SignedIn,
    path: web::Path<(String, String)>,
    filters: Filters,
) -> Result<HttpResponse, ApiError> {
    let (webhook, delivery) = deliveries::find_delivery(&app, &signed_in.caller, &path).await?;
    let title = format!("Delivery {}", delivery.delivery_id);
    let frame = Frame::of(&app, &signed_in, Section::Webhooks, title).after(filters.done);
    let detail = deliveries::shown(&app, delivery).await?;
    page(&DeliveryPage { frame, webhook_id: webhook.webhook_id, detail })
}

/// Sends it again.
///
/// # Errors
/// 403, 404, 409: as the API says it.
pub async fn retry(
    app: web::Data<App>,
    sent: Sent<Button>,
    path: web::Path<(WebhookId, DeliveryId)>,
) -> Result<HttpResponse, ApiError> {
    let (webhook_id, delivery_id) = path.into_inner();
    let names = (webhook_id.to_string(), delivery_id.to_string());
    deliveries::retry(sent.caller(), app.clone(), names.into()).await?;
    Ok(see(&app, &Done::SentAgain.at(&here(webhook_id, delivery_id))))
}

fn here(webhook_id: WebhookId, delivery_id: DeliveryId) -> String {
    format!("/webhooks/{webhook_id}/deliveries/{delivery_id}")
}
