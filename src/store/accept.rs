//! The accept: a batch of hooks becomes rows in one commit, each delivery once.
//!
//! `(agent_id, dedupe_key)` is unique, so the database itself decides between copies that arrive at once,
//! in one process or in many. A row gives its key up when the window has passed or its run has failed.

use std::collections::HashMap;

use uuid::Uuid;

use super::db::{Tx, in_tx, statements};
use super::group::Entry;
use super::row::word;
use super::{Result, Store};
use crate::model::{ExecutionId, ExecutionStatus, NewExecution, Time};

/// One row at a time: on SQLite a prepared statement in a transaction is as fast as it gets.
pub(super) const INSERT_SQLITE: &str = "INSERT INTO executions (execution_id, tenant_id, agent_id, agent_version, status,
        payload, secret_id, request_id, dedupe_key, dedupe_until, received_at, due_at, claims, tries, attempt_count)
    VALUES ($1, $2, $3, $4, 'queued', $5, $6, $7, $8, $9, $10, $10, 0, 0, 0)
    ON CONFLICT (agent_id, dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING";

/// The whole batch in one round trip.
pub(super) const INSERT_POSTGRES: &str = "INSERT INTO executions (execution_id, tenant_id, agent_id, agent_version, status,
        payload, secret_id, request_id, dedupe_key, dedupe_until, received_at, due_at, claims, tries, attempt_count)
    SELECT id, tenant, agent, version, 'queued', payload, secret, request, key, until, at, at, 0, 0, 0
    FROM UNNEST($1::uuid[], $2::text[], $3::uuid[], $4::int[], $5::bytea[], $6::uuid[], $7::uuid[], $8::text[],
        $9::timestamptz[], $10::timestamptz[])
        AS t (id, tenant, agent, version, payload, secret, request, key, until, at)
    ON CONFLICT (agent_id, dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING
    RETURNING execution_id";

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
    /// Stores a batch in one transaction; the answer is in the batch's order, and true after this returns.
    ///
    /// # Errors
    /// The database's; then nothing of the batch is stored.
    pub async fn accept(&self, batch: &[NewExecution]) -> Result<Vec<Accepted>> {
        match self.accept_once(batch).await {
            // Postgres has ended one of two transactions that waited for each other: the other is through now.
            Err(error) if error.is_passing_conflict() => self.accept_once(batch).await,
            outcome => outcome,
        }
    }

    async fn accept_once(&self, batch: &[NewExecution]) -> Result<Vec<Accepted>> {
        // One order for all processes: two batches with the same keys wait for each other, never in a circle.
        let mut order: Vec<&NewExecution> = batch.iter().collect();
        order.sort_unstable_by(|a, b| (a.agent_id, &a.dedupe_key).cmp(&(b.agent_id, &b.dedupe_key)));
        let mut tx = self.db.begin().await?;
        let inserted = insert(&mut tx, &order).await?;
        let mut settled = HashMap::new();
        for hook in order.into_iter().filter(|hook| !inserted.contains(&hook.execution_id.0)) {
            settled.insert(hook.execution_id, settle(&mut tx, hook).await?);
        }
        tx.commit().await?;
        let outcome = |hook: &NewExecution| settled.get(&hook.execution_id).copied().unwrap_or(Accepted::New);
        Ok(batch.iter().map(outcome).collect())
    }
}

/// Decides about a hook whose key is held by an earlier row.
async fn settle(tx: &mut Tx, hook: &NewExecution) -> Result<Accepted> {
    loop {
        let holder: Option<Holder> = in_tx!(tx, |conn| sqlx::query_as(HOLDER)
            .bind(hook.agent_id.0)
            .bind(&hook.dedupe_key)
            .fetch_optional(&mut *conn)
            .await)?;
        if let Some(holder) = holder {
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
}

/// Inserts what has no holder and returns the ids of that.
async fn insert(tx: &mut Tx, hooks: &[&NewExecution]) -> Result<std::collections::HashSet<Uuid>> {
    match tx {
        Tx::Sqlite(tx) => {
            let mut inserted = std::collections::HashSet::with_capacity(hooks.len());
            for hook in hooks {
                let done = sqlx::query(INSERT_SQLITE)
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
                    .execute(&mut **tx)
                    .await?;
                if done.rows_affected() == 1 {
                    inserted.insert(hook.execution_id.0);
                }
            }
            Ok(inserted)
        }
        Tx::Postgres(tx) => {
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
                .fetch_all(&mut **tx)
                .await?;
            Ok(ids.into_iter().collect())
        }
    }
}

fn column<'a, T>(hooks: &[&'a NewExecution], of: impl Fn(&'a NewExecution) -> T) -> Vec<T> {
    hooks.iter().map(|hook| of(hook)).collect()
}
