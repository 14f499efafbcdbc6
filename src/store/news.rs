//! What has happened to executions of late, for whoever follows all of them: ids by ranges of primary keys, and no more of
//! any than is asked for. Nothing is written for it.

use std::collections::HashMap;

use uuid::Uuid;

use super::db::{Db, statements};
use super::executions::{Row, columns};
use super::{Result, Store, on_read};
use crate::model::{Execution, ExecutionId, Position};

statements! {
    MADE = "SELECT execution_id FROM executions WHERE execution_id > $1 ORDER BY execution_id LIMIT $2";
    // The end of a run always has one.
    TOLD = "SELECT event_id, execution_id FROM events WHERE event_id > $1 ORDER BY event_id LIMIT $2";
    // What goes back to the queue because somebody said so.
    ASKED = "SELECT audit_id, subject FROM audit
        WHERE audit_id > $1 AND action IN ('execution.retried', 'execution.released') ORDER BY audit_id LIMIT $2";
    RUNNING = "SELECT execution_id, run FROM executions WHERE status = 'running' LIMIT $1";
    THIS = concat!("SELECT ", columns!(), " FROM executions WHERE execution_id = $1");
}

/// [`THIS`] of all of them in one round trip.
pub(super) const THESE_POSTGRES: &str =
    concat!("SELECT ", columns!(), " FROM executions WHERE execution_id = ANY($1)");

/// Something has happened to an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct News {
    /// Of version 7: says when, and is no other's.
    pub id: Uuid,
    /// To which.
    pub execution_id: ExecutionId,
}

/// What has happened since a position.
#[derive(Debug)]
pub enum Newest {
    /// All of it, in the order of time.
    All(Vec<News>),
    /// Of one kind there is more than was asked for.
    TooMuch,
}

impl Store {
    /// What has happened since whoever has come this far looked: of each kind (executions made, told, and asked for again)
    /// up to `limit`.
    ///
    /// # Errors
    /// The database's.
    pub async fn news(&self, since: Position, limit: usize) -> Result<Newest> {
        let (after, rows) = (since.lookback(), i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1));
        let made: Vec<Uuid> =
            on_read!(self, |conn| sqlx::query_scalar(MADE).bind(after).bind(rows).fetch_all(conn).await)?;
        let told: Vec<(Uuid, Option<Uuid>)> =
            on_read!(self, |conn| sqlx::query_as(TOLD).bind(after).bind(rows).fetch_all(conn).await)?;
        let asked: Vec<(Uuid, String)> =
            on_read!(self, |conn| sqlx::query_as(ASKED).bind(after).bind(rows).fetch_all(conn).await)?;
        if made.len().max(told.len()).max(asked.len()) > limit {
            return Ok(Newest::TooMuch);
        }
        let news = |id, execution_id| News { id, execution_id: ExecutionId(execution_id) };
        let made = made.into_iter().map(|id| news(id, id));
        let told = told.into_iter().filter_map(|(id, execution_id)| Some(news(id, execution_id?)));
        let asked = asked.into_iter().filter_map(|(id, subject)| Some(news(id, subject.parse().ok()?)));
        let mut all: Vec<News> = made.chain(told).chain(asked).collect();
        all.sort_unstable_by_key(|news| news.id);
        Ok(Newest::All(all))
    }

    /// Up to `limit` executions that run now, and which run of theirs it is.
    ///
    /// # Errors
    /// The database's.
    pub async fn running(&self, limit: usize) -> Result<Vec<(ExecutionId, i32)>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows: Vec<(Uuid, i32)> =
            on_read!(self, |conn| sqlx::query_as(RUNNING).bind(limit).fetch_all(conn).await)?;
        Ok(rows.into_iter().map(|(id, run)| (ExecutionId(id), run)).collect())
    }

    /// These executions as they stand, in this order. One that is not there, or cannot be read, is left out.
    ///
    /// # Errors
    /// The database's.
    pub async fn these_executions(&self, ids: &[ExecutionId]) -> Result<Vec<Execution>> {
        let rows: Vec<Row> = match &self.db {
            Db::Sqlite { read, .. } => {
                let (mut conn, mut rows) = (read.acquire().await?, Vec::with_capacity(ids.len()));
                for id in ids {
                    rows.extend(sqlx::query_as(THIS).bind(id.0).fetch_optional(&mut *conn).await?);
                }
                rows
            }
            Db::Postgres { pool, .. } => {
                let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
                sqlx::query_as(THESE_POSTGRES).bind(ids).fetch_all(pool).await?
            }
        };
        let readable = rows.into_iter().filter_map(|row| Execution::try_from(row).ok());
        let mut found: HashMap<_, _> = readable.map(|one| (one.execution_id, one)).collect();
        Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
    }
}

#[cfg(test)]
mod tests {
    use sqlx::AssertSqlSafe;

    use super::*;

    #[tokio::test]
    async fn a_look_walks_no_table() {
        let directory = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite://{}", directory.path().join("news.db").display());
        let store = Store::open(&url, 1).await.expect("opens");
        store.migrate().await.expect("migrates");
        let Db::Sqlite { read, .. } = &store.db else { unreachable!("a file") };
        for (text, index) in [
            (MADE, "sqlite_autoindex_executions_1 (execution_id>?)"),
            (TOLD, "sqlite_autoindex_events_1 (event_id>?)"),
            (ASKED, "sqlite_autoindex_audit_1 (audit_id>?)"),
            (RUNNING, "executions_"),
            (THIS, "sqlite_autoindex_executions_1 (execution_id=?)"),
        ] {
            let plan = sqlx::query_as(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}")));
            let steps: Vec<(i64, i64, i64, String)> = plan.fetch_all(read).await.expect("a plan");
            let [(.., step)] = &steps[..] else { panic!("one step, nothing sorted: {steps:?}") };
            assert!(step.contains(index), "{text}: {step}");
        }
        assert_eq!(store.running(1).await.expect("an answer"), []);
    }
}
