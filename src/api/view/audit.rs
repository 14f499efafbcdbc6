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
    pub audit_id: AuditId,
    pub at: Stamp,
    /// One of the words that the list's parameter `action` takes; an entry that a newer version of the server wrote may
    /// have another.
    #[schema(value_type = String, example = "agent.updated")]
    pub action: LoggedAction,
    #[schema(required)]
    pub tenant_id: Option<TenantId>,
    pub subject: SubjectView,
    pub actor: ActorView,
    #[schema(required)]
    pub request_id: Option<Uuid>,
    pub detail: Map<String, Value>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditSubject)]
pub struct SubjectView {
    pub r#type: &'static str,
    pub id: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditActor)]
pub struct ActorView {
    #[schema(required)]
    pub key_id: Option<ApiKeyId>,
    pub name: String,
    pub role: KeyRole,
    /// Of an admin it is not told to the key of one tenant.
    #[schema(required, value_type = Option<String>)]
    pub address: Option<IpAddr>,
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
