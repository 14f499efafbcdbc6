//! Deliveries whose window has passed are forgotten: what makes repeats duplicates is bounded by time, not by luck.

use uuid::Uuid;

use super::db::statements;
use super::{Result, Store, on_read, on_write};
use crate::model::{ExecutionId, Time};

statements! {
    SLICE = "SELECT execution_id FROM executions WHERE execution_id > $1 ORDER BY execution_id LIMIT $2";
    FORGET = "UPDATE executions SET dedupe_key = NULL
        WHERE execution_id > $1 AND execution_id <= $2 AND dedupe_key IS NOT NULL AND dedupe_until <= $3";
}

/// A stretch of the ledger that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// How many deliveries were forgotten.
    pub deliveries: u64,
    /// Where it ended; `None` at the end of the ledger.
    pub at: Option<ExecutionId>,
}

impl Store {
    /// Looks at the next `limit` executions after this one (at the first ones after none), by their ids, and forgets the
    /// deliveries among them whose window had passed at `before`. The ids are walked and no index is needed: it would
    /// cost every webhook something, and this costs a read now and then.
    ///
    /// # Errors
    /// The database's.
    pub async fn forget_deliveries(
        &self,
        after: Option<ExecutionId>,
        limit: i64,
        before: Time,
    ) -> Result<Forgotten> {
        let after = after.map_or(Uuid::nil(), |id| id.0);
        let slice: Vec<Uuid> =
            on_read!(self, |conn| sqlx::query_scalar(SLICE).bind(after).bind(limit).fetch_all(conn).await)?;
        let Some(&last) = slice.last() else { return Ok(Forgotten { deliveries: 0, at: None }) };
        let deliveries = on_write!(self, |conn| sqlx::query(FORGET)
            .bind(after)
            .bind(last)
            .bind(before)
            .execute(conn)
            .await
            .map(|done| done.rows_affected()))?;
        let is_all = i64::try_from(slice.len()).is_ok_and(|count| count < limit);
        Ok(Forgotten { deliveries, at: (!is_all).then_some(ExecutionId(last)) })
    }
}
