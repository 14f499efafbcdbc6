//! The accept: a batch of hooks becomes rows in one commit, each delivery once.
//!
//! `(agent_id, dedupe_key)` is unique, so the database itself decides between copies that arrive at once,
//! in one process or in many. A row gives its key up when the window has passed or its run has failed.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::db::{Db, Tx, in_tx, statements};
use super::group::Entry;
use super::row::word;
use super::{Error, Result, Store};
use crate::model::{ExecutionId, ExecutionStatus, NewExecution, Time};

/// The whole batch in one trip, which is a transaction of its own.
pub(super) const INSERT_POSTGRES: &str = "INSERT INTO executions (execution_id, tenant_id, agent_id, agent_version, status,
        payload, secret_id, request_id, dedupe_key, dedupe_until, received_at, due_at, claims, tries, attempt_count)
    SELECT id, tenant, agent, version, 'queued', payload, secret, request, key, until, at, at, 0, 0, 0
    FROM UNNEST($1::uuid[], $2::text[], $3::uuid[], $4::int[], $5::bytea[], $6::uuid[], $7::uuid[], $8::text[],
        $9::timestamptz[], $10::timestamptz[])
        AS t (id, tenant, agent, version, payload, secret, request, key, until, at)
    ON CONFLICT DO NOTHING
    RETURNING execution_id";

/// The same on SQLite, for so many rows: each statement is a trip to the connection's thread.
pub(super) static INSERT_SQLITE: LazyLock<[(usize, String); 3]> = LazyLock::new(|| {
    [64, 8, 1].map(|rows| {
        let row = |n: usize| {
            let [id, tenant, agent, version, payload, secret, request, key, until, at] =
                std::array::from_fn(|column| format!("${}", n * 10 + column + 1));
            format!(
                "({id}, {tenant}, {agent}, {version}, 'queued', {payload}, {secret}, {request}, {key}, {until}, {at}, {at}, 0, 0, 0)"
            )
        };
        let values = (0..rows).map(row).collect::<Vec<_>>().join(", ");
        let text = format!(
            "INSERT INTO executions (execution_id, tenant_id, agent_id, agent_version, status, payload, secret_id,
                request_id, dedupe_key, dedupe_until, received_at, due_at, claims, tries, attempt_count)
            VALUES {values} ON CONFLICT DO NOTHING RETURNING execution_id"
        );
        (rows, text)
    })
});

/// How often a hook is settled anew because others were quicker.
const RACES: usize = 20;

statements! {
    HOLDER = "SELECT execution_id, status, payload, dedupe_until FROM executions WHERE agent_id = $1 AND dedupe_key = $2";
    RELEASE_KEY = "UPDATE executions SET dedupe_key = NULL WHERE execution_id = $1";
}

/// What became of one hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is an execution now.
    New,
    /// It is this execution already.
    Duplicate(ExecutionId),
    /// Its delivery id belongs to another body.
    Mismatch,
}

#[derive(sqlx::FromRow)]
struct Holder {
    execution_id: Uuid,
    status: String,
    payload: Vec<u8>,
    dedupe_until: Time,
}

impl Entry for NewExecution {
    type Outcome = Accepted;

    fn size(&self) -> usize {
        self.payload.len()
    }

    async fn write(store: &Store, batch: &[Self]) -> Result<Vec<Accepted>> {
        store.accept(batch).await
    }
}

impl Store {
    /// Stores a batch; the answer is in the batch's order, and true after this returns.
    ///
    /// # Errors
    /// The database's; some of the batch may be stored then. Storing it again finds that out.
    pub async fn accept(&self, batch: &[NewExecution]) -> Result<Vec<Accepted>> {
        match self.accept_once(batch).await {
            // A connection that was dead already, or one of two transactions that waited for each other: the other is
            // through now.
            Err(Error::Unavailable(_)) => self.accept_once(batch).await,
            outcome => outcome,
        }
    }

    async fn accept_once(&self, batch: &[NewExecution]) -> Result<Vec<Accepted>> {
        // One order for all processes: two batches with the same keys wait for each other, never in a circle.
        let mut order: Vec<&NewExecution> = batch.iter().collect();
        order.sort_unstable_by(|a, b| (a.agent_id, &a.dedupe_key).cmp(&(b.agent_id, &b.dedupe_key)));
        let mut settled = HashMap::new();
        match &self.db {
            Db::Sqlite { .. } => {
                let mut tx = self.db.begin().await?;
                let inserted = insert(&mut tx, &order).await?;
                settle_rest(&mut tx, &order, &inserted, &mut settled).await?;
                tx.commit().await?;
            }
            Db::Postgres { pool, .. } => {
                let inserted = insert_postgres(pool, &order).await?;
                if inserted.len() < order.len() {
                    let mut tx = self.db.begin().await?;
                    settle_rest(&mut tx, &order, &inserted, &mut settled).await?;
                    tx.commit().await?;
                }
            }
        }
        let outcome = |hook: &NewExecution| settled.get(&hook.execution_id).copied().unwrap_or(Accepted::New);
        Ok(batch.iter().map(outcome).collect())
    }
}

/// Decides about those that were not inserted.
async fn settle_rest(
    tx: &mut Tx,
    order: &[&NewExecution],
    inserted: &HashSet<Uuid>,
    settled: &mut HashMap<ExecutionId, Accepted>,
) -> Result<()> {
    for hook in order.iter().filter(|hook| !inserted.contains(&hook.execution_id.0)) {
        settled.insert(hook.execution_id, settle(tx, hook).await?);
    }
    Ok(())
}

/// Decides about a hook whose key is held by an earlier row.
async fn settle(tx: &mut Tx, hook: &NewExecution) -> Result<Accepted> {
    for _ in 0..RACES {
        let holder: Option<Holder> = in_tx!(tx, |conn| sqlx::query_as(HOLDER)
            .bind(hook.agent_id.0)
            .bind(&hook.dedupe_key)
            .fetch_optional(&mut *conn)
            .await)?;
        if let Some(holder) = holder {
            // Stored before, and the answer was lost.
            if holder.execution_id == hook.execution_id.0 {
                return Ok(Accepted::New);
            }
            let expired = holder.dedupe_until <= hook.received_at;
            let same = holder.payload == hook.payload;
            let failed = word::<ExecutionStatus>(&holder.status)? == ExecutionStatus::Failed;
            if !expired && !same {
                return Ok(Accepted::Mismatch);
            }
            if !expired && !failed {
                return Ok(Accepted::Duplicate(ExecutionId(holder.execution_id)));
            }
            in_tx!(tx, |conn| sqlx::query(RELEASE_KEY)
                .bind(holder.execution_id)
                .execute(&mut *conn)
                .await
                .map(|_| ()))?;
        }
        // Another process may take the key between the release and here; then it is the holder to look at.
        if insert(tx, &[hook]).await?.contains(&hook.execution_id.0) {
            return Ok(Accepted::New);
        }
    }
    Err(Error::Conflict)
}

/// Inserts what has no holder and returns the ids of that.
async fn insert(tx: &mut Tx, hooks: &[&NewExecution]) -> Result<HashSet<Uuid>> {
    match tx {
        Tx::Sqlite(tx) => {
            let (mut inserted, mut rest) = (HashSet::with_capacity(hooks.len()), hooks);
            for (rows, text) in INSERT_SQLITE.iter() {
                while let Some((some, others)) = rest.split_at_checked(*rows) {
                    rest = others;
                    let mut query = sqlx::query_scalar::<_, Uuid>(AssertSqlSafe(text.as_str()));
                    for hook in some {
                        query = query
                            .bind(hook.execution_id.0)
                            .bind(hook.tenant_id.as_str())
                            .bind(hook.agent_id.0)
                            .bind(hook.agent_version)
                            .bind(hook.payload.as_slice())
                            .bind(hook.secret_id.0)
                            .bind(hook.request_id)
                            .bind(&hook.dedupe_key)
                            .bind(hook.dedupe_until)
                            .bind(hook.received_at);
                    }
                    inserted.extend(query.fetch_all(&mut **tx).await?);
                }
            }
            Ok(inserted)
        }
        Tx::Postgres(tx) => insert_postgres(&mut **tx, hooks).await,
    }
}

async fn insert_postgres<'c>(
    to: impl sqlx::PgExecutor<'c>,
    hooks: &[&NewExecution],
) -> Result<HashSet<Uuid>> {
    let ids = sqlx::query_scalar(INSERT_POSTGRES)
        .bind(column(hooks, |h| h.execution_id.0))
        .bind(column(hooks, |h| h.tenant_id.as_str()))
        .bind(column(hooks, |h| h.agent_id.0))
        .bind(column(hooks, |h| h.agent_version))
        .bind(column(hooks, |h| h.payload.as_slice()))
        .bind(column(hooks, |h| h.secret_id.0))
        .bind(column(hooks, |h| h.request_id))
        .bind(column(hooks, |h| h.dedupe_key.as_str()))
        .bind(column(hooks, |h| h.dedupe_until))
        .bind(column(hooks, |h| h.received_at))
        .fetch_all(to)
        .await?;
    Ok(ids.into_iter().collect())
}

fn column<'a, T>(hooks: &[&'a NewExecution], of: impl Fn(&'a NewExecution) -> T) -> Vec<T> {
    hooks.iter().map(|hook| of(hook)).collect()
}
