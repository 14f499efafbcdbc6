//! Claims: what waits goes into a worker's hands, named ones or whatever is due, one tenant after the other.

use std::collections::HashMap;

use sqlx::types::Json;
use uuid::Uuid;

use super::{Claimed, Hold, Spent};
use crate::model::{AgentId, Cost, ErrorCode, ExecutionError, ExecutionId, TenantId, Time, Usage, WorkerId};
use crate::store::db::{Db, on_read, on_write, statements};
use crate::store::group::Entry;
use crate::store::{Result, Store};

statements! {
    CLAIM = "UPDATE executions SET status = 'running', lease_owner = $2, claims = claims + 1,
            started_at = COALESCE(started_at, $3), due_at = NULL
        WHERE execution_id = $1 AND status = 'queued' AND due_at <= $3 AND deaths < 2
        RETURNING execution_id, tenant_id, agent_id, agent_version, payload, claims, tries, attempt_count, CAST(usage AS TEXT) AS usage, cost_nano, llm_ms";
    // One probe of the index per tenant, however many rows each has.
    WAITING = "WITH RECURSIVE waiting (tenant_id) AS (
            SELECT min(tenant_id) FROM executions WHERE status = 'queued'
            UNION ALL
            SELECT (SELECT min(e.tenant_id) FROM executions e WHERE e.status = 'queued' AND e.tenant_id > w.tenant_id)
            FROM waiting w WHERE w.tenant_id IS NOT NULL)
        SELECT tenant_id FROM waiting WHERE tenant_id IS NOT NULL";
    DUE = "SELECT execution_id, due_at FROM executions
        WHERE tenant_id = $1 AND status = 'queued' AND due_at <= $2 AND deaths < 2 ORDER BY due_at LIMIT $3";
    SUSPECT = "SELECT execution_id FROM executions WHERE status = 'queued' AND deaths >= 2 AND due_at <= $1
        ORDER BY due_at, execution_id LIMIT 1";
    CLAIM_SUSPECT = "UPDATE executions SET status = 'running', lease_owner = $2, claims = claims + 1,
            started_at = COALESCE(started_at, $3), due_at = NULL
        WHERE execution_id = $1 AND status = 'queued' AND due_at <= $3
        RETURNING execution_id, tenant_id, agent_id, agent_version, payload, claims, tries, attempt_count, CAST(usage AS TEXT) AS usage, cost_nano, llm_ms";
    END_UNREADABLE = "UPDATE executions SET status = 'failed', finished_at = $4, error = $5, lease_owner = NULL, alone = FALSE
        WHERE execution_id = $1 AND status = 'running' AND lease_owner = $2 AND claims = $3";
    MARK_ALONE = "UPDATE executions SET alone = TRUE
        WHERE execution_id = $1 AND status = 'running' AND lease_owner = $2 AND claims = $3";
}

/// As [`CLAIM`], for all of them in one round trip. What another worker is just claiming is passed over.
pub(in crate::store) const CLAIM_POSTGRES: &str = "WITH picked AS (
        SELECT execution_id FROM executions
        WHERE execution_id = ANY($1) AND status = 'queued' AND due_at <= $3 AND deaths < 2
        FOR UPDATE SKIP LOCKED)
    UPDATE executions e SET status = 'running', lease_owner = $2, claims = claims + 1,
        started_at = COALESCE(started_at, $3), due_at = NULL
    FROM picked WHERE e.execution_id = picked.execution_id
    RETURNING e.execution_id, tenant_id, agent_id, agent_version, payload, claims, tries, attempt_count, CAST(usage AS TEXT) AS usage, cost_nano, llm_ms";

/// [`WAITING`], [`DUE`] and [`CLAIM`] in one statement, so that workers who look at the same time get different runs.
/// Each tenant that has something due may give an equal share of what is wanted, one at least, and the one whose first
/// run is due longest comes first; of these the first of each tenant come first, then the second of each, and so on.
/// No more is locked than is taken. What is updated is named as an array, because the planner cannot guess how few it
/// is: from a join it would read the whole table.
pub(in crate::store) const CLAIM_DUE_POSTGRES: &str = "WITH RECURSIVE waiting (tenant_id) AS (
        (SELECT tenant_id FROM executions WHERE status = 'queued' ORDER BY tenant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT e.tenant_id FROM executions e WHERE e.status = 'queued' AND e.tenant_id > w.tenant_id
            ORDER BY e.tenant_id LIMIT 1)
        FROM waiting w WHERE w.tenant_id IS NOT NULL),
    tenants AS (SELECT w.tenant_id FROM waiting w CROSS JOIN LATERAL (
            SELECT due_at FROM executions
            WHERE tenant_id = w.tenant_id AND status = 'queued' AND due_at <= $3 AND deaths < 2
            ORDER BY due_at LIMIT 1) first
        WHERE w.tenant_id <> ALL($4) ORDER BY first.due_at LIMIT $1),
    heads AS (SELECT e.execution_id, e.tenant_id, e.due_at FROM tenants t CROSS JOIN LATERAL (
        SELECT execution_id, tenant_id, due_at FROM executions
        WHERE tenant_id = t.tenant_id AND status = 'queued' AND due_at <= $3 AND deaths < 2
        ORDER BY due_at LIMIT (SELECT GREATEST(1, $1 / GREATEST(1, count(*))) FROM tenants)
        FOR UPDATE SKIP LOCKED) e),
    picked AS (SELECT execution_id FROM (
            SELECT execution_id, due_at, row_number() OVER (PARTITION BY tenant_id ORDER BY due_at) AS turn FROM heads) h
        ORDER BY turn, due_at LIMIT $1)
    UPDATE executions SET status = 'running', lease_owner = $2, claims = claims + 1,
        started_at = COALESCE(started_at, $3), due_at = NULL
    WHERE execution_id = ANY(ARRAY(SELECT execution_id FROM picked))
    RETURNING execution_id, tenant_id, agent_id, agent_version, payload, claims, tries, attempt_count, CAST(usage AS TEXT) AS usage, cost_nano, llm_ms";

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
struct Row {
    execution_id: Uuid,
    tenant_id: String,
    agent_id: Uuid,
    agent_version: i32,
    payload: Vec<u8>,
    claims: i32,
    tries: i32,
    attempt_count: i32,
    usage: Option<String>,
    cost_nano: Option<i64>,
    llm_ms: Option<i64>,
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
        let usage = self.usage.as_deref().map(serde_json::from_str::<Usage>).transpose();
        Ok(Claimed {
            hold,
            tenant_id: self.tenant_id.try_into().map_err(|_| unreadable("tenant_id"))?,
            agent_id: AgentId(self.agent_id),
            agent_version: self.agent_version,
            payload: self.payload,
            tries: self.tries.try_into().unwrap_or_default(),
            attempt_count: self.attempt_count,
            spent: Spent {
                usage: usage.map_err(|_| unreadable("usage"))?,
                cost: self.cost_nano.map(Cost),
                llm_ms: self.llm_ms.unwrap_or_default(),
            },
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
    /// Takes those of these runs that are due, that nobody else has, and that are not suspects.
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

    /// Takes up to `limit` runs that are due: of each tenant that waits the one due longest, then the next of each,
    /// and so on, but none of the tenants in `except`. May take fewer than there are; when it takes none, there were
    /// none that another worker was not just taking.
    ///
    /// # Errors
    /// The database's.
    pub async fn claim_due(
        &self,
        limit: usize,
        except: &[TenantId],
        owner: WorkerId,
        now: Time,
    ) -> Result<Vec<Claimed>> {
        let Db::Postgres { pool, .. } = &self.db else {
            let ids = self.due(limit, except, now).await?;
            return if ids.is_empty() { Ok(Vec::new()) } else { self.claim(&ids, owner, now).await };
        };
        let except: Vec<&str> = except.iter().map(TenantId::as_str).collect();
        let rows: Vec<Row> = sqlx::query_as(CLAIM_DUE_POSTGRES)
            .bind(limit as i64)
            .bind(owner.0)
            .bind(now)
            .bind(except)
            .fetch_all(pool)
            .await?;
        self.readable(rows, owner, now).await
    }

    /// What [`Store::claim_due`] would take. It looks only: on the embedded database nobody else takes.
    ///
    /// # Errors
    /// The database's.
    pub async fn due(&self, limit: usize, except: &[TenantId], now: Time) -> Result<Vec<ExecutionId>> {
        let mut tenants: Vec<String> =
            on_read!(self, |conn| sqlx::query_scalar(WAITING).fetch_all(conn).await)?;
        tenants.retain(|tenant| !except.iter().any(|other| other.as_str() == tenant));
        let mut heads = Vec::new();
        for tenant in tenants {
            heads.extend(
                self.due_of(&tenant, 1, now).await?.into_iter().map(|(id, at)| (at, id, tenant.clone())),
            );
        }
        heads.sort_unstable();
        heads.truncate(limit);
        let share = limit / heads.len().max(1);
        let mut due = Vec::with_capacity(limit);
        for (due_at, id, tenant) in heads {
            let of_tenant = match share {
                1 => vec![(id, due_at)],
                _ => self.due_of(&tenant, share, now).await?,
            };
            due.extend(of_tenant.into_iter().enumerate().map(|(turn, (id, due_at))| (turn, due_at, id)));
        }
        due.sort_unstable();
        Ok(due.into_iter().map(|(_, _, id)| ExecutionId(id)).collect())
    }

    /// The first of what a tenant has due.
    async fn due_of(&self, tenant: &str, limit: usize, now: Time) -> Result<Vec<(Uuid, Time)>> {
        Ok(on_read!(self, |conn| sqlx::query_as(DUE)
            .bind(tenant)
            .bind(now)
            .bind(limit as i64)
            .fetch_all(conn)
            .await)?)
    }

    /// Takes a run under which its process died more than once ([`super::SUSPECT`]): such a one is to go on alone.
    ///
    /// # Errors
    /// The database's.
    pub async fn claim_suspect(&self, owner: WorkerId, now: Time) -> Result<Option<Claimed>> {
        let suspect: Option<Uuid> =
            on_read!(self, |conn| sqlx::query_scalar(SUSPECT).bind(now).fetch_optional(conn).await)?;
        let Some(suspect) = suspect else { return Ok(None) };
        let row: Option<Row> = on_write!(self, |conn| sqlx::query_as(CLAIM_SUSPECT)
            .bind(suspect)
            .bind(owner.0)
            .bind(now)
            .fetch_optional(conn)
            .await)?;
        Ok(self.readable(row.into_iter().collect(), owner, now).await?.pop())
    }

    /// Gives each claimed row its types. One that cannot be read ends as failed: it must not be claimed again and again,
    /// nor cost its neighbors the answer to a claim that is committed.
    async fn readable(&self, rows: Vec<Row>, owner: WorkerId, now: Time) -> Result<Vec<Claimed>> {
        let mut readable = Vec::with_capacity(rows.len());
        for row in rows {
            match row.of(owner) {
                Ok(run) => readable.push(run),
                Err(Unreadable { hold, column }) => {
                    let id = hold.execution_id;
                    tracing::error!(%id, column, "a run cannot be read from the ledger; it ends as failed");
                    let ended = on_write!(self, |conn| sqlx::query(END_UNREADABLE)
                        .bind(id.0)
                        .bind(owner.0)
                        .bind(hold.claims)
                        .bind(now)
                        .bind(Json(unreadable(column)))
                        .execute(conn)
                        .await
                        .map(|_| ()));
                    if let Err(error) = ended {
                        // Held and not run: its worker lets go of it, and the next claim comes here again.
                        tracing::warn!(%id, %error, "the end of a run that cannot be read could not be written");
                    }
                }
            }
        }
        Ok(readable)
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

/// The end of a run that cannot be read.
fn unreadable(column: &str) -> ExecutionError {
    let message = format!(
        "the server cannot read what it stored of this execution ({column}), so it was not run; its log has the \
         execution's id"
    );
    ExecutionError { code: ErrorCode::Crashed, message, retryable: false }
}
