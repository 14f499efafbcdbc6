//! The audit log: who changed what, and to whom secrets were shown.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{query, view};
use crate::app::App;
use crate::model::{ApiKeyId, AuditAction, AuditId, KeyRole, TenantId};
use crate::store::AuditFilter;
use crate::web::{ApiError, Caller, Page, Query, Scope, limit};

/// The list's query string.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Only this tenant's.
    #[param(value_type = Option<TenantId>)]
    tenant_id: Option<String>,
    /// Only about the thing with this id.
    subject: Option<String>,
    /// Only this action.
    #[param(value_type = Option<AuditAction>)]
    action: Option<String>,
    /// Only what was done with this key.
    #[param(value_type = Option<ApiKeyId>)]
    key_id: Option<String>,
    /// From then on.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<String>,
    /// Before then.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<String>,
    /// Items on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<AuditId>)]
    cursor: Option<String>,
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
    let limit = limit(query.limit)?;
    let mut filter = filter(&query)?;
    filter.tenant_id = match caller.scope(filter.tenant_id.take()) {
        Scope::All => None,
        Scope::Tenant(tenant_id) => Some(tenant_id),
        Scope::Nothing => return Ok(HttpResponse::Ok().json(Page::<()>::empty("audit"))),
    };
    if let Some(own) = &caller.key.tenant_id {
        // Of a tenant that had the same id before, and is deleted, this one hears nothing.
        let Some(own) = app.store.tenant(own).await? else {
            return Ok(HttpResponse::Ok().json(Page::<()>::empty("audit")));
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
    let page = Page::of("audit", entries, limit, |entry| entry.audit_id.to_string(), view::audit);
    Ok(HttpResponse::Ok().json(page))
}

fn filter(asked: &ListQuery) -> Result<AuditFilter, ApiError> {
    let action = |text: &str| {
        serde_json::from_value::<AuditAction>(text.into()).map_err(|_| "is no action, such as agent.updated")
    };
    Ok(AuditFilter {
        tenant_id: query::parameter("tenant_id", &asked.tenant_id, query::tenant_id)?,
        // Postgres can look for it in no text.
        subject: query::parameter("subject", &asked.subject, |text| match text.contains('\0') {
            true => Err("must not contain the character U+0000"),
            false => Ok(text.to_owned()),
        })?,
        action: query::parameter("action", &asked.action, action)?,
        key_id: query::parameter("key_id", &asked.key_id, |text| text.parse().map_err(|_| "is no key id"))?,
        from: query::parameter("from", &asked.from, query::time)?,
        to: query::parameter("to", &asked.to, query::time)?,
        before: query::parameter("cursor", &asked.cursor, |text| {
            text.parse::<AuditId>().map_err(|_| "is not a cursor of this list")
        })?,
    })
}
