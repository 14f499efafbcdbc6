//! What is old enough is forgotten: deliveries that have ended, with the attempts at them, and then events that have no
//! delivery any more. Slices are so many rows of the one or the other, however many endpoints an event was told.

use uuid::Uuid;

use super::conditions::after_all_by;
use super::db::{Db, on_read, statements};
use super::{Result, Store};
use crate::model::Time;

statements! {
    // By the ids first, roughly: they have an index. Whether there still is an event is not asked: what has lost it goes too.
    OLD_DELIVERIES = "SELECT delivery_id FROM deliveries WHERE delivery_id > $1 AND delivery_id < $2 AND created_at < $3
        AND status IN ('success', 'exhausted') ORDER BY delivery_id LIMIT $4";
    // The same condition once more: a delivery may have been asked for again meanwhile, and then it stays.
    FORGET_DELIVERY = "DELETE FROM deliveries WHERE delivery_id = $1 AND status IN ('success', 'exhausted')";
    FORGET_ATTEMPTS = "DELETE FROM delivery_attempts WHERE delivery_id = $1";
    OLD_EVENTS = "SELECT event_id FROM events WHERE event_id > $1 AND event_id < $2 AND at < $3 AND dispatched_at IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.event_id = events.event_id) ORDER BY event_id LIMIT $4";
    // It gets no further deliveries: these are made with the mark that it is dispatched.
    FORGET_EVENT = "DELETE FROM events WHERE event_id = $1";
}

/// [`FORGET_DELIVERY`] and [`FORGET_ATTEMPTS`] for all of them in one round trip. What somebody holds just now is left for
/// the next walk.
pub(super) const FORGET_DELIVERIES_POSTGRES: &str = "WITH old AS (SELECT delivery_id FROM deliveries
        WHERE delivery_id = ANY($1) AND status IN ('success', 'exhausted') FOR UPDATE SKIP LOCKED),
    attempts AS (DELETE FROM delivery_attempts WHERE delivery_id IN (SELECT delivery_id FROM old))
    DELETE FROM deliveries WHERE delivery_id IN (SELECT delivery_id FROM old)";
/// [`FORGET_EVENT`] for all of them.
pub(super) const FORGET_EVENTS_POSTGRES: &str = "DELETE FROM events WHERE event_id = ANY($1)";

impl Store {
    /// Forgets up to `limit` deliveries that were made before this time and have ended, of those after this one (after
    /// none: from the oldest on). How many, and where the next look goes on; `None`: there are no more.
    ///
    /// # Errors
    /// The database's; then none of them is forgotten.
    pub async fn forget_ended_deliveries(
        &self,
        after: Option<Uuid>,
        limit: i64,
        before: Time,
    ) -> Result<(u64, Option<Uuid>)> {
        let old = self.old(OLD_DELIVERIES, after, limit, before).await?;
        let forgotten = match &self.db {
            Db::Sqlite { write, .. } => {
                let (mut tx, mut forgotten) = (write.begin_with("BEGIN IMMEDIATE").await?, 0);
                for id in &old {
                    let deleted = sqlx::query(FORGET_DELIVERY).bind(id).execute(&mut *tx).await?;
                    if deleted.rows_affected() == 1 {
                        sqlx::query(FORGET_ATTEMPTS).bind(id).execute(&mut *tx).await?;
                        forgotten += 1;
                    }
                }
                tx.commit().await?;
                forgotten
            }
            Db::Postgres { pool, .. } => {
                sqlx::query(FORGET_DELIVERIES_POSTGRES).bind(&old).execute(pool).await?.rows_affected()
            }
        };
        Ok((forgotten, next(&old, limit)))
    }

    /// Forgets up to `limit` events from before this time that have no delivery, as
    /// [`Store::forget_ended_deliveries`] does.
    ///
    /// # Errors
    /// The database's; then none of them is forgotten.
    pub async fn forget_events(
        &self,
        after: Option<Uuid>,
        limit: i64,
        before: Time,
    ) -> Result<(u64, Option<Uuid>)> {
        let old = self.old(OLD_EVENTS, after, limit, before).await?;
        match &self.db {
            Db::Sqlite { write, .. } => {
                let mut tx = write.begin_with("BEGIN IMMEDIATE").await?;
                for id in &old {
                    sqlx::query(FORGET_EVENT).bind(id).execute(&mut *tx).await?;
                }
                tx.commit().await?;
            }
            Db::Postgres { pool, .. } => {
                sqlx::query(FORGET_EVENTS_POSTGRES).bind(&old).execute(pool).await?;
            }
        }
        Ok((old.len() as u64, next(&old, limit)))
    }

    async fn old(
        &self,
        text: &'static str,
        after: Option<Uuid>,
        limit: i64,
        before: Time,
    ) -> Result<Vec<Uuid>> {
        Ok(on_read!(self, |conn| sqlx::query_scalar(text)
            .bind(after.unwrap_or(Uuid::nil()))
            .bind(after_all_by(before))
            .bind(before)
            .bind(limit)
            .fetch_all(conn)
            .await)?)
    }
}

/// Where the next look goes on.
fn next(old: &[Uuid], limit: i64) -> Option<Uuid> {
    let is_all = i64::try_from(old.len()).is_ok_and(|count| count < limit);
    old.last().copied().filter(|_| !is_all)
}
