//! Dispatch: events that nobody has looked at, and the deliveries that become of them.

use std::collections::HashSet;

use uuid::Uuid;

use super::super::db::{Db, Tx, in_tx, on_read, statements};
use super::super::row::spell;
use super::super::{Error, Result, Store, events, stats};
use crate::model::{
    DeliveryError, DeliveryId, DeliveryStatus, Event, EventId, EventType, ExecutionId, RunEnd, Time,
    WebhookId,
};

statements! {
    // One probe of the index for each tenant, however much waits of it; what is nobody's has the name ''.
    TENANTS = "WITH RECURSIVE waiting (tenant) AS (
            SELECT * FROM (SELECT COALESCE(tenant_id, '') FROM events WHERE dispatched_at IS NULL
                ORDER BY COALESCE(tenant_id, '') LIMIT 1) first
            UNION ALL
            SELECT (SELECT COALESCE(n.tenant_id, '') FROM events n
                WHERE n.dispatched_at IS NULL AND COALESCE(n.tenant_id, '') > w.tenant
                ORDER BY COALESCE(n.tenant_id, '') LIMIT 1)
            FROM waiting w WHERE w.tenant IS NOT NULL)
        SELECT w.tenant FROM waiting w WHERE w.tenant IS NOT NULL
        ORDER BY (SELECT e.event_id FROM events e WHERE e.dispatched_at IS NULL AND COALESCE(e.tenant_id, '') = w.tenant
            ORDER BY e.event_id LIMIT 1)";
    WAITING = "SELECT event_id, event_type, tenant_id, agent_id, execution_id, webhook_id, at, data FROM events
        WHERE dispatched_at IS NULL AND COALESCE(tenant_id, '') = $1 ORDER BY event_id LIMIT $2";
    // The compare-and-set: of several who have looked at it one makes its deliveries.
    TAKE = "UPDATE events SET dispatched_at = $2 WHERE event_id = $1 AND dispatched_at IS NULL";
    CALLBACK = "SELECT sealed FROM callbacks WHERE execution_id = $1";
    INSERT = "INSERT INTO deliveries (delivery_id, event_id, webhook_id, event_type, status, due_at, claims, tries,
            attempt_count, error, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, 0, 0, 0, $7, $8) ON CONFLICT (event_id, webhook_id) DO NOTHING";
}

/// Which of them have a [`CALLBACK`], in one round trip.
pub(in crate::store) const CALLBACKS_POSTGRES: &str =
    "SELECT execution_id FROM callbacks WHERE execution_id = ANY($1)";

/// [`WAITING`] of all of them in one round trip.
pub(in crate::store) const WAITING_POSTGRES: &str =
    "SELECT e.* FROM UNNEST($1::text[]) AS t (tenant) CROSS JOIN LATERAL (
        SELECT event_id, event_type, tenant_id, agent_id, execution_id, webhook_id, at, data FROM events
        WHERE dispatched_at IS NULL AND COALESCE(tenant_id, '') = t.tenant ORDER BY event_id LIMIT $2) e
    ORDER BY e.event_id";

/// [`TAKE`] for all of them in one round trip. They are locked in the order of their ids, as an UPDATE alone would not: who
/// takes the same ones waits, and never in a circle.
pub(in crate::store) const TAKE_POSTGRES: &str = "WITH waiting AS (SELECT event_id FROM events
        WHERE event_id = ANY($1) AND dispatched_at IS NULL ORDER BY event_id FOR UPDATE)
    UPDATE events e SET dispatched_at = $2 FROM waiting WHERE e.event_id = waiting.event_id RETURNING e.event_id";

/// [`INSERT`] for all of them in one round trip.
pub(in crate::store) const INSERT_POSTGRES: &str =
    "INSERT INTO deliveries (delivery_id, event_id, webhook_id, event_type,
        status, due_at, claims, tries, attempt_count, error, created_at)
    SELECT id, event, webhook, kind, status, due, 0, 0, 0, error, $8
    FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::text[])
        AS t (id, event, webhook, kind, status, due, error)
    ON CONFLICT (event_id, webhook_id) DO NOTHING";

/// Events whose deliveries are still to be made.
#[derive(Debug, Default)]
pub struct Undispatched {
    /// The oldest first.
    pub events: Vec<Event>,
    /// Rows that somebody has changed by hand, or a newer version wrote: nothing can be told of them.
    pub unreadable: Vec<(EventId, Error)>,
}

/// A delivery as dispatch makes it.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// Names it.
    pub delivery_id: DeliveryId,
    /// What is told.
    pub event_id: EventId,
    /// Whom.
    pub webhook_id: WebhookId,
    /// What kind of event it is.
    pub event_type: EventType,
    /// Why nothing is sent, if nothing is.
    pub error: Option<DeliveryError>,
}

impl NewDelivery {
    fn status(&self) -> String {
        spell(if self.error.is_some() { DeliveryStatus::Exhausted } else { DeliveryStatus::Pending })
    }

    fn due_at(&self, now: Time) -> Option<Time> {
        self.error.is_none().then_some(now)
    }

    fn error(&self) -> Option<String> {
        self.error.as_ref().and_then(|error| serde_json::to_string(error).ok())
    }
}

impl Store {
    /// Of whom there are events whose deliveries are still to be made, as the events name them: whose are the oldest comes
    /// first. The empty text is nobody.
    ///
    /// # Errors
    /// The database's.
    pub async fn undispatched_tenants(&self) -> Result<Vec<String>> {
        Ok(on_read!(self, |conn| sqlx::query_scalar(TENANTS).fetch_all(conn).await)?)
    }

    /// Of each of these tenants up to `each` events whose deliveries are still to be made, the oldest.
    ///
    /// # Errors
    /// The database's.
    pub async fn undispatched(&self, tenants: &[String], each: i64) -> Result<Undispatched> {
        let rows: Vec<_> = match &self.db {
            Db::Sqlite { read, .. } => {
                let mut rows = Vec::new();
                for tenant in tenants {
                    let of_tenant = sqlx::query(WAITING).bind(tenant).bind(each).fetch_all(read).await?;
                    rows.extend(of_tenant.iter().map(events::read));
                }
                rows
            }
            Db::Postgres { pool, .. } => {
                let rows = sqlx::query(WAITING_POSTGRES).bind(tenants).bind(each).fetch_all(pool).await?;
                rows.iter().map(events::read).collect()
            }
        };
        let mut found = Undispatched::default();
        for (id, event) in rows {
            match event {
                Ok(event) => found.events.push(event),
                Err(error) => found.unreadable.push((EventId(id?), error)),
            }
        }
        found.events.sort_unstable_by_key(|event| event.event_id);
        Ok(found)
    }

    /// Those of these executions whose senders want to hear of their end.
    ///
    /// # Errors
    /// The database's.
    pub async fn calling_back(&self, ids: &[ExecutionId]) -> Result<HashSet<ExecutionId>> {
        if ids.is_empty() {
            return Ok(HashSet::new());
        }
        if let Db::Postgres { pool, .. } = &self.db {
            let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
            let found: Vec<Uuid> = sqlx::query_scalar(CALLBACKS_POSTGRES).bind(ids).fetch_all(pool).await?;
            return Ok(found.into_iter().map(ExecutionId).collect());
        }
        let mut found = HashSet::new();
        for id in ids {
            found.extend(self.callback_of(*id).await?.map(|_| *id));
        }
        Ok(found)
    }

    /// Where the sender of an execution wants to hear of its end, sealed.
    ///
    /// # Errors
    /// The database's.
    pub async fn callback_of(&self, id: ExecutionId) -> Result<Option<String>> {
        Ok(on_read!(self, |conn| sqlx::query_scalar(CALLBACK).bind(id.0).fetch_optional(conn).await)?)
    }

    /// Makes the deliveries of events, counts the ends of runs among them, and notes that these are dispatched. What
    /// somebody else dispatched meanwhile is left as it is. The events that this call dispatched: each event is in the
    /// answer of one call, of all processes.
    ///
    /// # Errors
    /// The database's; nothing is dispatched then.
    pub async fn dispatch(
        &self,
        events: &[EventId],
        deliveries: &[NewDelivery],
        ends: &[RunEnd],
        now: Time,
    ) -> Result<HashSet<EventId>> {
        let mut tx = self.db.begin().await?;
        let taken = take(&mut tx, events, now).await?;
        let ours: Vec<_> = deliveries.iter().filter(|new| taken.contains(&new.event_id)).collect();
        match &mut tx {
            Tx::Sqlite(tx) => {
                // Row by row is as good here: sqlx keeps the statement prepared, and the commit is one.
                for new in &ours {
                    sqlx::query(INSERT)
                        .bind(new.delivery_id.0)
                        .bind(new.event_id.0)
                        .bind(new.webhook_id.0)
                        .bind(new.event_type.as_str())
                        .bind(new.status())
                        .bind(new.due_at(now))
                        .bind(new.error())
                        .bind(now)
                        .execute(&mut **tx)
                        .await?;
                }
            }
            Tx::Postgres(tx) if !ours.is_empty() => {
                sqlx::query(INSERT_POSTGRES)
                    .bind(column(&ours, |new| new.delivery_id.0))
                    .bind(column(&ours, |new| new.event_id.0))
                    .bind(column(&ours, |new| new.webhook_id.0))
                    .bind(column(&ours, |new| new.event_type.as_str().to_owned()))
                    .bind(column(&ours, |new| new.status()))
                    .bind(column(&ours, |new| new.due_at(now)))
                    .bind(column(&ours, |new| new.error()))
                    .bind(now)
                    .execute(&mut **tx)
                    .await?;
            }
            Tx::Postgres(_) => {}
        }
        // Last: all who dispatch meet in these rows.
        stats::count(&mut tx, ends, &taken, now).await?;
        tx.commit().await?;
        Ok(taken)
    }
}

async fn take(tx: &mut Tx, events: &[EventId], now: Time) -> Result<HashSet<EventId>> {
    let ids: Vec<Uuid> = events.iter().map(|id| id.0).collect();
    if let Tx::Postgres(tx) = tx {
        let taken: Vec<Uuid> =
            sqlx::query_scalar(TAKE_POSTGRES).bind(ids).bind(now).fetch_all(&mut **tx).await?;
        return Ok(taken.into_iter().map(EventId).collect());
    }
    let mut taken = HashSet::with_capacity(ids.len());
    for id in ids {
        let took = in_tx!(tx, |conn| sqlx::query(TAKE)
            .bind(id)
            .bind(now)
            .execute(&mut *conn)
            .await
            .map(|done| done.rows_affected() == 1))?;
        if took {
            taken.insert(EventId(id));
        }
    }
    Ok(taken)
}

fn column<'a, T>(new: &[&'a NewDelivery], of: impl Fn(&'a NewDelivery) -> T) -> Vec<T> {
    new.iter().map(|new| of(new)).collect()
}
