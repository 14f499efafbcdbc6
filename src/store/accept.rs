//! The accept: a batch of hooks becomes rows in one commit, each delivery once.
//!
//! `(agent_id, dedupe_key)` is unique, so the database itself decides between copies that arrive at once,
//! in one process or in many. A row gives its key up when the window has passed or its run has failed.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::db::{Db, Tx, in_tx, on_read, statements};
use super::group::Entry;
use super::row::{spell, word};
use super::{Error, Result, Store, events};
use crate::model::{DeliveryKey, ExecutionId, ExecutionStatus, NewExecution, Time};

/// The whole batch in one trip, which is a transaction of its own.
pub(super) const INSERT_POSTGRES: &str = "INSERT INTO executions (execution_id, tenant_id, agent_id, agent_version, status,
        payload, secret_id, request_id, dedupe_key, dedupe_until, received_at, due_at, claims, tries, attempt_count,
        headers, held_reason)
    SELECT id, tenant, agent, version, status, payload, secret, request, key, until, at,
        CASE WHEN held IS NULL THEN at END, 0, 0, 0, headers, held
    FROM UNNEST($1::uuid[], $2::text[], $3::uuid[], $4::int[], $5::bytea[], $6::uuid[], $7::uuid[], $8::text[],
        $9::timestamptz[], $10::timestamptz[], $11::text[], $12::text[], $13::text[])
        AS t (id, tenant, agent, version, payload, secret, request, key, until, at, status, headers, held)
    ON CONFLICT DO NOTHING
    RETURNING execution_id";

/// The same on SQLite, for so many rows: each statement is a trip to the connection's thread.
pub(super) static INSERT_SQLITE: LazyLock<[(usize, String); 3]> = LazyLock::new(|| {
    [64, 8, 1].map(|rows| {
        let row = |n: usize| {
            let [id, tenant, agent, version, payload, secret, request, key, until, at, status, headers, held] =
                std::array::from_fn(|column| format!("${}", n * 13 + column + 1));
            format!(
                "({id}, {tenant}, {agent}, {version}, {status}, {payload}, {secret}, {request}, {key}, {until}, {at}, \
                 CASE WHEN {held} IS NULL THEN {at} END, 0, 0, 0, {headers}, {held})"
            )
        };
        let values = (0..rows).map(row).collect::<Vec<_>>().join(", ");
        let text = format!(
            "INSERT INTO executions (execution_id, tenant_id, agent_id, agent_version, status, payload, secret_id,
                request_id, dedupe_key, dedupe_until, received_at, due_at, claims, tries, attempt_count, headers, held_reason)
            VALUES {values} ON CONFLICT DO NOTHING RETURNING execution_id"
        );
        (rows, text)
    })
});

/// [`CALL_BACK`] for all of them in one round trip.
pub(super) const CALL_BACK_POSTGRES: &str =
    "INSERT INTO callbacks (execution_id, sealed) SELECT * FROM UNNEST($1::uuid[], $2::text[])";

/// How often a hook is settled anew because others were quicker.
const RACES: usize = 20;

statements! {
    HOLDER = "SELECT execution_id, status, payload, dedupe_until FROM executions WHERE agent_id = $1 AND dedupe_key = $2";
    RELEASE_KEY = "UPDATE executions SET dedupe_key = NULL WHERE execution_id = $1";
    CALL_BACK = "INSERT INTO callbacks (execution_id, sealed) VALUES ($1, $2)";
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
        let event = self.event.as_ref().map_or(0, |event| event.data.len());
        self.payload.len() + event + self.callback.as_ref().map_or(0, String::len)
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

    /// What would become of a hook because of an earlier one; `None`: it is new. Changes nothing.
    ///
    /// # Errors
    /// The database's.
    pub async fn accepted_before(&self, hook: &NewExecution) -> Result<Option<Accepted>> {
        let holder: Option<Holder> = on_read!(self, |conn| sqlx::query_as(HOLDER)
            .bind(hook.agent_id.0)
            .bind(&hook.dedupe_key)
            .fetch_optional(conn)
            .await)?;
        holder.map_or(Ok(None), |holder| holder.holds(hook))
    }

    async fn accept_once(&self, batch: &[NewExecution]) -> Result<Vec<Accepted>> {
        // One order for all processes: two batches with the same keys wait for each other, never in a circle.
        let mut order: Vec<&NewExecution> = batch.iter().collect();
        order.sort_unstable_by(|a, b| (a.agent_id, &a.dedupe_key).cmp(&(b.agent_id, &b.dedupe_key)));
        let mut settled = HashMap::new();
        match &self.db {
            // Nothing else is written: one statement is a transaction of its own, and one trip.
            Db::Postgres { pool, .. }
                if order.iter().all(|hook| hook.event.is_none() && hook.callback.is_none()) =>
            {
                let inserted = insert_postgres(pool, &order).await?;
                if inserted.len() < order.len() {
                    let mut tx = self.db.begin().await?;
                    settle_rest(&mut tx, &order, &inserted, &mut settled).await?;
                    tx.commit().await?;
                }
            }
            Db::Sqlite { .. } | Db::Postgres { .. } => {
                let mut tx = self.db.begin().await?;
                let inserted = insert(&mut tx, &order).await?;
                settle_rest(&mut tx, &order, &inserted, &mut settled).await?;
                tx.commit().await?;
            }
        }
        let outcome = |hook: &NewExecution| settled.get(&hook.execution_id).copied().unwrap_or(Accepted::New);
        Ok(batch.iter().map(outcome).collect())
    }
}

impl Holder {
    /// What it makes of a hook with its key; `None` if it has to give the key up.
    fn holds(&self, hook: &NewExecution) -> Result<Option<Accepted>> {
        let expired = self.dedupe_until <= hook.received_at;
        // Only an id that nothing covers may have come with another body by mistake.
        let same = self.payload == hook.payload || !hook.dedupe_key.starts_with(DeliveryKey::Id.prefix());
        let failed = word::<ExecutionStatus>(&self.status)? == ExecutionStatus::Failed;
        Ok(match (expired, same, failed) {
            (false, false, _) => Some(Accepted::Mismatch),
            (false, true, false) => Some(Accepted::Duplicate(ExecutionId(self.execution_id))),
            (true, ..) | (false, true, true) => None,
        })
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
            if let Some(held) = holder.holds(hook)? {
                return Ok(held);
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

/// Inserts what has no holder, with what is told of it and where it calls back, and returns the ids of that.
async fn insert(tx: &mut Tx, hooks: &[&NewExecution]) -> Result<HashSet<Uuid>> {
    let inserted = insert_rows(tx, hooks).await?;
    let new: Vec<_> = hooks.iter().filter(|hook| inserted.contains(&hook.execution_id.0)).collect();
    let told: Vec<_> = new.iter().filter_map(|hook| hook.event.as_ref()).collect();
    events::note_all(tx, &told).await?;
    let callbacks = new.iter().filter_map(|hook| Some((hook.execution_id.0, hook.callback.as_deref()?)));
    call_back(tx, callbacks.unzip()).await?;
    Ok(inserted)
}

/// Notes where the ends of these executions are told.
async fn call_back(tx: &mut Tx, (ids, sealed): (Vec<Uuid>, Vec<&str>)) -> Result<()> {
    match tx {
        Tx::Sqlite(tx) => {
            for (id, sealed) in ids.into_iter().zip(sealed) {
                sqlx::query(CALL_BACK).bind(id).bind(sealed).execute(&mut **tx).await?;
            }
        }
        Tx::Postgres(tx) if !ids.is_empty() => {
            sqlx::query(CALL_BACK_POSTGRES).bind(ids).bind(sealed).execute(&mut **tx).await?;
        }
        Tx::Postgres(_) => {}
    }
    Ok(())
}

async fn insert_rows(tx: &mut Tx, hooks: &[&NewExecution]) -> Result<HashSet<Uuid>> {
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
                            .bind(hook.received_at)
                            .bind(status(hook))
                            .bind(hook.headers.to_json())
                            .bind(hook.held.map(spell));
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
        .bind(column(hooks, status))
        .bind(column(hooks, |h| h.headers.to_json()))
        .bind(column(hooks, |h| h.held.map(spell)))
        .fetch_all(to)
        .await?;
    Ok(ids.into_iter().collect())
}

/// Where a hook begins.
fn status(hook: &NewExecution) -> &'static str {
    let status = if hook.held.is_some() { ExecutionStatus::Held } else { ExecutionStatus::Queued };
    status.as_str()
}

fn column<'a, T>(hooks: &[&'a NewExecution], of: impl Fn(&'a NewExecution) -> T) -> Vec<T> {
    hooks.iter().map(|hook| of(hook)).collect()
}
