//! Claims: endpoint by endpoint, what is due goes into a worker's hands.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::super::db::{Db, on_read, on_write, statements};
use super::super::{Result, Store, events};
use crate::model::{
    DeliveryError, DeliveryErrorCode, DeliveryId, Event, EventId, TenantId, Time, WebhookId, WorkerId,
};

statements! {
    // Each endpoint with something due that may be sent to it: one probe of the index for each that has anything waiting,
    // however much.
    DELIVERABLE = "WITH RECURSIVE waiting (webhook_id) AS (
            SELECT * FROM (SELECT webhook_id FROM deliveries WHERE due_at IS NOT NULL ORDER BY webhook_id LIMIT 1) first
            UNION ALL
            SELECT d.webhook_id FROM waiting w JOIN deliveries d ON d.delivery_id = (
                SELECT n.delivery_id FROM deliveries n WHERE n.due_at IS NOT NULL AND n.webhook_id > w.webhook_id
                ORDER BY n.webhook_id LIMIT 1))
        SELECT e.webhook_id, e.version, e.tenant_id, e.kind = 'callback' AS is_callback,
            h.open_until IS NOT NULL AS half_open
        FROM waiting w JOIN webhooks e ON e.webhook_id = w.webhook_id LEFT JOIN webhook_health h ON h.webhook_id = w.webhook_id
        WHERE e.status = 'active' AND e.deleted_at IS NULL
            AND (h.open_until IS NULL OR (h.open_until <= $1 AND (h.probe_until IS NULL OR h.probe_until <= $1)))
            AND EXISTS (SELECT 1 FROM deliveries d WHERE d.webhook_id = w.webhook_id AND d.due_at <= $1)";
    // The compare-and-set: of all who would send to a half-open endpoint one may.
    PROBE = "UPDATE webhook_health SET probe_by = $2, probe_until = $3
        WHERE webhook_id = $1 AND open_until <= $4 AND (probe_until IS NULL OR probe_until <= $4)";
    END_PROBE = "UPDATE webhook_health SET probe_by = NULL, probe_until = NULL
        WHERE webhook_id = $1 AND probe_by = $2 AND probe_until = $3";
    CLAIM = "UPDATE deliveries SET due_at = NULL, lease_owner = $4, claims = claims + 1, lost = lost + 1
        WHERE delivery_id IN (SELECT delivery_id FROM deliveries WHERE webhook_id = $1 AND due_at <= $2
            ORDER BY due_at LIMIT $3)
        RETURNING delivery_id, event_id, webhook_id, claims, lost, tries, attempt_count, error";
    END_UNTOLD = "UPDATE deliveries SET status = 'exhausted', due_at = NULL, lease_owner = NULL, error = $4
        WHERE delivery_id = $1 AND lease_owner = $2 AND claims = $3";
    EVENT = "SELECT event_id, event_type, tenant_id, agent_id, execution_id, webhook_id, at, data FROM events
        WHERE event_id = $1";
}

/// [`EVENT`] of all of them in one round trip.
pub(in crate::store) const EVENTS_POSTGRES: &str =
    "SELECT event_id, event_type, tenant_id, agent_id, execution_id, webhook_id, at, data FROM events
    WHERE event_id = ANY($1)";

/// [`CLAIM`] for all of them in one round trip. What another worker is just claiming is passed over.
pub(in crate::store) const CLAIM_POSTGRES: &str = "WITH wanted AS (
        SELECT * FROM UNNEST($1::uuid[], $2::bigint[]) AS t (webhook, room)),
    picked AS (SELECT p.delivery_id FROM wanted w CROSS JOIN LATERAL (
        SELECT d.delivery_id FROM deliveries d WHERE d.webhook_id = w.webhook AND d.due_at <= $3
        ORDER BY d.due_at LIMIT w.room FOR UPDATE SKIP LOCKED) p)
    UPDATE deliveries d SET due_at = NULL, lease_owner = $4, claims = claims + 1, lost = lost + 1
    FROM picked WHERE d.delivery_id = picked.delivery_id
    RETURNING d.delivery_id, d.event_id, d.webhook_id, d.claims, d.lost, d.tries, d.attempt_count, d.error";

/// Claims in a row that nothing is heard of: one more, and the delivery is sent no more. Its sending may be what ends the
/// process, or its outcome what cannot be written, and the receiver would hear of it for ever.
pub const CLAIMS_LOST: i32 = 10;

/// An endpoint with something due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deliverable {
    /// Names it.
    pub webhook_id: WebhookId,
    /// As it is now.
    pub version: i32,
    /// Whose it is; `None` is the platform's.
    pub tenant_id: Option<TenantId>,
    /// Each of its deliveries has a URL of its own.
    pub is_callback: bool,
    /// Its circuit was open: one delivery at a time, by [`Store::probe`].
    pub half_open: bool,
}

/// How many deliveries to one endpoint there is room for.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Names it.
    pub webhook_id: WebhookId,
    /// So many.
    pub deliveries: usize,
    /// It is the one that shows whether the endpoint is well again: see [`Store::probe`].
    pub is_probe: bool,
}

/// A delivery in a worker's hands.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "columns of the delivery")]
pub struct ClaimedDelivery {
    pub delivery_id: DeliveryId,
    pub webhook_id: WebhookId,
    pub owner: WorkerId,
    /// Which claim of the delivery this is: only the newest may write.
    pub claims: i32,
    pub event_id: EventId,
    /// It is the one that shows whether the endpoint is well again: its outcome ends the probe, and no other does.
    pub is_probe: bool,
    /// Places in the schedule that are used up.
    pub tries: i32,
    pub attempt_count: i32,
    /// Whether the last attempt failed, if there was one.
    pub last_failed: bool,
}

#[derive(sqlx::FromRow)]
struct Row {
    delivery_id: Uuid,
    event_id: Uuid,
    webhook_id: Uuid,
    claims: i32,
    /// Claims in a row that nothing was heard of, and this one.
    lost: i32,
    tries: i32,
    attempt_count: i32,
    error: Option<String>,
}

impl Store {
    /// Endpoints that something may be sent to now.
    ///
    /// # Errors
    /// The database's.
    pub async fn deliverable(&self, now: Time) -> Result<Vec<Deliverable>> {
        let rows: Vec<(Uuid, i32, Option<String>, bool, bool)> =
            on_read!(self, |conn| sqlx::query_as(DELIVERABLE).bind(now).fetch_all(conn).await)?;
        let deliverable =
            |(id, version, tenant_id, is_callback, half_open): (_, _, Option<String>, _, _)| Deliverable {
                webhook_id: WebhookId(id),
                version,
                tenant_id: tenant_id.and_then(|id| id.parse().ok()),
                is_callback,
                half_open,
            };
        Ok(rows.into_iter().map(deliverable).collect())
    }

    /// Takes the one probe of a half-open endpoint, until a time; `false`: another has it.
    ///
    /// # Errors
    /// The database's.
    pub async fn probe(&self, id: WebhookId, owner: WorkerId, until: Time, now: Time) -> Result<bool> {
        Ok(on_write!(self, |conn| sqlx::query(PROBE)
            .bind(id.0)
            .bind(owner.0)
            .bind(until)
            .bind(now)
            .execute(conn)
            .await
            .map(|done| done.rows_affected() == 1))?)
    }

    /// Gives back the probe that was taken until this time, if nobody has ended it.
    ///
    /// # Errors
    /// The database's.
    pub async fn end_probe(&self, id: WebhookId, owner: WorkerId, until: Time) -> Result<()> {
        on_write!(self, |conn| sqlx::query(END_PROBE)
            .bind(id.0)
            .bind(owner.0)
            .bind(until)
            .execute(conn)
            .await
            .map(|_| ()))?;
        Ok(())
    }

    /// Takes what is due of these endpoints, the longest due first, with what each tells. What cannot be told any more is ended instead.
    ///
    /// # Errors
    /// The database's. Some may be claimed then: whoever compares what it holds finds them.
    pub async fn claim_deliveries(
        &self,
        rooms: &[Room],
        owner: WorkerId,
        now: Time,
    ) -> Result<Vec<(ClaimedDelivery, Arc<Event>)>> {
        let rows: Vec<Row> = match &self.db {
            Db::Sqlite { write, .. } => {
                let mut tx = write.begin_with("BEGIN IMMEDIATE").await?;
                let mut rows = Vec::new();
                for room in rooms {
                    let claim = sqlx::query_as(CLAIM).bind(room.webhook_id.0).bind(now);
                    let claim = claim.bind(room.deliveries as i64).bind(owner.0);
                    rows.extend(claim.fetch_all(&mut *tx).await?);
                }
                tx.commit().await?;
                rows
            }
            Db::Postgres { pool, .. } => {
                sqlx::query_as(CLAIM_POSTGRES)
                    .bind(rooms.iter().map(|room| room.webhook_id.0).collect::<Vec<_>>())
                    .bind(rooms.iter().map(|room| room.deliveries as i64).collect::<Vec<_>>())
                    .bind(now)
                    .bind(owner.0)
                    .fetch_all(pool)
                    .await?
            }
        };
        let (events, mut claimed) = (self.events_of(&rows).await?, Vec::with_capacity(rows.len()));
        let probing: HashSet<WebhookId> =
            rooms.iter().filter(|room| room.is_probe).map(|room| room.webhook_id).collect();
        for row in rows {
            if row.lost > CLAIMS_LOST {
                let message =
                    format!("it was claimed {CLAIMS_LOST} times, and nothing was heard of any of them");
                self.end_untold(&row, owner, message).await;
                continue;
            }
            let Some(event) = events.get(&row.event_id).cloned() else {
                let event_id = EventId(row.event_id);
                self.end_untold(&row, owner, format!("its event {event_id} is gone or cannot be read")).await;
                continue;
            };
            let delivery = ClaimedDelivery {
                delivery_id: DeliveryId(row.delivery_id),
                webhook_id: WebhookId(row.webhook_id),
                owner,
                claims: row.claims,
                event_id: event.event_id,
                is_probe: probing.contains(&WebhookId(row.webhook_id)),
                tries: row.tries,
                attempt_count: row.attempt_count,
                last_failed: row.attempt_count > 0 && row.error.is_some(),
            };
            claimed.push((delivery, event));
        }
        Ok(claimed)
    }

    /// Ends a delivery that is not sent any more. If that fails it is held without being sent, and so is claimed again.
    async fn end_untold(&self, row: &Row, owner: WorkerId, message: String) {
        let id = DeliveryId(row.delivery_id);
        tracing::error!(%id, message, "a delivery is given up");
        let error = DeliveryError { code: DeliveryErrorCode::Unsendable, message };
        let error = serde_json::to_string(&error).unwrap_or_default();
        let ended = on_write!(self, |conn| sqlx::query(END_UNTOLD)
            .bind(id.0)
            .bind(owner.0)
            .bind(row.claims)
            .bind(&error)
            .execute(conn)
            .await
            .map(|_| ()));
        if let Err(error) = ended {
            tracing::warn!(%id, %error, "a delivery that is given up could not be ended");
        }
    }

    /// Those that can be told.
    async fn events_of(&self, rows: &[Row]) -> Result<HashMap<Uuid, Arc<Event>>> {
        let mut ids: Vec<Uuid> = rows.iter().map(|row| row.event_id).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let found: Vec<_> = match &self.db {
            Db::Sqlite { read, .. } => {
                let mut found = Vec::with_capacity(ids.len());
                for id in ids {
                    let row = sqlx::query(EVENT).bind(id).fetch_optional(read).await?;
                    found.extend(row.as_ref().map(events::read));
                }
                found
            }
            Db::Postgres { pool, .. } => {
                let rows = sqlx::query(EVENTS_POSTGRES).bind(ids).fetch_all(pool).await?;
                rows.iter().map(events::read).collect()
            }
        };
        let told = found.into_iter().filter_map(|(_, event)| event.ok());
        Ok(told.map(|event| (event.event_id.0, Arc::new(event))).collect())
    }
}
