//! Who is asking, and what they may do.
//!
//! Every change in the store wants an [`AuditEntry`], and only a [`Writer`] makes one: a handler that forgets to ask
//! whether its caller may write has nothing to write with.

use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use super::ApiError;
use crate::model::{Actor, ApiKey, AuditAction, AuditEntry, KeyRole, TenantId, Time};

/// Whoever sent a valid API key.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The key.
    pub key: Arc<ApiKey>,
    /// From where.
    pub address: Option<IpAddr>,
    /// In which request.
    pub request_id: Uuid,
}

/// Proof that the caller may do what it is about to do, and so may have it written down.
pub struct Writer<'a>(&'a Caller);

/// Whose things a list shows.
pub enum Scope {
    /// Everybody's.
    All,
    /// One tenant's.
    Tenant(TenantId),
    /// Nobody's: the caller asked for another tenant.
    Nothing,
}

impl Caller {
    /// Lets on only who may see this tenant.
    ///
    /// # Errors
    /// 404, as if there were nothing.
    pub fn sees(&self, tenant_id: &TenantId) -> Result<(), ApiError> {
        match &self.key.tenant_id {
            Some(own) if own != tenant_id => Err(ApiError::not_found()),
            Some(_) | None => Ok(()),
        }
    }

    /// What a list shows that was asked for this tenant, or for all.
    #[must_use]
    pub fn scope(&self, asked: Option<TenantId>) -> Scope {
        match (self.key.tenant_id.clone(), asked) {
            (None, None) => Scope::All,
            (None, Some(asked)) => Scope::Tenant(asked),
            (Some(own), Some(asked)) if own != asked => Scope::Nothing,
            (Some(own), _) => Scope::Tenant(own),
        }
    }

    /// Lets on only who may change things in their tenant. Ask [`Caller::sees`] before: what is another tenant's is
    /// not there, whatever the role.
    ///
    /// # Errors
    /// 403 for a viewer.
    pub fn writer(&self) -> Result<Writer<'_>, ApiError> {
        if self.key.role.may_write() {
            return Ok(Writer(self));
        }
        Err(ApiError::forbidden("a viewer's key reads and changes nothing: use an operator's or an admin's"))
    }

    /// Lets on only administrators.
    ///
    /// # Errors
    /// 403 for everybody else.
    pub fn admin(&self) -> Result<Writer<'_>, ApiError> {
        match self.key.role {
            KeyRole::Admin => Ok(Writer(self)),
            KeyRole::Operator | KeyRole::Viewer => Err(ApiError::forbidden("this takes an admin's key")),
        }
    }

    /// That the caller comes, for the audit log: everybody may.
    #[must_use]
    pub fn signs_in(&self, at: Time) -> AuditEntry {
        self.does_to_itself(AuditAction::ApiKeySignedIn, at)
    }

    /// That the caller goes.
    #[must_use]
    pub fn signs_out(&self, at: Time) -> AuditEntry {
        self.does_to_itself(AuditAction::ApiKeySignedOut, at)
    }

    fn does_to_itself(&self, action: AuditAction, at: Time) -> AuditEntry {
        let entry = self.does(action, self.key.key_id, at);
        match &self.key.tenant_id {
            Some(tenant_id) => entry.of(tenant_id),
            None => entry,
        }
    }

    fn does(&self, action: AuditAction, subject: impl ToString, at: Time) -> AuditEntry {
        let Self { key, address, request_id } = self;
        let actor = Actor {
            key_id: Some(key.key_id),
            name: key.name.clone(),
            role: key.role,
            address: *address,
            request_id: Some(*request_id),
        };
        AuditEntry::new(actor, action, subject, at)
    }
}

impl Writer<'_> {
    /// What the caller does, for the audit log.
    #[must_use]
    pub fn does(&self, action: AuditAction, subject: impl ToString, at: Time) -> AuditEntry {
        self.0.does(action, subject, at)
    }
}
