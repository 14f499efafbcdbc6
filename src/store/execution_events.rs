//! What was told of one execution, for its timeline.

use std::collections::HashMap;

use uuid::Uuid;

use super::db::{on_read, statements};
use super::row::{decode, word};
use super::{Result, Store};
use crate::model::{
    DeliveryError, DeliveryId, EventId, ExecutionId, Time, ToldAttempt, ToldDelivery, ToldEvent, WebhookId,
};

/// Events of an execution that are read, at most: the newest.
const EVENTS: i64 = 300;
/// Their deliveries, at most: the newest.
const DELIVERIES: i64 = 500;
/// The attempts at these, at most: the newest.
const ATTEMPTS: i64 = 2000;

statements! {
    OF_EXECUTION = "SELECT event_id, event_type, at FROM events WHERE execution_id = $1 ORDER BY event_id DESC LIMIT $2";
    THEIR_DELIVERIES = "SELECT delivery_id, event_id, webhook_id,
            EXISTS (SELECT 1 FROM webhooks w WHERE w.webhook_id = deliveries.webhook_id AND w.kind = 'callback') AS is_callback,
            status, attempt_count, error, created_at, due_at
        FROM deliveries
        WHERE event_id IN (SELECT event_id FROM events WHERE execution_id = $1 ORDER BY event_id DESC LIMIT $2)
        ORDER BY delivery_id DESC LIMIT $3";
    THEIR_ATTEMPTS = "SELECT delivery_id, number, started_at, response_ms, status_code, error FROM delivery_attempts
        WHERE delivery_id IN (SELECT delivery_id FROM deliveries
            WHERE event_id IN (SELECT event_id FROM events WHERE execution_id = $1 ORDER BY event_id DESC LIMIT $2)
            ORDER BY delivery_id DESC LIMIT $3)
        ORDER BY started_at DESC, number DESC LIMIT $4";
}

#[derive(sqlx::FromRow)]
struct DeliveryRow {
    delivery_id: Uuid,
    event_id: Uuid,
    webhook_id: Uuid,
    is_callback: bool,
    status: String,
    attempt_count: i32,
    error: Option<String>,
    created_at: Time,
    due_at: Option<Time>,
}

#[derive(sqlx::FromRow)]
struct AttemptRow {
    delivery_id: Uuid,
    number: i32,
    started_at: Time,
    response_ms: i64,
    status_code: Option<i32>,
    error: Option<String>,
}

impl Store {
    /// The newest events of an execution with their deliveries, the oldest of them first.
    ///
    /// # Errors
    /// The database's.
    pub async fn told_of(&self, id: ExecutionId) -> Result<Vec<ToldEvent>> {
        let events: Vec<(Uuid, String, Time)> = on_read!(self, |conn| sqlx::query_as(OF_EXECUTION)
            .bind(id.0)
            .bind(EVENTS)
            .fetch_all(conn)
            .await)?;
        let rows: Vec<DeliveryRow> = on_read!(self, |conn| sqlx::query_as(THEIR_DELIVERIES)
            .bind(id.0)
            .bind(EVENTS)
            .bind(DELIVERIES)
            .fetch_all(conn)
            .await)?;
        let mut attempts = self.their_attempts(id).await?;
        let mut deliveries: HashMap<Uuid, Vec<ToldDelivery>> = HashMap::new();
        for row in rows.into_iter().rev() {
            let event_id = row.event_id;
            let attempts = attempts.remove(&row.delivery_id).unwrap_or_default();
            deliveries.entry(event_id).or_default().push(delivery(row, attempts)?);
        }
        let event = |(event_id, event_type, at): (Uuid, String, Time)| {
            let deliveries = deliveries.remove(&event_id).unwrap_or_default();
            let event_type = event_type.parse().map_err(decode)?;
            Ok(ToldEvent { event_id: EventId(event_id), event_type, at, deliveries })
        };
        events.into_iter().rev().map(event).collect()
    }

    async fn their_attempts(&self, id: ExecutionId) -> Result<HashMap<Uuid, Vec<ToldAttempt>>> {
        let rows: Vec<AttemptRow> = on_read!(self, |conn| sqlx::query_as(THEIR_ATTEMPTS)
            .bind(id.0)
            .bind(EVENTS)
            .bind(DELIVERIES)
            .bind(ATTEMPTS)
            .fetch_all(conn)
            .await)?;
        let mut attempts: HashMap<Uuid, Vec<ToldAttempt>> = HashMap::new();
        for row in rows.into_iter().rev() {
            let of = attempts.entry(row.delivery_id).or_default();
            of.push(ToldAttempt {
                number: row.number,
                started_at: row.started_at,
                response_ms: row.response_ms,
                status_code: row.status_code,
                error: row.error.as_deref().map(error).transpose()?,
            });
        }
        Ok(attempts)
    }
}

fn delivery(row: DeliveryRow, mut attempts: Vec<ToldAttempt>) -> Result<ToldDelivery> {
    // The attempts were read a moment later: what has been written since is not what the row says.
    attempts.retain(|attempt| attempt.number <= row.attempt_count);
    Ok(ToldDelivery {
        delivery_id: DeliveryId(row.delivery_id),
        webhook_id: WebhookId(row.webhook_id),
        is_callback: row.is_callback,
        status: word(&row.status)?,
        error: row.error.as_deref().map(error).transpose()?,
        created_at: row.created_at,
        due_at: row.due_at,
        attempts,
    })
}

fn error(text: &str) -> Result<DeliveryError> {
    serde_json::from_str(text).map_err(decode)
}
