//! The journal of changes: how a process on Postgres learns what the others have changed.
//!
//! A row is written in the transaction of the change, so it is there exactly if the change is. On SQLite
//! nothing is written: the one process knows its own changes.

use uuid::Uuid;

use super::db::{Tx, in_tx, statements};
use super::{Result, Store, on_read, on_write};
use crate::model::{AgentId, Change, Time};

statements! {
    INSERT = "INSERT INTO changes (change_id, kind, subject, changed_at) VALUES ($1, $2, $3, $4)";
    SINCE = "SELECT change_id, kind, subject FROM changes WHERE changed_at > $1 ORDER BY changed_at LIMIT $2";
    PRUNE = "DELETE FROM changes WHERE change_id IN
        (SELECT change_id FROM changes WHERE changed_at < $1 ORDER BY changed_at LIMIT $2)";
}

const AGENT: &str = "agent";
const TENANT: &str = "tenant";
const API_KEYS: &str = "api_keys";
const WEBHOOKS: &str = "webhooks";

/// A row of the journal.
#[derive(Clone, Debug)]
pub struct JournalRow {
    /// Tells it from others.
    pub change_id: Uuid,
    /// What changed; `None` if only a newer version knows it.
    pub change: Option<Change>,
}

impl Store {
    /// Up to `limit` changes after a time, the oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn changes(&self, since: Time, limit: i64) -> Result<Vec<JournalRow>> {
        let rows: Vec<(Uuid, String, String)> =
            on_read!(self, |conn| sqlx::query_as(SINCE).bind(since).bind(limit).fetch_all(conn).await)?;
        let row = |(change_id, kind, subject): (Uuid, String, String)| {
            let change = match kind.as_str() {
                AGENT => subject.parse().ok().map(|id| Change::Agent(AgentId(id))),
                TENANT => subject.parse().ok().map(Change::Tenant),
                API_KEYS => Some(Change::ApiKeys),
                WEBHOOKS => subject.parse().ok().map(Change::Webhooks),
                _ => None,
            };
            JournalRow { change_id, change }
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// Forgets up to `limit` changes before a time; how many it were.
    ///
    /// # Errors
    /// The database's.
    pub async fn prune_changes(&self, before: Time, limit: i64) -> Result<u64> {
        Ok(on_write!(self, |conn| sqlx::query(PRUNE)
            .bind(before)
            .bind(limit)
            .execute(conn)
            .await
            .map(|done| done.rows_affected()))?)
    }
}

/// Notes a change in the transaction that makes it.
pub(super) async fn note(tx: &mut Tx, change: &Change, now: Time) -> Result<()> {
    if matches!(tx, Tx::Sqlite(_)) {
        return Ok(());
    }
    let (kind, subject) = match change {
        Change::Agent(id) => (AGENT, id.to_string()),
        Change::Tenant(id) => (TENANT, id.to_string()),
        Change::ApiKeys => (API_KEYS, String::new()),
        Change::Webhooks(id) => (WEBHOOKS, id.to_string()),
    };
    in_tx!(tx, |conn| sqlx::query(INSERT)
        .bind(Uuid::now_v7())
        .bind(kind)
        .bind(subject)
        .bind(now)
        .execute(conn)
        .await
        .map(|_| ()))?;
    Ok(())
}
