//! What waits in vain: deliveries to endpoints that are deleted, and those that have waited too long for one that is
//! disabled. They end in slices, by a worker: whoever deletes an endpoint that a million wait for waits for none of them.

use uuid::Uuid;

use super::super::conditions::after_all_by;
use super::super::db::{Db, on_read, statements};
use super::super::{Result, Store};
use crate::model::{DeliveryError, DeliveryErrorCode, Time, WebhookId};

statements! {
    // As DELIVERABLE, one probe of the index for each endpoint that has anything waiting.
    VAIN = "WITH RECURSIVE waiting (webhook_id) AS (
            SELECT * FROM (SELECT webhook_id FROM deliveries WHERE due_at IS NOT NULL ORDER BY webhook_id LIMIT 1) first
            UNION ALL
            SELECT d.webhook_id FROM waiting w JOIN deliveries d ON d.delivery_id = (
                SELECT n.delivery_id FROM deliveries n WHERE n.due_at IS NOT NULL AND n.webhook_id > w.webhook_id
                ORDER BY n.webhook_id LIMIT 1))
        SELECT w.webhook_id, e.webhook_id IS NULL OR e.deleted_at IS NOT NULL AS deleted
        FROM waiting w LEFT JOIN webhooks e ON e.webhook_id = w.webhook_id
        WHERE e.webhook_id IS NULL OR e.deleted_at IS NOT NULL OR e.status = 'disabled'";
    // What is being sent is left alone: it ends, or waits again.
    OF_DELETED = "UPDATE deliveries SET status = 'exhausted', due_at = NULL, claims = claims + 1, error = $2
        WHERE delivery_id IN (SELECT delivery_id FROM deliveries WHERE webhook_id = $1 AND due_at IS NOT NULL LIMIT $3)";
    OF_DISABLED = "UPDATE deliveries SET status = 'exhausted', due_at = NULL, claims = claims + 1, error = $2
        WHERE delivery_id IN (SELECT delivery_id FROM deliveries
            WHERE webhook_id = $1 AND status IN ('pending', 'failed') AND delivery_id < $4 AND created_at < $5
                AND due_at IS NOT NULL LIMIT $3)";
}

/// [`OF_DELETED`]; what somebody else holds just now is passed over.
pub(in crate::store) const OF_DELETED_POSTGRES: &str =
    "UPDATE deliveries SET status = 'exhausted', due_at = NULL, claims = claims + 1, error = $2
    WHERE delivery_id IN (SELECT delivery_id FROM deliveries WHERE webhook_id = $1 AND due_at IS NOT NULL LIMIT $3
        FOR UPDATE SKIP LOCKED)";
/// [`OF_DISABLED`], likewise.
pub(in crate::store) const OF_DISABLED_POSTGRES: &str =
    "UPDATE deliveries SET status = 'exhausted', due_at = NULL, claims = claims + 1, error = $2
    WHERE delivery_id IN (SELECT delivery_id FROM deliveries
        WHERE webhook_id = $1 AND status IN ('pending', 'failed') AND delivery_id < $4 AND created_at < $5
            AND due_at IS NOT NULL LIMIT $3 FOR UPDATE SKIP LOCKED)";

impl Store {
    /// Ends up to `limit` deliveries to each endpoint that is deleted, and of those that is disabled which were made before
    /// this time. Whether there may be more.
    ///
    /// # Errors
    /// The database's; some may have ended.
    pub async fn end_vain_deliveries(&self, limit: i64, before: Time) -> Result<bool> {
        let vain: Vec<(Uuid, bool)> = on_read!(self, |conn| sqlx::query_as(VAIN).fetch_all(conn).await)?;
        let mut may_be_more = false;
        for (id, deleted) in vain {
            let ended = self.end_vain(WebhookId(id), deleted, limit, before).await?;
            may_be_more |= i64::try_from(ended).is_ok_and(|ended| ended >= limit);
        }
        Ok(may_be_more)
    }

    async fn end_vain(&self, id: WebhookId, deleted: bool, limit: i64, before: Time) -> Result<u64> {
        let (code, message) = if deleted {
            (DeliveryErrorCode::EndpointDeleted, "the endpoint was deleted before this was sent")
        } else {
            let message = "the endpoint was disabled for longer than events are kept (AGENTHOOK_EVENTS_DAYS)";
            (DeliveryErrorCode::EndpointDisabled, message)
        };
        let error = serde_json::to_string(&DeliveryError { code, message: message.to_owned() });
        let (error, below) = (error.unwrap_or_default(), after_all_by(before));
        macro_rules! end {
            ($conn:expr, $deleted:expr, $disabled:expr) => {{
                let text = if deleted { $deleted } else { $disabled };
                let query = sqlx::query(text).bind(id.0).bind(error).bind(limit);
                let query = if deleted { query } else { query.bind(below).bind(before) };
                query.execute($conn).await?.rows_affected()
            }};
        }
        Ok(match &self.db {
            Db::Sqlite { write, .. } => end!(write, OF_DELETED, OF_DISABLED),
            Db::Postgres { pool, .. } => end!(pool, OF_DELETED_POSTGRES, OF_DISABLED_POSTGRES),
        })
    }
}
