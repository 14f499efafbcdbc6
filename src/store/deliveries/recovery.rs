//! Sent once more because somebody says so: one delivery at once, or all that failed in a time, bit by bit.

use uuid::Uuid;

use super::super::conditions::{after_all_by, before_all_from};
use super::super::db::{in_tx, on_read, statements};
use super::super::{Error, Result, Store, audit};
use crate::model::{AuditEntry, DeliveryId, RecoveryId, Time, WebhookId};

/// Deliveries of a wish that become due together.
const SLICE: i64 = 500;
/// While so many deliveries to an endpoint are due, none are added.
const DUE_AT_MOST: i64 = 1000;

statements! {
    // One that waits keeps its place in the schedule, one that has ended gets a fresh schedule.
    RETRY = "UPDATE deliveries SET status = CASE WHEN due_at IS NULL THEN 'pending' ELSE status END,
            tries = CASE WHEN due_at IS NULL THEN 0 ELSE tries END, lost = 0, due_at = $3
        WHERE delivery_id = $1 AND webhook_id = $2 AND lease_owner IS NULL";
    EXISTS = "SELECT 1 FROM deliveries WHERE delivery_id = $1 AND webhook_id = $2";
    // By the ids first, roughly: they have an index.
    MATCHED = "SELECT count(*) FROM deliveries WHERE webhook_id = $1 AND status IN ('failed', 'exhausted')
        AND delivery_id >= $4 AND delivery_id < $5 AND created_at >= $2 AND created_at < $3";
    INSERT = "INSERT INTO recoveries (recovery_id, webhook_id, since, until, after_id, created_at)
        VALUES ($1, $2, $3, $4, $5, $6)";
    // Changes nothing: who counts an endpoint's wishes is alone with it.
    HOLD = "UPDATE webhooks SET version = version WHERE webhook_id = $1 AND deleted_at IS NULL";
    OPEN = "SELECT count(*) FROM recoveries WHERE webhook_id = $1";
    // A disabled endpoint is sent nothing, so its wishes wait with what is due.
    NEXT = "SELECT r.recovery_id, r.webhook_id, r.since, r.until, r.after_id
        FROM recoveries r JOIN webhooks e ON e.webhook_id = r.webhook_id
        WHERE r.recovery_id > $1 AND e.status = 'active' AND e.deleted_at IS NULL ORDER BY r.recovery_id LIMIT $2";
    DUE = "SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE webhook_id = $1 AND due_at <= $2 LIMIT $3) due";
    // The compare-and-set: of several workers one does the slice.
    GO_ON = "UPDATE recoveries SET after_id = $3 WHERE recovery_id = $1 AND after_id = $2";
    IDS = "SELECT delivery_id FROM deliveries WHERE webhook_id = $1 AND delivery_id > $2
            AND status IN ('failed', 'exhausted') AND created_at >= $3 AND created_at < $4
        ORDER BY delivery_id LIMIT $5";
    // What is just being sent is left alone: its outcome decides.
    AGAIN = "UPDATE deliveries SET status = 'pending', tries = 0, lost = 0, due_at = $6
        WHERE webhook_id = $1 AND delivery_id > $2 AND delivery_id <= $3 AND status IN ('failed', 'exhausted')
            AND created_at >= $4 AND created_at < $5 AND lease_owner IS NULL";
    END = "DELETE FROM recoveries WHERE recovery_id = $1 AND after_id = $2";
}

/// What became of the wish to send a delivery again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It is due.
    Done,
    /// It is being sent just now.
    InFlight,
    /// There is no such delivery.
    Missing,
}

/// A wish to send again what failed.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "columns of the recovery")]
pub struct Recovery {
    pub recovery_id: RecoveryId,
    pub webhook_id: WebhookId,
    /// From then on,
    pub since: Time,
    /// and before then.
    pub until: Time,
    /// How far it has come.
    pub after_id: Uuid,
}

impl Store {
    /// Has a delivery sent now.
    ///
    /// # Errors
    /// The database's.
    pub async fn retry_delivery(
        &self,
        id: DeliveryId,
        webhook_id: WebhookId,
        entry: &AuditEntry,
    ) -> Result<Again> {
        let mut tx = self.db.begin().await?;
        let changed = in_tx!(&mut tx, |conn| sqlx::query(RETRY)
            .bind(id.0)
            .bind(webhook_id.0)
            .bind(entry.at)
            .execute(&mut *conn)
            .await
            .map(|done| done.rows_affected() == 1))?;
        if !changed {
            let found: Option<i32> = in_tx!(&mut tx, |conn| sqlx::query_scalar(EXISTS)
                .bind(id.0)
                .bind(webhook_id.0)
                .fetch_optional(&mut *conn)
                .await)?;
            return Ok(if found.is_some() { Again::InFlight } else { Again::Missing });
        }
        audit::note(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(Again::Done)
    }

    /// Notes a wish to send again what failed, and says of how many deliveries that is true now; `None`: so many wishes
    /// of the endpoint are still open.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the endpoint is deleted.
    pub async fn recover(&self, wish: &Recovery, at_most: i64, entry: &AuditEntry) -> Result<Option<i64>> {
        let matched = on_read!(self, |conn| sqlx::query_scalar(MATCHED)
            .bind(wish.webhook_id.0)
            .bind(wish.since)
            .bind(wish.until)
            .bind(before_all_from(wish.since))
            .bind(after_all_by(wish.until))
            .fetch_one(conn)
            .await)?;
        let mut tx = self.db.begin().await?;
        let is_there = in_tx!(&mut tx, |conn| sqlx::query(HOLD)
            .bind(wish.webhook_id.0)
            .execute(&mut *conn)
            .await
            .map(|done| done.rows_affected() == 1))?;
        if !is_there {
            return Err(Error::Conflict);
        }
        let open: i64 = in_tx!(&mut tx, |conn| sqlx::query_scalar(OPEN)
            .bind(wish.webhook_id.0)
            .fetch_one(&mut *conn)
            .await)?;
        if open >= at_most {
            return Ok(None);
        }
        in_tx!(&mut tx, |conn| sqlx::query(INSERT)
            .bind(wish.recovery_id.0)
            .bind(wish.webhook_id.0)
            .bind(wish.since)
            .bind(wish.until)
            .bind(wish.after_id)
            .bind(entry.at)
            .execute(&mut *conn)
            .await
            .map(|_| ()))?;
        audit::note(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(Some(matched))
    }

    /// Wishes of active endpoints that are not yet done: up to `limit`, after this one.
    ///
    /// # Errors
    /// The database's.
    pub async fn recoveries(&self, after: RecoveryId, limit: i64) -> Result<Vec<Recovery>> {
        let rows: Vec<(Uuid, Uuid, Time, Time, Uuid)> =
            on_read!(self, |conn| sqlx::query_as(NEXT).bind(after.0).bind(limit).fetch_all(conn).await)?;
        let recovery = |(recovery_id, webhook_id, since, until, after_id)| Recovery {
            recovery_id: RecoveryId(recovery_id),
            webhook_id: WebhookId(webhook_id),
            since,
            until,
            after_id,
        };
        Ok(rows.into_iter().map(recovery).collect())
    }

    /// Makes the next deliveries of a wish due, unless enough are due already, or another worker has just done so. At its
    /// end the wish is gone.
    ///
    /// # Errors
    /// The database's.
    pub async fn recover_slice(&self, wish: &Recovery, now: Time) -> Result<()> {
        let due: i64 = on_read!(self, |conn| sqlx::query_scalar(DUE)
            .bind(wish.webhook_id.0)
            .bind(now)
            .bind(DUE_AT_MOST)
            .fetch_one(conn)
            .await)?;
        if due >= DUE_AT_MOST {
            return Ok(());
        }
        let ids: Vec<Uuid> = on_read!(self, |conn| sqlx::query_scalar(IDS)
            .bind(wish.webhook_id.0)
            .bind(wish.after_id)
            .bind(wish.since)
            .bind(wish.until)
            .bind(SLICE)
            .fetch_all(conn)
            .await)?;
        let mut tx = self.db.begin().await?;
        let Some(last) = ids.last() else {
            in_tx!(&mut tx, |conn| sqlx::query(END)
                .bind(wish.recovery_id.0)
                .bind(wish.after_id)
                .execute(&mut *conn)
                .await
                .map(|_| ()))?;
            return tx.commit().await;
        };
        let mine = in_tx!(&mut tx, |conn| sqlx::query(GO_ON)
            .bind(wish.recovery_id.0)
            .bind(wish.after_id)
            .bind(last)
            .execute(&mut *conn)
            .await
            .map(|done| done.rows_affected() == 1))?;
        if !mine {
            return Ok(());
        }
        in_tx!(&mut tx, |conn| sqlx::query(AGAIN)
            .bind(wish.webhook_id.0)
            .bind(wish.after_id)
            .bind(last)
            .bind(wish.since)
            .bind(wish.until)
            .bind(now)
            .execute(&mut *conn)
            .await
            .map(|_| ()))?;
        tx.commit().await
    }
}
