//! The audit log: an entry is written in the transaction of what it tells, so it is there exactly if that happened.

use std::net::IpAddr;

use serde_json::{Map, Value};
use sqlx::types::Json;
use uuid::Uuid;

use super::db::{Tx, in_tx, statements};
use super::row::{spell, word};
use super::{Result, Store, on_read};
use crate::model::{Actor, ApiKeyId, AuditAction, AuditEntry, AuditId, TenantId, Time};

statements! {
    INSERT = "INSERT INTO audit (audit_id, at, action, tenant_id, subject, actor_key_id, actor_name, actor_role, address,
            request_id, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    LIST = "SELECT * FROM audit WHERE (action = $1 OR $1 IS NULL) AND (actor_key_id = $2 OR $2 IS NULL)
            AND (at >= $3 OR $3 IS NULL) AND (at < $4 OR $4 IS NULL) AND (audit_id < $5 OR $5 IS NULL)
        ORDER BY audit_id DESC LIMIT $6";
    LIST_OF_TENANT = "SELECT * FROM audit WHERE tenant_id = $7 AND (action = $1 OR $1 IS NULL)
            AND (actor_key_id = $2 OR $2 IS NULL) AND (at >= $3 OR $3 IS NULL) AND (at < $4 OR $4 IS NULL)
            AND (audit_id < $5 OR $5 IS NULL)
        ORDER BY audit_id DESC LIMIT $6";
    LIST_OF_SUBJECT = "SELECT * FROM audit WHERE subject = $7 AND (action = $1 OR $1 IS NULL)
            AND (actor_key_id = $2 OR $2 IS NULL) AND (at >= $3 OR $3 IS NULL) AND (at < $4 OR $4 IS NULL)
            AND (audit_id < $5 OR $5 IS NULL) AND (tenant_id = $8 OR $8 IS NULL)
        ORDER BY audit_id DESC LIMIT $6";
}

/// Which entries a page shows; every `None` lets all pass.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Of this tenant: without it, the platform's own entries too.
    pub tenant_id: Option<TenantId>,
    /// About the agent, tenant, key or execution with this id.
    pub subject: Option<String>,
    /// Of this kind.
    pub action: Option<AuditAction>,
    /// By the holder of this key.
    pub key_id: Option<ApiKeyId>,
    /// At this time or later.
    pub from: Option<Time>,
    /// Before this time.
    pub to: Option<Time>,
    /// Older than this entry: the page's cursor.
    pub before: Option<AuditId>,
}

#[derive(sqlx::FromRow)]
struct Row {
    audit_id: Uuid,
    at: Time,
    action: String,
    tenant_id: Option<String>,
    subject: String,
    actor_key_id: Option<Uuid>,
    actor_name: String,
    actor_role: String,
    address: Option<String>,
    request_id: Option<Uuid>,
    detail: Json<Map<String, Value>>,
}

impl TryFrom<Row> for AuditEntry {
    type Error = super::Error;
    fn try_from(row: Row) -> Result<Self> {
        let address = row.address.map(|text| text.parse::<IpAddr>()).transpose();
        Ok(Self {
            audit_id: AuditId(row.audit_id),
            at: row.at,
            actor: Actor {
                key_id: row.actor_key_id.map(ApiKeyId),
                name: row.actor_name,
                role: word(&row.actor_role)?,
                address: address.map_err(super::row::decode)?,
                request_id: row.request_id,
            },
            action: word(&row.action)?,
            tenant_id: row.tenant_id.map(TenantId::try_from).transpose().map_err(super::row::decode)?,
            subject: row.subject,
            detail: row.detail.0,
        })
    }
}

impl Store {
    /// Notes what changes no row of its own, such as that a secret was shown. Only then may it be shown.
    ///
    /// # Errors
    /// The database's.
    pub async fn audit(&self, entry: &AuditEntry) -> Result<()> {
        let mut tx = self.db.begin().await?;
        note(&mut tx, entry).await?;
        tx.commit().await
    }

    /// Up to `limit` entries, the newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn audit_log(&self, filter: &AuditFilter, limit: i64) -> Result<Vec<AuditEntry>> {
        let tenant = filter.tenant_id.as_ref().map(TenantId::as_str);
        let (sql, last) = match (&filter.subject, tenant) {
            (Some(subject), tenant) => (LIST_OF_SUBJECT, vec![Some(subject.as_str()), tenant]),
            (None, Some(tenant)) => (LIST_OF_TENANT, vec![Some(tenant)]),
            (None, None) => (LIST, Vec::new()),
        };
        let rows: Vec<Row> = on_read!(self, |conn| {
            let query = sqlx::query_as(sql)
                .bind(filter.action.map(spell))
                .bind(filter.key_id.map(|id| id.0))
                .bind(filter.from)
                .bind(filter.to)
                .bind(filter.before.map(|id| id.0))
                .bind(limit);
            last.into_iter().fold(query, |query, value| query.bind(value)).fetch_all(conn).await
        })?;
        rows.into_iter().map(AuditEntry::try_from).collect()
    }
}

/// Writes an entry in the transaction of what it tells.
pub(super) async fn note(tx: &mut Tx, entry: &AuditEntry) -> Result<()> {
    let actor = &entry.actor;
    in_tx!(tx, |conn| sqlx::query(INSERT)
        .bind(entry.audit_id.0)
        .bind(entry.at)
        .bind(spell(entry.action))
        .bind(entry.tenant_id.as_ref().map(TenantId::as_str))
        .bind(&entry.subject)
        .bind(actor.key_id.map(|id| id.0))
        .bind(&actor.name)
        .bind(spell(actor.role))
        .bind(actor.address.map(|address| address.to_string()))
        .bind(actor.request_id)
        .bind(Json(&entry.detail))
        .execute(conn)
        .await
        .map(|_| ()))?;
    Ok(())
}
