//! What waits and what runs at this moment, counted as far as [`COUNTED`]: by indexes that hold nothing else.

use uuid::Uuid;

use super::Counted;
use crate::model::{TenantId, Time};
use crate::store::db::{on_read, statements};
use crate::store::{Result, Store};

/// How far is counted: of more it is known that they are at least so many.
pub const COUNTED: i64 = 10_000;

// $1 is the bound, then tenant and agent where they are asked for.
statements! {
    WAITING = "SELECT COUNT(*) FROM (SELECT 1 FROM executions WHERE status = 'queued' LIMIT $1) AS counted";
    WAITING_OF_TENANT = "SELECT COUNT(*) FROM (SELECT 1 FROM executions
        WHERE status = 'queued' AND tenant_id = $2 LIMIT $1) AS counted";
    WAITING_OF_AGENT = "SELECT COUNT(*) FROM (SELECT 1 FROM executions
        WHERE status = 'queued' AND tenant_id = $2 AND agent_id = $3 LIMIT $1) AS counted";
    RUNNING = "SELECT COUNT(*) FROM (SELECT 1 FROM executions WHERE status = 'running' LIMIT $1) AS counted";
    RUNNING_OF_TENANT = "SELECT COUNT(*) FROM (SELECT 1 FROM executions
        WHERE status = 'running' AND tenant_id = $2 LIMIT $1) AS counted";
    RUNNING_OF_AGENT = "SELECT COUNT(*) FROM (SELECT 1 FROM executions
        WHERE status = 'running' AND tenant_id = $2 AND agent_id = $3 LIMIT $1) AS counted";
    HELD = "SELECT COUNT(*) FROM (SELECT 1 FROM executions WHERE status = 'held' LIMIT $1) AS counted";
    HELD_OF_TENANT = "SELECT COUNT(*) FROM (SELECT 1 FROM executions
        WHERE status = 'held' AND tenant_id = $2 LIMIT $1) AS counted";
    // No index has what is held by its agent: the bound is for those of the tenant.
    HELD_OF_AGENT = "SELECT COUNT(*) FROM (SELECT agent_id FROM executions
        WHERE status = 'held' AND tenant_id = $2 LIMIT $1) AS counted WHERE agent_id = $3";
    // One probe of the index for each (tenant, agent) that waits, as whoever claims walks it.
    OLDEST = "WITH RECURSIVE waiting (tenant_id, agent_id) AS (
            SELECT * FROM (SELECT tenant_id, agent_id FROM executions WHERE status = 'queued'
                ORDER BY tenant_id, agent_id LIMIT 1) first
            UNION ALL
            SELECT e.tenant_id, e.agent_id FROM waiting w JOIN executions e ON e.execution_id = (
                SELECT n.execution_id FROM executions n
                WHERE n.status = 'queued' AND (n.tenant_id, n.agent_id) > (w.tenant_id, w.agent_id)
                ORDER BY n.tenant_id, n.agent_id LIMIT 1))
        SELECT (SELECT e.due_at FROM executions e
            WHERE e.tenant_id = w.tenant_id AND e.agent_id = w.agent_id AND e.status = 'queued'
            ORDER BY e.due_at LIMIT 1) AS due_at
        FROM waiting w LIMIT $1";
    OLDEST_OF_TENANT = "WITH RECURSIVE waiting (agent_id) AS (
            SELECT * FROM (SELECT agent_id FROM executions WHERE status = 'queued' AND tenant_id = $2
                ORDER BY agent_id LIMIT 1) first
            UNION ALL
            SELECT e.agent_id FROM waiting w JOIN executions e ON e.execution_id = (
                SELECT n.execution_id FROM executions n
                WHERE n.status = 'queued' AND n.tenant_id = $2 AND n.agent_id > w.agent_id
                ORDER BY n.agent_id LIMIT 1))
        SELECT (SELECT e.due_at FROM executions e
            WHERE e.tenant_id = $2 AND e.agent_id = w.agent_id AND e.status = 'queued'
            ORDER BY e.due_at LIMIT 1) AS due_at
        FROM waiting w LIMIT $1";
    OLDEST_OF_AGENT = "SELECT due_at FROM executions
        WHERE tenant_id = $2 AND agent_id = $3 AND status = 'queued' ORDER BY due_at LIMIT $1";
}

/// What has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Executions that are queued, those that wait for another try too.
    pub waiting: i64,
    /// Since when the first of them is due; `None`: none is.
    pub oldest_due_at: Option<Time>,
    /// Executions that a worker has.
    pub running: i64,
    /// Executions that wait for a person.
    pub held: i64,
}

impl Store {
    /// What has not ended, each number as far as [`COUNTED`].
    ///
    /// # Errors
    /// The database's.
    pub async fn backlog(&self, of: &Counted, now: Time) -> Result<Backlog> {
        let waiting = self.number(of, [WAITING, WAITING_OF_TENANT, WAITING_OF_AGENT]).await?;
        // Where nothing waits there is no oldest to be found.
        let oldest = match waiting {
            0 => None,
            _ => self.oldest(of).await?,
        };
        Ok(Backlog {
            waiting,
            oldest_due_at: oldest.filter(|due| *due <= now),
            running: self.number(of, [RUNNING, RUNNING_OF_TENANT, RUNNING_OF_AGENT]).await?,
            held: self.number(of, [HELD, HELD_OF_TENANT, HELD_OF_AGENT]).await?,
        })
    }

    async fn number(&self, of: &Counted, texts: [&'static str; 3]) -> Result<i64> {
        let tenant = of.tenant_id.as_ref().map(TenantId::as_str);
        let agent = of.agent_id.map(|id| -> Uuid { id.0 });
        Ok(on_read!(self, |conn| match (tenant, agent) {
            (None, _) => sqlx::query_scalar(texts[0]).bind(COUNTED).fetch_one(conn).await,
            (Some(tenant), None) =>
                sqlx::query_scalar(texts[1]).bind(COUNTED).bind(tenant).fetch_one(conn).await,
            (Some(tenant), Some(agent)) =>
                sqlx::query_scalar(texts[2]).bind(COUNTED).bind(tenant).bind(agent).fetch_one(conn).await,
        })?)
    }

    async fn oldest(&self, of: &Counted) -> Result<Option<Time>> {
        let tenant = of.tenant_id.as_ref().map(TenantId::as_str);
        let agent = of.agent_id.map(|id| -> Uuid { id.0 });
        let due: Vec<Option<Time>> = on_read!(self, |conn| match (tenant, agent) {
            (None, _) => sqlx::query_scalar(OLDEST).bind(COUNTED).fetch_all(conn).await,
            (Some(tenant), None) =>
                sqlx::query_scalar(OLDEST_OF_TENANT).bind(COUNTED).bind(tenant).fetch_all(conn).await,
            (Some(tenant), Some(agent)) =>
                sqlx::query_scalar(OLDEST_OF_AGENT).bind(1_i64).bind(tenant).bind(agent).fetch_all(conn).await,
        })?;
        Ok(due.into_iter().flatten().min())
    }
}
