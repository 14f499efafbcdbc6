//! The audit log: an entry is written in the transaction of what it tells, so it is there exactly if that happened.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Map, Value};
use sqlx::AssertSqlSafe;
use sqlx::types::Json;
use uuid::Uuid;

use super::conditions::{Conditions, Value as Bound, bind_values};
use super::db::{Db, Tx, in_tx, statements};
use super::row::{spell, word};
use super::{Result, Store, on_read};
use crate::model::{Actor, ApiKeyId, AuditAction, AuditEntry, AuditId, LoggedAction, TenantId, Time};

statements! {
    INSERT = "INSERT INTO audit (audit_id, at, action, tenant_id, subject, actor_key_id, actor_name, actor_role, address,
            request_id, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
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
            action: word(&row.action).map_or(LoggedAction::Unknown(row.action), LoggedAction::Known),
            tenant_id: row.tenant_id.map(TenantId::try_from).transpose().map_err(super::row::decode)?,
            subject: row.subject,
            detail: row.detail.0,
        })
    }
}

/// Newest first by id: version 7 ids sort by time. Its limit is the place after the values.
fn text(filter: &AuditFilter, db: &Db) -> (String, Vec<Bound>) {
    let mut wanted = Conditions::default();
    wanted.value("subject =", filter.subject.clone().map(Bound::Text));
    wanted.value("tenant_id =", filter.tenant_id.clone().map(|id| Bound::Text(id.into())));
    wanted.value("action =", filter.action.map(|action| Bound::Text(spell(action))));
    wanted.value("actor_key_id =", filter.key_id.map(|id| Bound::Id(id.0)));
    wanted.page(("audit_id", "at"), filter.from, filter.to, filter.before.map(|id| id.0));
    // A tenant has more entries than any one thing of it, which SQLite does not know.
    let by = match (db, &filter.subject) {
        (Db::Sqlite { .. }, Some(_)) => " INDEXED BY audit_of_subject",
        _ => "",
    };
    let (conditions, limit) = (wanted.text(), wanted.next_place());
    let text = format!("SELECT * FROM audit{by}{conditions} ORDER BY audit_id DESC LIMIT ${limit}");
    (text, wanted.values())
}

/// Each text that there is.
pub(super) fn every_text(db: &Db) -> BTreeSet<String> {
    let texts = (0..128_u8).map(|bits| {
        let has = |bit: u8| bits & (1 << bit) != 0;
        let filter = AuditFilter {
            tenant_id: "t".parse().ok().filter(|_| has(0)),
            subject: has(1).then(String::new),
            action: has(2).then_some(AuditAction::AgentCreated),
            key_id: has(3).then(ApiKeyId::new),
            from: has(4).then_some(Time::UNIX_EPOCH),
            to: has(5).then_some(Time::UNIX_EPOCH),
            before: has(6).then(AuditId::new),
        };
        text(&filter, db).0
    });
    texts.collect()
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
        let (text, values) = text(filter, &self.db);
        let rows: Vec<Row> =
            on_read!(self, |conn| bind_values!(sqlx::query_as(AssertSqlSafe(text)), values)
                .bind(limit)
                .fetch_all(conn)
                .await)?;
        rows.into_iter().map(AuditEntry::try_from).collect()
    }
}

/// Writes an entry in the transaction of what it tells.
pub(super) async fn note(tx: &mut Tx, entry: &AuditEntry) -> Result<()> {
    let actor = &entry.actor;
    in_tx!(tx, |conn| sqlx::query(INSERT)
        .bind(entry.audit_id.0)
        .bind(entry.at)
        .bind(spell(&entry.action))
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

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
