//! What is next: whatever is due goes into a worker's hands, one tenant after the other, and of an agent or a tenant with
//! a limit no more than may run at once.
//!
//! The ledger is walked by (tenant, agent): one probe of the index for each that waits, however much of it does. So an
//! agent that may run no more stands in nobody's way. Running runs are counted where there is a limit, and nowhere else.
//! Between the count and the claim nobody else may claim: SQLite has one writer, on Postgres it takes a lock.

use std::collections::{BTreeMap, HashMap};

use sqlx::{Connection, SqliteConnection};
use uuid::Uuid;

use super::Claimed;
use super::claim::{Row, claim_any, claimed};
use crate::model::{ExecutionId, TenantId, Time, WorkerId};
use crate::store::db::{Db, Tx, on_read, statements};
use crate::store::executions::columns;
use crate::store::{Result, Store};

statements! {
    // Of each (tenant, agent) that waits: since when its first run is due, and how many more of it may run.
    WAITING = "WITH RECURSIVE waiting (tenant_id, agent_id) AS (
            SELECT * FROM (SELECT tenant_id, agent_id FROM executions WHERE status = 'queued'
                ORDER BY tenant_id, agent_id LIMIT 1) first
            UNION ALL
            SELECT e.tenant_id, e.agent_id FROM waiting w JOIN executions e ON e.execution_id = (
                SELECT n.execution_id FROM executions n
                WHERE n.status = 'queued' AND (n.tenant_id, n.agent_id) > (w.tenant_id, w.agent_id)
                ORDER BY n.tenant_id, n.agent_id LIMIT 1))
        SELECT w.tenant_id, w.agent_id,
            (SELECT e.due_at FROM executions e
                WHERE e.tenant_id = w.tenant_id AND e.agent_id = w.agent_id AND e.status = 'queued' AND e.due_at <= $1
                    AND e.deaths < 2 ORDER BY e.due_at LIMIT 1) AS due_at,
            (SELECT a.concurrency - (SELECT count(*) FROM executions r
                    WHERE r.tenant_id = w.tenant_id AND r.agent_id = w.agent_id AND r.status = 'running')
                FROM agents a WHERE a.agent_id = w.agent_id AND a.concurrency IS NOT NULL) AS room
        FROM waiting w";
    // How many more may run of each tenant that has a limit and waits.
    ROOM = "SELECT t.tenant_id, t.concurrency - (
                SELECT count(*) FROM executions r WHERE r.tenant_id = t.tenant_id AND r.status = 'running') AS room
        FROM tenants t WHERE t.concurrency IS NOT NULL
            AND EXISTS (SELECT 1 FROM executions q WHERE q.tenant_id = t.tenant_id AND q.status = 'queued')";
    DUE = "SELECT execution_id, due_at FROM executions
        WHERE tenant_id = $1 AND agent_id = $2 AND status = 'queued' AND due_at <= $3 AND deaths < 2
        ORDER BY due_at LIMIT $4";
    LIMITS = "SELECT count(*) FROM (SELECT 1 FROM agents WHERE concurrency IS NOT NULL
        UNION ALL SELECT 1 FROM tenants WHERE concurrency IS NOT NULL LIMIT 1) limits";
}

/// The same and the claim in one statement, so that workers who look at the same time get different runs. Where there is
/// a limit it finds nothing, unless $5 says that nobody else claims.
///
/// Each tenant that has something due may give an equal share of what is wanted, one at least, and the one whose first
/// run is due longest comes first; of its share each of its agents gives an equal part, again one at least and the
/// longest due first. Of what they give the first of each tenant come first, then the second of each, and so on. No more
/// is locked than is taken. What is updated is named as an array, because the planner cannot guess how few it is: from a
/// join it would read the whole table.
pub(in crate::store) const CLAIM_DUE_POSTGRES: &str = concat!(
    "WITH RECURSIVE waiting (tenant_id, agent_id) AS (
        (SELECT tenant_id, agent_id FROM executions WHERE status = 'queued' AND ($5 OR NOT (
            EXISTS (SELECT 1 FROM agents WHERE concurrency IS NOT NULL)
            OR EXISTS (SELECT 1 FROM tenants WHERE concurrency IS NOT NULL)))
            ORDER BY tenant_id, agent_id LIMIT 1)
        UNION ALL
        SELECT n.tenant_id, n.agent_id FROM waiting w CROSS JOIN LATERAL (
            SELECT e.tenant_id, e.agent_id FROM executions e
            WHERE e.status = 'queued' AND (e.tenant_id, e.agent_id) > (w.tenant_id, w.agent_id)
            ORDER BY e.tenant_id, e.agent_id LIMIT 1) n),
    agents_due AS (SELECT w.tenant_id, w.agent_id, first.due_at,
            (SELECT a.concurrency - (SELECT count(*) FROM executions r
                    WHERE r.tenant_id = w.tenant_id AND r.agent_id = w.agent_id AND r.status = 'running')
                FROM agents a WHERE a.agent_id = w.agent_id AND a.concurrency IS NOT NULL) AS room
        FROM waiting w CROSS JOIN LATERAL (
            SELECT due_at FROM executions
            WHERE tenant_id = w.tenant_id AND agent_id = w.agent_id AND status = 'queued' AND due_at <= $3 AND deaths < 2
            ORDER BY due_at LIMIT 1) first
        WHERE w.tenant_id <> ALL($4)),
    tenants_due AS (SELECT d.tenant_id, min(d.due_at) AS due_at, count(*) AS agents,
            (SELECT t.concurrency - (SELECT count(*) FROM executions r
                    WHERE r.tenant_id = d.tenant_id AND r.status = 'running')
                FROM tenants t WHERE t.tenant_id = d.tenant_id AND t.concurrency IS NOT NULL) AS room
        FROM agents_due d WHERE d.room IS NULL OR d.room > 0 GROUP BY d.tenant_id),
    first_tenants AS (SELECT * FROM tenants_due WHERE room IS NULL OR room > 0 ORDER BY due_at LIMIT $1),
    shares AS (SELECT tenant_id, agents, LEAST(room, $1 / (SELECT GREATEST(1, count(*)) FROM first_tenants)) AS share
        FROM first_tenants),
    first_agents AS (SELECT d.tenant_id, d.agent_id,
            LEAST(d.room, s.share / LEAST(s.agents, s.share)) AS part, s.share,
            row_number() OVER (PARTITION BY d.tenant_id ORDER BY d.due_at) AS place
        FROM agents_due d JOIN shares s ON s.tenant_id = d.tenant_id WHERE d.room IS NULL OR d.room > 0),
    heads AS (SELECT e.execution_id, e.tenant_id, e.due_at FROM first_agents f CROSS JOIN LATERAL (
        SELECT execution_id, tenant_id, due_at FROM executions
        WHERE tenant_id = f.tenant_id AND agent_id = f.agent_id AND status = 'queued' AND due_at <= $3 AND deaths < 2
        ORDER BY due_at LIMIT f.part
        FOR UPDATE SKIP LOCKED) e
        WHERE f.place <= f.share),
    picked AS (SELECT execution_id FROM (
            SELECT execution_id, due_at, row_number() OVER (PARTITION BY tenant_id ORDER BY due_at) AS turn FROM heads) h
        ORDER BY turn, due_at LIMIT $1)
    UPDATE executions SET status = 'running', lease_owner = $2, claims = claims + 1,
        started_at = COALESCE(started_at, $3), due_at = NULL
    WHERE execution_id = ANY(ARRAY(SELECT execution_id FROM picked))
    RETURNING ",
    claimed!()
);

/// Nobody else counts and claims until the transaction ends. A process that stands still meanwhile does not keep it: its
/// session is ended after 5 s. The number is the lock's name ("agenthok"), shared by all who claim on this database.
pub const LOCK_POSTGRES: &str = "SELECT pg_advisory_xact_lock(7018690069354016619)
    FROM set_config('idle_in_transaction_session_timeout', '5000', true)";

#[derive(sqlx::FromRow)]
struct WaitingRow {
    tenant_id: String,
    agent_id: Uuid,
    due_at: Option<Time>,
    /// `None`: no limit.
    room: Option<i64>,
}

/// A run that is next.
struct Due {
    execution_id: Uuid,
    /// Its agent or its tenant has a limit.
    limited: bool,
}

impl Store {
    /// Takes up to `limit` runs that are due: of each tenant that waits the one due longest, then the next of each,
    /// and so on, but none of the tenants in `except`, and of an agent or a tenant that has a limit no more than leaves
    /// it kept, whoever else claims. May take fewer than there are; when it takes none, there were none that another
    /// worker was not just taking.
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
        let rows = match &self.db {
            Db::Sqlite { read, .. } => {
                // Looking does not keep the writer from others.
                let due = due(&mut *read.acquire().await?, limit, except, now).await?;
                if !due.iter().any(|run| run.limited) {
                    let ids: Vec<_> = due.iter().map(|run| ExecutionId(run.execution_id)).collect();
                    return if ids.is_empty() { Ok(Vec::new()) } else { self.claim(&ids, owner, now).await };
                }
                self.claim_counted(limit, except, owner, now).await?
            }
            Db::Postgres { pool, .. } => {
                let rows = claim_due_postgres(pool, limit, except, owner, now, false).await?;
                if !rows.is_empty() || !self.has_limits().await? {
                    rows
                } else {
                    self.claim_counted(limit, except, owner, now).await?
                }
            }
        };
        self.readable(rows, owner, now).await
    }

    /// Whether there is any limit of what runs at once.
    ///
    /// # Errors
    /// The database's.
    pub async fn has_limits(&self) -> Result<bool> {
        Ok(on_read!(self, |conn| sqlx::query_scalar::<_, i64>(LIMITS).fetch_one(conn).await)? > 0)
    }

    /// [`Store::claim_due`] while nobody else claims.
    async fn claim_counted(
        &self,
        limit: usize,
        except: &[TenantId],
        owner: WorkerId,
        now: Time,
    ) -> Result<Vec<Row>> {
        let mut tx = self.begin_to_count().await?;
        let rows = match &mut tx {
            Tx::Sqlite(conn) => {
                let due = due(conn, limit, except, now).await?;
                let mut rows = Vec::with_capacity(due.len());
                for run in due {
                    rows.extend(claim_any(&mut tx, run.execution_id, owner, now).await?);
                }
                rows
            }
            Tx::Postgres(conn) => claim_due_postgres(&mut **conn, limit, except, owner, now, true).await?,
        };
        tx.commit().await?;
        Ok(rows)
    }

    /// Begins a transaction in which running runs can be counted and others be claimed: nobody else does meanwhile.
    pub(super) async fn begin_to_count(&self) -> Result<Tx> {
        let mut tx = self.db.begin().await?;
        if let Tx::Postgres(conn) = &mut tx {
            sqlx::query(LOCK_POSTGRES).execute(&mut **conn).await?;
        }
        Ok(tx)
    }
}

async fn claim_due_postgres<'c>(
    on: impl sqlx::PgExecutor<'c>,
    limit: usize,
    except: &[TenantId],
    owner: WorkerId,
    now: Time,
    counted: bool,
) -> Result<Vec<Row>> {
    let except: Vec<&str> = except.iter().map(TenantId::as_str).collect();
    let claim = sqlx::query_as(CLAIM_DUE_POSTGRES).bind(limit as i64).bind(owner.0).bind(now);
    Ok(claim.bind(except).bind(counted).fetch_all(on).await?)
}

/// What is next on SQLite, by the rules of [`CLAIM_DUE_POSTGRES`]. It looks only, at one moment of the ledger.
async fn due(conn: &mut SqliteConnection, limit: usize, except: &[TenantId], now: Time) -> Result<Vec<Due>> {
    let mut tx = conn.begin().await?;
    let waiting: Vec<WaitingRow> = sqlx::query_as(WAITING).bind(now).fetch_all(&mut *tx).await?;
    let rooms: Vec<(String, i64)> = sqlx::query_as(ROOM).fetch_all(&mut *tx).await?;
    let rooms: HashMap<_, _> = rooms.into_iter().collect();
    let is_full = |tenant: &String| rooms.get(tenant).is_some_and(|room| *room <= 0);
    let mut tenants = BTreeMap::<_, Vec<_>>::new();
    for agent in waiting {
        if let Some(due_at) = agent.due_at
            && agent.room.is_none_or(|room| room > 0)
        {
            tenants.entry(agent.tenant_id).or_default().push((due_at, agent.agent_id, agent.room));
        }
    }
    tenants.retain(|tenant, _| !is_full(tenant) && !except.iter().any(|other| other.as_str() == tenant));
    let mut tenants: Vec<_> = tenants.into_iter().collect();
    tenants.iter_mut().for_each(|(_, agents)| agents.sort_unstable());
    tenants.sort_unstable_by_key(|(_, agents)| agents.first().map(|agent| agent.0));
    tenants.truncate(limit);
    let equal = limit / tenants.len().max(1);
    let mut next = Vec::with_capacity(limit);
    for (tenant, agents) in tenants {
        let room = rooms.get(&tenant).copied();
        let share = room.and_then(|room| usize::try_from(room).ok()).map_or(equal, |room| room.min(equal));
        let part = share / agents.len().clamp(1, share);
        let mut given = Vec::with_capacity(share);
        for (_, agent_id, of_agent) in agents.into_iter().take(share) {
            let part = of_agent.map_or(part as i64, |room| room.min(part as i64));
            let runs = sqlx::query_as(DUE).bind(&tenant).bind(agent_id).bind(now).bind(part);
            let runs: Vec<(Uuid, Time)> = runs.fetch_all(&mut *tx).await?;
            let limited = room.is_some() || of_agent.is_some();
            given.extend(runs.into_iter().map(|(id, due_at)| (due_at, id, limited)));
        }
        given.sort_unstable();
        next.extend(given.into_iter().enumerate());
    }
    next.sort_unstable();
    tx.commit().await?;
    let due = |(_, (_, execution_id, limited))| Due { execution_id, limited };
    Ok(next.into_iter().map(due).collect())
}
