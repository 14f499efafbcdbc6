//! Entries of the audit log as the API shows them.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Stamp;
use crate::model::{ApiKeyId, AuditEntry, AuditId, KeyRole, LoggedAction, TenantId};

#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditView {
    audit_id: AuditId,
    at: Stamp,
    /// One of the words that the list's parameter `action` takes; an entry that a newer version of the server wrote may
    /// have another.
    #[schema(value_type = String, example = "agent.updated")]
    action: LoggedAction,
    #[schema(required)]
    tenant_id: Option<TenantId>,
    subject: SubjectView,
    actor: ActorView,
    #[schema(required)]
    request_id: Option<Uuid>,
    detail: Map<String, Value>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditSubject)]
struct SubjectView {
    r#type: &'static str,
    id: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditActor)]
struct ActorView {
    #[schema(required)]
    key_id: Option<ApiKeyId>,
    name: String,
    role: KeyRole,
    /// Of an admin it is not told to the key of one tenant.
    #[schema(required, value_type = Option<String>)]
    address: Option<IpAddr>,
}

pub fn audit(entry: AuditEntry) -> AuditView {
    let actor = entry.actor;
    AuditView {
        audit_id: entry.audit_id,
        at: Stamp(entry.at),
        tenant_id: entry.tenant_id,
        subject: SubjectView { r#type: entry.action.subject_type(), id: entry.subject },
        action: entry.action,
        actor: ActorView { key_id: actor.key_id, name: actor.name, role: actor.role, address: actor.address },
        request_id: actor.request_id,
        detail: entry.detail,
    }
}
