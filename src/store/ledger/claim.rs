//! Claims: what waits goes into a worker's hands, by its name; [`super::due`] has what nobody named.
//!
//! By its name a run is taken only if neither its agent nor its tenant has a limit of what runs at once: that takes
//! counting, which [`super::due`] does.

use std::collections::HashMap;

use sqlx::types::Json;
use uuid::Uuid;

use super::{Claimed, Hold, Spent, told};
use crate::model::{
    ErrorCode, Execution, ExecutionError, ExecutionId, Headers, TenantId, Time, Usage, WorkerId,
};
use crate::store::db::{Db, Tx, in_tx, on_read, on_write, statements};
use crate::store::executions::{self, columns};
use crate::store::group::Entry;
use crate::store::{Result, Store};

/// The columns of [`Row`].
macro_rules! claimed {
    () => {
        concat!(columns!(), ", payload, claims, attempt_count, headers")
    };
}
pub(super) use claimed;

statements! {
    CLAIM = concat!("UPDATE executions SET status = 'running', lease_owner = $2, claims = claims + 1,
            started_at = COALESCE(started_at, $3), due_at = NULL
        WHERE execution_id = $1 AND status = 'queued' AND due_at <= $3 AND deaths < 2
            AND NOT EXISTS (SELECT 1 FROM agents a WHERE a.agent_id = executions.agent_id AND a.concurrency IS NOT NULL)
            AND NOT EXISTS (SELECT 1 FROM tenants t WHERE t.tenant_id = executions.tenant_id AND t.concurrency IS NOT NULL)
        RETURNING ", claimed!());
    SUSPECT = "SELECT execution_id FROM executions e WHERE status = 'queued' AND deaths >= 2 AND due_at <= $1
            AND NOT EXISTS (SELECT 1 FROM agents a WHERE a.agent_id = e.agent_id AND a.concurrency <= (
                SELECT count(*) FROM executions r
                WHERE r.tenant_id = e.tenant_id AND r.agent_id = e.agent_id AND r.status = 'running'))
            AND NOT EXISTS (SELECT 1 FROM tenants t WHERE t.tenant_id = e.tenant_id AND t.concurrency <= (
                SELECT count(*) FROM executions r WHERE r.tenant_id = e.tenant_id AND r.status = 'running'))
        ORDER BY due_at, execution_id LIMIT 1";
    // For whoever has seen to it that there is room.
    CLAIM_ANY = concat!("UPDATE executions SET status = 'running', lease_owner = $2, claims = claims + 1,
            started_at = COALESCE(started_at, $3), due_at = NULL
        WHERE execution_id = $1 AND status = 'queued' AND due_at <= $3
        RETURNING ", claimed!());
    END_UNREADABLE = "UPDATE executions SET status = 'failed', finished_at = $4, error = $5, lease_owner = NULL, alone = FALSE
        WHERE execution_id = $1 AND status = 'running' AND lease_owner = $2 AND claims = $3";
    MARK_ALONE = "UPDATE executions SET alone = TRUE
        WHERE execution_id = $1 AND status = 'running' AND lease_owner = $2 AND claims = $3";
}

/// As [`CLAIM`], for all of them in one round trip. What another worker is just claiming is passed over.
pub(in crate::store) const CLAIM_POSTGRES: &str = concat!(
    "WITH picked AS (
        SELECT execution_id AS picked_id FROM executions e
        WHERE execution_id = ANY($1) AND status = 'queued' AND due_at <= $3 AND deaths < 2
            AND NOT EXISTS (SELECT 1 FROM agents a WHERE a.agent_id = e.agent_id AND a.concurrency IS NOT NULL)
            AND NOT EXISTS (SELECT 1 FROM tenants t WHERE t.tenant_id = e.tenant_id AND t.concurrency IS NOT NULL)
        FOR UPDATE OF e SKIP LOCKED)
    UPDATE executions e SET status = 'running', lease_owner = $2, claims = claims + 1,
        started_at = COALESCE(started_at, $3), due_at = NULL
    FROM picked WHERE e.execution_id = picked.picked_id
    RETURNING ",
    claimed!()
);

/// The wish for one run: fulfilled if it is due and nobody else has it.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// The run.
    pub execution_id: ExecutionId,
    /// Who wants it.
    pub owner: WorkerId,
    /// The time.
    pub now: Time,
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    #[sqlx(flatten)]
    execution: executions::Row,
    tenant_id: String,
    usage: Option<String>,
    execution_id: Uuid,
    payload: Vec<u8>,
    claims: i32,
    attempt_count: i32,
    headers: Option<String>,
}

/// A claimed row that does not say what it should: it was written by hand, or by a newer version.
struct Unreadable {
    hold: Hold,
    column: &'static str,
}

impl Row {
    fn of(self, owner: WorkerId) -> std::result::Result<Claimed, Unreadable> {
        let hold = Hold { execution_id: ExecutionId(self.execution_id), owner, claims: self.claims };
        let unreadable = |column| Unreadable { hold, column };
        let headers = self.headers.as_deref().map(serde_json::from_str::<Headers>).transpose();
        let usage = self.usage.as_deref().map(serde_json::from_str::<Usage>).transpose();
        let tenant_id: TenantId = self.tenant_id.try_into().map_err(|_| unreadable("tenant_id"))?;
        let usage = usage.map_err(|_| unreadable("usage"))?;
        let headers = headers.map_err(|_| unreadable("headers"))?.unwrap_or_default();
        let execution = Execution::try_from(self.execution)
            .map_err(|_| unreadable("source, key_source or held_reason"))?;
        Ok(Claimed {
            hold,
            tenant_id,
            agent_id: execution.agent_id,
            agent_version: execution.agent_version,
            payload: self.payload,
            headers,
            tries: execution.tries,
            attempt_count: self.attempt_count,
            spent: Spent { usage, cost: execution.cost, llm_ms: execution.timing.llm_ms.unwrap_or_default() },
            execution,
        })
    }
}

impl Entry for Claim {
    type Outcome = Option<Claimed>;

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    async fn write(store: &Store, batch: &[Self]) -> Result<Vec<Option<Claimed>>> {
        let (Some(first), ids) =
            (batch.first(), batch.iter().map(|claim| claim.execution_id).collect::<Vec<_>>())
        else {
            return Ok(Vec::new());
        };
        let now = batch.iter().map(|claim| claim.now).max().unwrap_or(first.now);
        let claimed = store.claim(&ids, first.owner, now).await?;
        let mut claimed: HashMap<_, _> =
            claimed.into_iter().map(|run| (run.hold.execution_id, run)).collect();
        Ok(ids.iter().map(|id| claimed.remove(id)).collect())
    }
}

impl Store {
    /// Takes those of these runs that are due, that nobody else has, that are not suspects, and whose agent and tenant
    /// have no limit of what runs at once.
    ///
    /// # Errors
    /// The database's.
    pub async fn claim(&self, ids: &[ExecutionId], owner: WorkerId, now: Time) -> Result<Vec<Claimed>> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows: Vec<Row> = match &self.db {
            Db::Sqlite { write, .. } => {
                let mut tx = write.begin_with("BEGIN IMMEDIATE").await?;
                let mut rows = Vec::with_capacity(ids.len());
                for id in ids {
                    let claim = sqlx::query_as(CLAIM).bind(id).bind(owner.0).bind(now);
                    rows.extend(claim.fetch_optional(&mut *tx).await?);
                }
                tx.commit().await?;
                rows
            }
            // One statement is a transaction of its own, and one trip.
            Db::Postgres { pool, .. } => {
                sqlx::query_as(CLAIM_POSTGRES).bind(ids).bind(owner.0).bind(now).fetch_all(pool).await?
            }
        };
        self.readable(rows, owner, now).await
    }

    /// Takes a run under which its process died more than once ([`super::SUSPECT`]): such a one is to go on alone.
    /// One whose agent or tenant has no room waits on.
    ///
    /// # Errors
    /// The database's.
    pub async fn claim_suspect(&self, owner: WorkerId, now: Time) -> Result<Option<Claimed>> {
        let seen: Option<Uuid> =
            on_read!(self, |conn| sqlx::query_scalar(SUSPECT).bind(now).fetch_optional(conn).await)?;
        if seen.is_none() {
            return Ok(None);
        }
        let mut tx = self.begin_to_count().await?;
        let suspect: Option<Uuid> =
            in_tx!(&mut tx, |conn| sqlx::query_scalar(SUSPECT).bind(now).fetch_optional(conn).await)?;
        let Some(suspect) = suspect else { return Ok(None) };
        let row = claim_any(&mut tx, suspect, owner, now).await?;
        tx.commit().await?;
        Ok(self.readable(row.into_iter().collect(), owner, now).await?.pop())
    }

    /// Gives each claimed row its types. One that cannot be read ends as failed: it must not be claimed again and again,
    /// nor cost its neighbors the answer to a claim that is committed.
    pub(super) async fn readable(&self, rows: Vec<Row>, owner: WorkerId, now: Time) -> Result<Vec<Claimed>> {
        let mut readable = Vec::with_capacity(rows.len());
        for row in rows {
            match row.of(owner) {
                Ok(run) => readable.push(run),
                Err(Unreadable { hold, column }) => {
                    let id = hold.execution_id;
                    tracing::error!(%id, column, "a run cannot be read from the ledger; it ends as failed");
                    let ended = self.end_unreadable(&hold, &unreadable(column), now).await;
                    if let Err(error) = ended {
                        // Held and not run: its worker lets go of it, and the next claim comes here again.
                        tracing::warn!(%id, %error, "the end of a run that cannot be read could not be written");
                    }
                }
            }
        }
        Ok(readable)
    }

    async fn end_unreadable(&self, hold: &Hold, error: &ExecutionError, now: Time) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let ended = in_tx!(&mut tx, |conn| sqlx::query(END_UNREADABLE)
            .bind(hold.execution_id.0)
            .bind(hold.owner.0)
            .bind(hold.claims)
            .bind(now)
            .bind(Json(error))
            .execute(&mut *conn)
            .await
            .map(|done| done.rows_affected() == 1))?;
        if ended {
            told::note(&mut tx, hold.execution_id, now).await?;
        }
        tx.commit().await
    }

    /// Notes that a run has its process to itself: whatever kills that from now on is this run. `false`: the hold is
    /// lost.
    ///
    /// # Errors
    /// The database's.
    pub async fn mark_alone(&self, hold: &Hold) -> Result<bool> {
        Ok(on_write!(self, |conn| sqlx::query(MARK_ALONE)
            .bind(hold.execution_id.0)
            .bind(hold.owner.0)
            .bind(hold.claims)
            .execute(conn)
            .await
            .map(|done| done.rows_affected() == 1))?)
    }
}

/// Takes a run whose agent and tenant have room for it.
pub(super) async fn claim_any(tx: &mut Tx, id: Uuid, owner: WorkerId, now: Time) -> Result<Option<Row>> {
    Ok(in_tx!(tx, |conn| sqlx::query_as(CLAIM_ANY)
        .bind(id)
        .bind(owner.0)
        .bind(now)
        .fetch_optional(conn)
        .await)?)
}

/// The end of a run that cannot be read.
fn unreadable(column: &str) -> ExecutionError {
    let message = format!(
        "the server cannot read what it stored of this execution ({column}), so it was not run; its log has the \
         execution's id"
    );
    ExecutionError { code: ErrorCode::Crashed, message, retryable: false }
}
