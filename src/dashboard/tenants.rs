//! The list of tenants.

use actix_web::{HttpResponse, web};
use askama::Template;

use super::answer::page;
use super::filters::Filters;
use super::frame::{Frame, Section};
use super::session::SignedIn;
use super::show::Show;
use crate::api::tenants;
use crate::api::view::TenantView;
use crate::app::App;
use crate::web::ApiError;

#[derive(Template)]
#[template(path = "tenants.html")]
struct TenantsPage {
    frame: Frame,
    filters: Filters,
    tenants: Vec<TenantView>,
    next_cursor: Option<String>,
}

/// A page of tenants.
///
/// # Errors
/// 422: a filter is wrong.
pub async fn list(
    app: web::Data<App>,
    signed_in: SignedIn,
    filters: Filters,
) -> Result<HttpResponse, ApiError> {
    let found = tenants::page(&app, &signed_in.caller, &filters.read()?).await?;
    let (tenants, next_cursor) = found.into_parts();
    let frame = Frame::of(&app, &signed_in, Section::Tenants, "Tenants").after(filters.done);
    page(&TenantsPage { frame, filters, tenants, next_cursor })
}
