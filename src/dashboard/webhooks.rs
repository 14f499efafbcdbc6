//! The list of webhooks that events are sent to.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::answer::page;
use super::filters::Filters;
use super::frame::{Frame, Section};
use super::session::SignedIn;
use super::show::Show;
use crate::api::view::{ShownOnce, WebhookView};
use crate::api::webhooks;
use crate::app::App;
use crate::model::TenantId;
use crate::web::{ApiError, MAX_LIMIT, Scope};

#[derive(Template)]
#[template(path = "webhooks.html")]
struct WebhooksPage {
    frame: Frame,
    filters: Filters,
    webhooks: Vec<WebhookView>,
    next_cursor: Option<String>,
}

/// Those in trouble, of all tenants or of one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unwell {
    tenant_id: Option<TenantId>,
    #[serde(rename = "unwell")]
    _only: String,
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
    let (webhooks, next_cursor) = if filters.get("unwell").is_empty() {
        webhooks::page(&app, &signed_in.caller, &filters.read()?).await?.into_parts()
    } else {
        (unwell(&app, &signed_in, filters.read()?).await?, None)
    };
    let frame = Frame::of(&app, &signed_in, Section::Webhooks, "Webhooks").after(filters.done);
    page(&WebhooksPage { frame, filters, webhooks, next_cursor })
}

/// The first of those that nothing is sent to, or not everything.
async fn unwell(app: &App, signed_in: &SignedIn, asked: Unwell) -> Result<Vec<WebhookView>, ApiError> {
    let tenant = match signed_in.caller.scope(asked.tenant_id) {
        Scope::All => None,
        Scope::Tenant(tenant_id) => Some(tenant_id),
        Scope::Nothing => return Ok(Vec::new()),
    };
    let unwell = app.store.unwell_webhooks(tenant.as_ref(), MAX_LIMIT, app.clock.now()).await?;
    let role = signed_in.caller.key.role;
    let shown = |(webhook, health)| webhooks::shown_as(app, webhook, &health, role, ShownOnce::default());
    Ok(unwell.into_iter().map(shown).collect())
}
