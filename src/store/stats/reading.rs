//! Reads the sums of a window.

use crate::model::{AgentId, Cost, Rollup, TenantId, Time, Window};
use crate::store::db::{on_read, statements};
use crate::store::row::decode;
use crate::store::{Result, Store};

use super::Counted;

statements! {
    READ = "SELECT at, succeeded, failed, cancelled, prompt_tokens, completion_tokens, cost_nano, unknown_costs, latencies
        FROM execution_stats WHERE agent_id = $1 AND tenant_id = $2 AND grain = $3 AND at >= $4 AND at <= $5 ORDER BY at";
    // Of a deleted agent as well: its runs are still to be seen.
    TENANT = "SELECT tenant_id FROM agents WHERE agent_id = $1";
}

#[derive(sqlx::FromRow)]
struct Row {
    at: Time,
    succeeded: i64,
    failed: i64,
    cancelled: i64,
    prompt_tokens: i64,
    completion_tokens: i64,
    cost_nano: i64,
    unknown_costs: i64,
    latencies: String,
}

impl Row {
    fn read(self) -> (Time, Rollup) {
        let rollup = Rollup {
            succeeded: self.succeeded,
            failed: self.failed,
            cancelled: self.cancelled,
            prompt_tokens: self.prompt_tokens,
            completion_tokens: self.completion_tokens,
            cost: Cost(self.cost_nano),
            unknown_costs: self.unknown_costs,
            // As whoever adds to it sees it.
            latencies: serde_json::from_str(&self.latencies).unwrap_or_default(),
        };
        (self.at, rollup)
    }
}

impl Store {
    /// The buckets of a window in which a run ended, the oldest first: no more rows than it has buckets.
    ///
    /// # Errors
    /// The database's.
    pub async fn rollups(&self, of: &Counted, window: Window, now: Time) -> Result<Vec<(Time, Rollup)>> {
        let grain = window.grain();
        let last = grain.beginning(now);
        let first = window.beginnings(now).next().unwrap_or(last);
        let rows: Vec<Row> = on_read!(self, |conn| sqlx::query_as(READ)
            .bind(of.agent())
            .bind(of.tenant())
            .bind(grain.as_str())
            .bind(first)
            .bind(last)
            .fetch_all(conn)
            .await)?;
        Ok(rows.into_iter().map(Row::read).collect())
    }

    /// Whose an agent is or was; `None`: there never was such a one.
    ///
    /// # Errors
    /// The database's.
    pub async fn tenant_of_agent(&self, agent_id: AgentId) -> Result<Option<TenantId>> {
        let tenant: Option<String> =
            on_read!(self, |conn| sqlx::query_scalar(TENANT).bind(agent_id.0).fetch_optional(conn).await)?;
        tenant.map(TenantId::try_from).transpose().map_err(decode)
    }
}
