//! Deliveries of an endpoint: what became of them, and sending them again.

use actix_web::{HttpResponse, web};
use chrono::TimeDelta;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::webhooks::{find, of};
use super::{id, query, view};
use crate::app::App;
use crate::model::{AuditAction, Delivery, DeliveryId, DeliveryStatus, RecoveryId, Time, Webhook, WebhookId};
use crate::store::{Again, DeliveryFilter, Recovery};
use crate::web::{ApiError, Body, Caller, Code, Query, limit, to_the_end};

/// Wishes to send again what has failed that an endpoint may have at once.
pub const MAX_RECOVERIES: i64 = 5;

/// The list's query string.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Only in this state.
    status: Option<DeliveryStatus>,
    /// Items on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<DeliveryId>,
}

/// What to send again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookRecover)]
struct Recover {
    /// Deliveries made from then on.
    #[schema(format = DateTime)]
    since: String,
    /// Before then; without it up to now.
    #[schema(format = DateTime)]
    until: Option<String>,
}

/// List a webhook endpoint's deliveries
///
/// Newest first.
#[utoipa::path(
    get, path = "/api/v1/webhooks/{webhook_id}/deliveries", tag = "endpoints", operation_id = "list_deliveries",
    params(("webhook_id" = String, Path, description = "The endpoint."), ListQuery),
    responses((status = 200, description = "A page of deliveries.", body = view::DeliveryPage))
)]
pub async fn list(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    query: Query<ListQuery>,
) -> Result<HttpResponse, ApiError> {
    let webhook = find(&app, &caller, &path).await?;
    Ok(HttpResponse::Ok().json(page(&app, webhook.webhook_id, &query).await?))
}

/// A page of the deliveries to an endpoint, which the caller may see.
pub(crate) async fn page(
    app: &App,
    webhook_id: WebhookId,
    query: &ListQuery,
) -> Result<view::DeliveryPage, ApiError> {
    let limit = limit(query.limit)?;
    let filter = DeliveryFilter { webhook_id, status: query.status, before: query.cursor };
    let total = app.store.count_deliveries(filter).await?;
    let mut deliveries = app.store.delivery_page(filter, limit + 1).await?;
    let wanted = usize::try_from(limit).unwrap_or_default();
    let more = deliveries.len() > wanted;
    deliveries.truncate(wanted);
    let next_cursor = deliveries.last().filter(|_| more).map(|last| last.delivery_id);
    let deliveries = deliveries.into_iter().map(view::delivery).collect();
    Ok(view::DeliveryPage { deliveries, total, limit, next_cursor })
}

/// Show a delivery
///
/// With every attempt.
#[utoipa::path(
    get, path = "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}", tag = "endpoints",
    operation_id = "get_delivery",
    params(
        ("webhook_id" = String, Path, description = "The endpoint."),
        ("delivery_id" = String, Path, description = "The delivery.")
    ),
    responses((status = 200, description = "The delivery.", body = view::DeliveryDetailView))
)]
pub async fn get(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (_, delivery) = find_delivery(&app, &caller, &path).await?;
    Ok(HttpResponse::Ok().json(shown(&app, delivery).await?))
}

/// Send a delivery again
///
/// Now. One that waits for its retry goes at once; one that has ended, with success too, begins its schedule anew. To a
/// disabled endpoint it goes when that is enabled.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/retry", tag = "endpoints",
    operation_id = "retry_delivery",
    params(
        ("webhook_id" = String, Path, description = "The endpoint."),
        ("delivery_id" = String, Path, description = "The delivery.")
    ),
    responses((status = 202, description = "It is due.", body = view::DeliveryDetailView), (status = 409, description = "conflict"))
)]
pub async fn retry(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (webhook, delivery) = find_delivery(&app, &caller, &path).await?;
    let (delivery_id, webhook_id) = (delivery.delivery_id, webhook.webhook_id);
    let entry = caller.writer()?.does(AuditAction::DeliveryRetried, delivery_id, app.clock.now());
    let entry = of(entry, &webhook).with("webhook_id", webhook_id.to_string());
    let again = {
        let app = app.clone();
        to_the_end(async move {
            let again = app.store.retry_delivery(delivery_id, webhook_id, &entry).await;
            app.events_written();
            again
        })
        .await??
    };
    match again {
        Again::Done => {
            let (_, delivery) = find_delivery(&app, &caller, &path).await?;
            Ok(HttpResponse::Accepted().json(shown(&app, delivery).await?))
        }
        Again::InFlight => {
            let detail = "the delivery is being sent just now: wait for its outcome";
            Err(ApiError::new(Code::Conflict, detail))
        }
        Again::Missing => Err(ApiError::not_found()),
    }
}

/// Send again what has failed
///
/// All deliveries of that time that failed or are exhausted, with a fresh schedule, bit by bit. At most 5 such wishes of an
/// endpoint at once; those of a disabled one wait until it is enabled.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{webhook_id}/recover", tag = "endpoints", operation_id = "recover_webhook",
    params(("webhook_id" = String, Path, description = "The endpoint.")),
    request_body(content = Recover, example = json!({"since": "2026-01-31T12:00:00Z"})),
    responses((status = 202, description = "They will be sent.", body = view::RecoveryView), (status = 409, description = "conflict"))
)]
pub async fn recover(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let webhook = find(&app, &caller, &path).await?;
    let writer = caller.writer()?;
    let Recover { since, until } = body.parse()?;
    let now = app.clock.now();
    let since = time("/since", &since)?;
    // What is made in this very moment is among it.
    let until = until.map_or(Ok(now + TimeDelta::milliseconds(1)), |until| time("/until", &until))?;
    if until <= since {
        return Err(ApiError::field("/until", "must be later than since"));
    }
    let (recovery_id, webhook_id) = (RecoveryId::new(), webhook.webhook_id);
    let wish = Recovery { recovery_id, webhook_id, since, until, after_id: Uuid::nil() };
    let entry = of(writer.does(AuditAction::WebhookRecovered, webhook_id, now), &webhook);
    let entry = entry.with("recovery_id", recovery_id.to_string());
    let matched = to_the_end(async move { app.store.recover(&wish, MAX_RECOVERIES, &entry).await }).await??;
    let matched = matched.ok_or_else(|| {
        let detail = format!(
            "{MAX_RECOVERIES} recoveries of this webhook still go on, which is the most: wait until one is done. They go on \
             while the webhook is active"
        );
        ApiError::new(Code::Conflict, detail)
    })?;
    Ok(HttpResponse::Accepted().json(view::RecoveryView { recovery_id, matched }))
}

fn time(name: &str, text: &str) -> Result<Time, ApiError> {
    query::parse_time(text).map_err(|fault| ApiError::field(name, fault))
}

/// The delivery with this id to this endpoint, if the caller may know of it.
pub(crate) async fn find_delivery(
    app: &App,
    caller: &Caller,
    (webhook_id, delivery_id): &(String, String),
) -> Result<(Webhook, Delivery), ApiError> {
    let webhook = find(app, caller, webhook_id).await?;
    let delivery = app.store.delivery(id(delivery_id)?, webhook.webhook_id).await?;
    Ok((webhook, delivery.ok_or_else(ApiError::not_found)?))
}

pub(crate) async fn shown(app: &App, delivery: Delivery) -> Result<view::DeliveryDetailView, ApiError> {
    let attempts = app.store.delivery_attempts(delivery.delivery_id).await?;
    Ok(view::delivery_detail(delivery, attempts))
}
