//! The audit log: who did what, and to what.

use actix_web::{HttpResponse, web};
use askama::Template;

use super::answer::page;
use super::filters::Filters;
use super::frame::{Frame, Section};
use super::session::SignedIn;
use super::show::Show;
use crate::api::audit;
use crate::api::view::AuditView;
use crate::app::App;
use crate::web::ApiError;

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    filters: Filters,
    entries: Vec<AuditView>,
    next_cursor: Option<String>,
}

impl AuditPage {
    /// The page of what an entry is about, where there is one.
    fn subject_path(&self, entry: &AuditView) -> Option<String> {
        let id = &entry.subject.id;
        match entry.subject.r#type {
            "agent" => Some(format!("/agents/{id}")),
            "execution" => Some(format!("/executions/{id}")),
            "tenant" => Some(format!("/tenants/{id}")),
            "webhook" => Some(format!("/webhooks/{id}")),
            "delivery" => {
                let webhook_id = entry.detail.get("webhook_id")?.as_str()?;
                Some(format!("/webhooks/{webhook_id}/deliveries/{id}"))
            }
            _ => None,
        }
    }

    fn detail(&self, entry: &AuditView) -> Option<String> {
        let detail = (!entry.detail.is_empty()).then_some(&entry.detail)?;
        serde_json::to_string_pretty(detail).ok()
    }
}

/// A page of the log.
///
/// # Errors
/// 422: a filter is wrong.
pub async fn list(
    app: web::Data<App>,
    signed_in: SignedIn,
    filters: Filters,
) -> Result<HttpResponse, ApiError> {
    let found = audit::page(&app, &signed_in.caller, &filters.read()?).await?;
    let (entries, next_cursor) = found.into_parts();
    let frame = Frame::of(&app, &signed_in, Section::Audit, "Audit");
    page(&AuditPage { frame, filters, entries, next_cursor })
}
