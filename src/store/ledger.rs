//! The state machine of a run: queued → running → ended, or queued again.
//!
//! Every step is a compare-and-set. A claim takes a lease and a number (`claims`); each later step names
//! both, so a worker that lost its lease (stalled, cut off, killed) cannot write any more: its late result
//! finds no row. An attempt's row is written before its call and closed in the transaction that ends it.

use sqlx::types::Json;
use uuid::Uuid;

use super::db::{Tx, in_tx, statements};
use super::row::spell;
use super::{Result, Store, on_read, on_write};
use crate::model::{
    AgentId, Cost, ErrorCode, ExecutionError, ExecutionId, KeySource, TenantId, Time, Usage, WorkerId,
};

statements! {
    DUE = "SELECT execution_id FROM executions WHERE status = 'queued' AND due_at <= $1 ORDER BY due_at LIMIT $2";
    CLAIM = "UPDATE executions SET status = 'running', lease_owner = $2, lease_until = $3, claims = claims + 1,
            started_at = COALESCE(started_at, $4), due_at = NULL
        WHERE execution_id = $1 AND status = 'queued' AND due_at <= $4
        RETURNING execution_id, tenant_id, agent_id, agent_version, payload, claims, tries, attempt_count, usage, cost_nano, llm_ms";
    COUNT_ATTEMPT = "UPDATE executions SET attempt_count = $4
        WHERE execution_id = $1 AND status = 'running' AND lease_owner = $2 AND claims = $3";
    INSERT_ATTEMPT = "INSERT INTO attempts (execution_id, number, started_at, key_source, llm_call_id, model)
        VALUES ($1, $2, $3, $4, $5, $6)";
    END_ATTEMPT = "UPDATE attempts SET finished_at = $3, status_code = $4, error = $5, usage = $6, cost_nano = $7, model = $8
        WHERE execution_id = $1 AND number = $2";
    SUM_UP = "UPDATE executions SET usage = $4, cost_nano = $5, llm_ms = $6, model = $7, key_source = $8
        WHERE execution_id = $1 AND status = 'running' AND lease_owner = $2 AND claims = $3";
    FINISH = "UPDATE executions SET status = $4, finished_at = $5, output = $6, error = $7, lease_owner = NULL, lease_until = NULL
        WHERE execution_id = $1 AND status = 'running' AND lease_owner = $2 AND claims = $3";
    REQUEUE = "UPDATE executions SET status = 'queued', due_at = $4, tries = tries + 1, lease_owner = NULL, lease_until = NULL
        WHERE execution_id = $1 AND status = 'running' AND lease_owner = $2 AND claims = $3";
    RENEW = "UPDATE executions SET lease_until = $2 WHERE lease_owner = $1 AND status = 'running'";
    ABANDON_EXPIRED = "UPDATE executions SET status = 'queued', due_at = $2, lease_owner = NULL, lease_until = NULL
        WHERE status = 'running' AND lease_until < $1 RETURNING execution_id";
    ABANDON_OF_WORKER = "UPDATE executions SET status = 'queued', due_at = $2, lease_owner = NULL, lease_until = NULL
        WHERE status = 'running' AND lease_owner = $1 RETURNING execution_id";
    HELD = "SELECT execution_id, claims FROM executions WHERE status = 'running' AND lease_owner = $1";
    HAND_BACK = "UPDATE executions SET status = 'queued', due_at = $4, lease_owner = NULL, lease_until = NULL
        WHERE execution_id = $1 AND status = 'running' AND lease_owner = $2 AND claims = $3";
    CLOSE_ABANDONED = "UPDATE attempts SET finished_at = $2, error = $3 WHERE execution_id = $1 AND finished_at IS NULL";
}

/// A claimed execution: what a worker needs to run it, and the proof that it may.
#[derive(Debug)]
#[allow(missing_docs, reason = "columns of the execution")]
pub struct Claimed {
    pub execution_id: ExecutionId,
    pub tenant_id: TenantId,
    pub agent_id: AgentId,
    pub agent_version: i32,
    pub payload: Vec<u8>,
    pub tries: u32,
    /// Attempts so far, of earlier claims too.
    pub attempt_count: i32,
    /// Of the attempts so far.
    pub spent: Spent,
    owner: WorkerId,
    claims: i32,
}

/// A lease as the ledger has it.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Held {
    execution_id: Uuid,
    claims: i32,
}

impl Held {
    /// What is held.
    #[must_use]
    pub fn execution_id(&self) -> ExecutionId {
        ExecutionId(self.execution_id)
    }
}

/// What the attempts of an execution took together.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "columns of the execution")]
pub struct Spent {
    pub usage: Option<Usage>,
    pub cost: Option<Cost>,
    pub llm_ms: i64,
}

/// An attempt about to be made.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "columns of the attempt")]
pub struct AttemptStart {
    pub number: i32,
    pub started_at: Time,
    pub key_source: KeySource,
    pub llm_call_id: String,
    pub model: String,
}

/// An attempt that came back.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "columns of the attempt")]
pub struct AttemptEnd {
    pub number: i32,
    pub finished_at: Time,
    pub key_source: KeySource,
    pub model: String,
    pub status_code: Option<u16>,
    pub error: Option<ExecutionError>,
    pub usage: Option<Usage>,
    pub cost: Option<Cost>,
    /// Of the whole execution, this attempt included.
    pub spent: Spent,
}

/// Where a run goes from here.
#[derive(Clone, Debug)]
pub enum Finish {
    /// Ended well, with this output.
    Success(String),
    /// Ended badly.
    Failed(ExecutionError),
    /// Waits until then and runs again; counts as a try.
    RetryAt(Time),
    /// Goes on at once, with another key: only the attempt ends.
    GoOn,
}

#[derive(sqlx::FromRow)]
struct ClaimRow {
    execution_id: Uuid,
    tenant_id: String,
    agent_id: Uuid,
    agent_version: i32,
    payload: Vec<u8>,
    claims: i32,
    tries: i32,
    attempt_count: i32,
    usage: Option<Json<Usage>>,
    cost_nano: Option<i64>,
    llm_ms: Option<i64>,
}

impl Store {
    /// Up to `limit` executions that may run now, the longest due first.
    ///
    /// # Errors
    /// The database's.
    pub async fn due(&self, now: Time, limit: i64) -> Result<Vec<ExecutionId>> {
        let ids: Vec<Uuid> =
            on_read!(self, |conn| sqlx::query_scalar(DUE).bind(now).bind(limit).fetch_all(conn).await)?;
        Ok(ids.into_iter().map(ExecutionId).collect())
    }

    /// Takes the lease of an execution that is due; `None` if somebody else has it or it is not due.
    ///
    /// # Errors
    /// The database's.
    pub async fn claim(
        &self,
        id: ExecutionId,
        owner: WorkerId,
        lease_until: Time,
        now: Time,
    ) -> Result<Option<Claimed>> {
        let row: Option<ClaimRow> = on_write!(self, |conn| sqlx::query_as(CLAIM)
            .bind(id.0)
            .bind(owner.0)
            .bind(lease_until)
            .bind(now)
            .fetch_optional(conn)
            .await)?;
        let claimed = |row: ClaimRow| {
            Ok(Claimed {
                execution_id: ExecutionId(row.execution_id),
                tenant_id: row.tenant_id.try_into().map_err(super::row::decode)?,
                agent_id: AgentId(row.agent_id),
                agent_version: row.agent_version,
                payload: row.payload,
                tries: row.tries.try_into().unwrap_or_default(),
                attempt_count: row.attempt_count,
                spent: Spent {
                    usage: row.usage.map(|json| json.0),
                    cost: row.cost_nano.map(Cost),
                    llm_ms: row.llm_ms.unwrap_or_default(),
                },
                owner,
                claims: row.claims,
            })
        };
        row.map(claimed).transpose()
    }

    /// Writes an attempt's row before its call. `false`: the lease is lost, make no call.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin_attempt(&self, run: &Claimed, attempt: &AttemptStart) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        let held = in_tx!(&mut tx, |conn| sqlx::query(COUNT_ATTEMPT)
            .bind(run.execution_id.0)
            .bind(run.owner.0)
            .bind(run.claims)
            .bind(attempt.number)
            .execute(&mut *conn)
            .await
            .map(|done| done.rows_affected() == 1))?;
        if !held {
            return Ok(false);
        }
        in_tx!(&mut tx, |conn| sqlx::query(INSERT_ATTEMPT)
            .bind(run.execution_id.0)
            .bind(attempt.number)
            .bind(attempt.started_at)
            .bind(spell(attempt.key_source))
            .bind(&attempt.llm_call_id)
            .bind(&attempt.model)
            .execute(&mut *conn)
            .await
            .map(|_| ()))?;
        tx.commit().await?;
        Ok(true)
    }

    /// Ends an attempt (none if no call was made) and moves the run on, in one commit. `false`: the lease
    /// is lost, and nothing is written: somebody else tells this run's end.
    ///
    /// # Errors
    /// The database's.
    pub async fn finish(
        &self,
        run: &Claimed,
        attempt: Option<&AttemptEnd>,
        to: &Finish,
        now: Time,
    ) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        if let Some(attempt) = attempt
            && !end_attempt(&mut tx, run, attempt).await?
        {
            return Ok(false);
        }
        let held = match to {
            Finish::GoOn => true,
            Finish::Success(output) => end(&mut tx, run, "success", Some(output), None, now).await?,
            Finish::Failed(error) => end(&mut tx, run, "failed", None, Some(error), now).await?,
            Finish::RetryAt(due_at) => in_tx!(&mut tx, |conn| sqlx::query(REQUEUE)
                .bind(run.execution_id.0)
                .bind(run.owner.0)
                .bind(run.claims)
                .bind(*due_at)
                .execute(&mut *conn)
                .await
                .map(|done| done.rows_affected() == 1))?,
        };
        if held {
            tx.commit().await?;
        }
        Ok(held)
    }

    /// Extends the leases of everything a worker process runs: one statement however much that is.
    ///
    /// # Errors
    /// The database's.
    pub async fn renew_leases(&self, owner: WorkerId, until: Time) -> Result<()> {
        on_write!(self, |conn| sqlx::query(RENEW).bind(owner.0).bind(until).execute(conn).await.map(|_| ()))?;
        Ok(())
    }

    /// Queues again whatever holds a lease that ended before `cutoff`: its worker is dead or cut off.
    ///
    /// # Errors
    /// The database's.
    pub async fn abandon_expired(&self, cutoff: Time, now: Time) -> Result<Vec<ExecutionId>> {
        let mut tx = self.db.begin().await?;
        let ids: Vec<Uuid> = in_tx!(&mut tx, |conn| sqlx::query_scalar(ABANDON_EXPIRED)
            .bind(cutoff)
            .bind(now)
            .fetch_all(&mut *conn)
            .await)?;
        close_abandoned(tx, ids, now, "the worker died during this call; it is run again").await
    }

    /// The leases of a worker process.
    ///
    /// # Errors
    /// The database's.
    pub async fn held(&self, owner: WorkerId) -> Result<Vec<Held>> {
        Ok(on_read!(self, |conn| sqlx::query_as(HELD).bind(owner.0).fetch_all(conn).await)?)
    }

    /// Queues again some of what this worker holds, to run from `due_at` on. A lease that was lost or renewed
    /// by a newer claim since it was read stays as it is.
    ///
    /// # Errors
    /// The database's.
    pub async fn hand_back(&self, owner: WorkerId, held: &[Held], due_at: Time, now: Time) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let mut ids = Vec::with_capacity(held.len());
        for lease in held {
            let rows = in_tx!(&mut tx, |conn| sqlx::query(HAND_BACK)
                .bind(lease.execution_id)
                .bind(owner.0)
                .bind(lease.claims)
                .bind(due_at)
                .execute(&mut *conn)
                .await
                .map(|done| done.rows_affected()))?;
            if rows == 1 {
                ids.push(lease.execution_id);
            }
        }
        close_abandoned(tx, ids, now, "the worker lost hold of this call; it is run again").await?;
        Ok(())
    }

    /// Queues again whatever this worker still runs: it is about to stop.
    ///
    /// # Errors
    /// The database's.
    pub async fn abandon_of(&self, owner: WorkerId, now: Time) -> Result<Vec<ExecutionId>> {
        let mut tx = self.db.begin().await?;
        let ids: Vec<Uuid> = in_tx!(&mut tx, |conn| sqlx::query_scalar(ABANDON_OF_WORKER)
            .bind(owner.0)
            .bind(now)
            .fetch_all(&mut *conn)
            .await)?;
        close_abandoned(tx, ids, now, "the worker was stopped during this call; it is run again").await
    }
}

async fn close_abandoned(mut tx: Tx, ids: Vec<Uuid>, now: Time, message: &str) -> Result<Vec<ExecutionId>> {
    let error = ExecutionError { code: ErrorCode::Crashed, message: message.to_owned(), retryable: true };
    for id in &ids {
        in_tx!(&mut tx, |conn| sqlx::query(CLOSE_ABANDONED)
            .bind(id)
            .bind(now)
            .bind(Json(&error))
            .execute(&mut *conn)
            .await
            .map(|_| ()))?;
    }
    tx.commit().await?;
    Ok(ids.into_iter().map(ExecutionId).collect())
}

async fn end_attempt(tx: &mut Tx, run: &Claimed, attempt: &AttemptEnd) -> Result<bool> {
    let held = in_tx!(tx, |conn| sqlx::query(SUM_UP)
        .bind(run.execution_id.0)
        .bind(run.owner.0)
        .bind(run.claims)
        .bind(attempt.spent.usage.map(Json))
        .bind(attempt.spent.cost.map(|cost| cost.0))
        .bind(attempt.spent.llm_ms)
        .bind(&attempt.model)
        .bind(spell(attempt.key_source))
        .execute(&mut *conn)
        .await
        .map(|done| done.rows_affected() == 1))?;
    if held {
        in_tx!(tx, |conn| sqlx::query(END_ATTEMPT)
            .bind(run.execution_id.0)
            .bind(attempt.number)
            .bind(attempt.finished_at)
            .bind(attempt.status_code.map(i32::from))
            .bind(attempt.error.as_ref().map(Json))
            .bind(attempt.usage.map(Json))
            .bind(attempt.cost.map(|cost| cost.0))
            .bind(&attempt.model)
            .execute(&mut *conn)
            .await
            .map(|_| ()))?;
    }
    Ok(held)
}

async fn end(
    tx: &mut Tx,
    run: &Claimed,
    status: &str,
    output: Option<&String>,
    error: Option<&ExecutionError>,
    now: Time,
) -> Result<bool> {
    let held = in_tx!(tx, |conn| sqlx::query(FINISH)
        .bind(run.execution_id.0)
        .bind(run.owner.0)
        .bind(run.claims)
        .bind(status)
        .bind(now)
        .bind(output)
        .bind(error.map(Json))
        .execute(&mut *conn)
        .await
        .map(|done| done.rows_affected() == 1))?;
    Ok(held)
}
