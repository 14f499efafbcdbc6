//! The audit log: who changed what, and to whom secrets were shown.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{query, view};
use crate::app::App;
use crate::model::{ApiKeyId, AuditAction, AuditId, KeyRole, TenantId, Time};
use crate::store::AuditFilter;
use crate::web::{ApiError, Caller, Page, Query, Scope, limit};

/// The list's query string.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Only this tenant's.
    tenant_id: Option<TenantId>,
    /// Only about the thing with this id.
    #[serde(default, deserialize_with = "query::text")]
    subject: Option<String>,
    /// Only this action.
    action: Option<AuditAction>,
    /// Only what was done with this key.
    key_id: Option<ApiKeyId>,
    /// From then on.
    #[serde(default, deserialize_with = "query::time")]
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Time>,
    /// Before then.
    #[serde(default, deserialize_with = "query::time")]
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Time>,
    /// Items on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<AuditId>,
}

/// List the audit log
///
/// Newest first: every write, and every secret that was shown. A key of one tenant sees what was done since that tenant
/// was made, and not from which address an admin did it.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit", operation_id = "list_audit", params(ListQuery),
    responses((status = 200, description = "A page of entries.", body = view::AuditPage))
)]
pub async fn list(
    caller: Caller,
    app: web::Data<App>,
    query: Query<ListQuery>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(page(&app, &caller, &query).await?))
}

/// A page of the log, as it is asked for.
pub(crate) async fn page(
    app: &App,
    caller: &Caller,
    query: &ListQuery,
) -> Result<Page<view::AuditView>, ApiError> {
    let limit = limit(query.limit)?;
    let tenant_id = match caller.scope(query.tenant_id.clone()) {
        Scope::All => None,
        Scope::Tenant(tenant_id) => Some(tenant_id),
        Scope::Nothing => return Ok(Page::empty("audit")),
    };
    let mut filter = AuditFilter {
        tenant_id,
        subject: query.subject.clone(),
        action: query.action,
        key_id: query.key_id,
        from: query.from,
        to: query.to,
        before: query.cursor,
    };
    if let Some(own) = &caller.key.tenant_id {
        // Of a tenant that had the same id before, and is deleted, this one hears nothing.
        let Some(own) = app.store.tenant(own).await? else {
            return Ok(Page::empty("audit"));
        };
        filter.from = filter.from.max(Some(own.created_at));
    }
    let mut entries = app.store.audit_log(&filter, limit + 1).await?;
    if caller.key.tenant_id.is_some() {
        // Where the platform's people sit is not the tenant's business.
        for entry in entries.iter_mut().filter(|entry| entry.actor.role == KeyRole::Admin) {
            entry.actor.address = None;
        }
    }
    Ok(Page::of("audit", entries, limit, |entry| entry.audit_id.to_string(), view::audit))
}
