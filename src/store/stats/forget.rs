//! Forgets sums that nobody looks at any more.

use crate::model::{Grain, Time};
use crate::store::db::{on_write, statements};
use crate::store::{Result, Store};

statements! {
    FORGET = "DELETE FROM execution_stats WHERE (agent_id, tenant_id, grain, at) IN (
        SELECT agent_id, tenant_id, grain, at FROM execution_stats WHERE grain = $1 AND at < $2 ORDER BY at LIMIT $3)";
}

impl Store {
    /// Forgets up to `limit` sums over stretches of this length that began before this time; how many.
    ///
    /// # Errors
    /// The database's; then none of them is forgotten.
    pub async fn forget_rollups(&self, grain: Grain, before: Time, limit: i64) -> Result<u64> {
        Ok(on_write!(self, |conn| sqlx::query(FORGET)
            .bind(grain.as_str())
            .bind(before)
            .bind(limit)
            .execute(conn)
            .await
            .map(|done| done.rows_affected()))?)
    }
}
