//! Reading deliveries: a page of an endpoint's, and one with its attempts.

use std::collections::BTreeSet;

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::super::conditions::{Conditions, Value, bind_values};
use super::super::db::{on_read, statements};
use super::super::row::{decode, spell, word};
use super::super::{Error, Result, Store};
use crate::model::{
    Delivery, DeliveryAttempt, DeliveryId, DeliveryStatus, EventId, EventType, Time, WebhookId,
};

macro_rules! columns {
    () => {
        "delivery_id, event_id, webhook_id, event_type, status, status_code, attempt_count, response_ms, error,
            created_at, attempted_at, due_at"
    };
}

statements! {
    GET = concat!("SELECT ", columns!(), " FROM deliveries WHERE delivery_id = $1 AND webhook_id = $2");
    ATTEMPTS = "SELECT number, started_at, response_ms, headers, status_code, response_body, error
        FROM delivery_attempts WHERE delivery_id = $1 ORDER BY number";
}

/// So many are counted, at most: an endpoint may have millions, and each page asks.
const COUNTED: i64 = 10_000;

/// Which deliveries a page shows.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryFilter {
    /// To this endpoint.
    pub webhook_id: WebhookId,
    /// In this state; `None` lets all pass.
    pub status: Option<DeliveryStatus>,
    /// Older than this one: the page's cursor.
    pub before: Option<DeliveryId>,
}

#[derive(sqlx::FromRow)]
struct Row {
    delivery_id: Uuid,
    event_id: Uuid,
    webhook_id: Uuid,
    event_type: String,
    status: String,
    status_code: Option<i32>,
    attempt_count: i32,
    response_ms: Option<i64>,
    error: Option<String>,
    created_at: Time,
    attempted_at: Option<Time>,
    due_at: Option<Time>,
}

impl TryFrom<Row> for Delivery {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            delivery_id: DeliveryId(row.delivery_id),
            event_id: EventId(row.event_id),
            webhook_id: WebhookId(row.webhook_id),
            event_type: row.event_type.parse::<EventType>().map_err(decode)?,
            status: word(&row.status)?,
            status_code: row.status_code.and_then(|code| u16::try_from(code).ok()),
            attempt_count: row.attempt_count.unsigned_abs(),
            response_ms: row.response_ms,
            error: row.error.map(|text| serde_json::from_str(&text)).transpose().map_err(decode)?,
            created_at: row.created_at,
            attempted_at: row.attempted_at,
            due_at: row.due_at,
        })
    }
}

#[derive(sqlx::FromRow)]
struct AttemptRow {
    number: i32,
    started_at: Time,
    response_ms: i64,
    headers: String,
    status_code: Option<i32>,
    response_body: Option<Vec<u8>>,
    error: Option<String>,
}

impl TryFrom<AttemptRow> for DeliveryAttempt {
    type Error = Error;
    fn try_from(row: AttemptRow) -> Result<Self> {
        Ok(Self {
            number: row.number.unsigned_abs(),
            started_at: row.started_at,
            response_ms: row.response_ms,
            request_headers: serde_json::from_str(&row.headers).map_err(decode)?,
            status_code: row.status_code.and_then(|code| u16::try_from(code).ok()),
            response_body: row.response_body,
            error: row.error.map(|text| serde_json::from_str(&text)).transpose().map_err(decode)?,
        })
    }
}

/// What a filter says of rows: with the cursor for a page, without it for how many there are.
fn conditions(filter: DeliveryFilter, before: Option<DeliveryId>) -> Conditions {
    let mut wanted = Conditions::default();
    wanted.value("webhook_id =", Some(Value::Id(filter.webhook_id.0)));
    wanted.value("status =", filter.status.map(|status| Value::Text(spell(status))));
    wanted.value("delivery_id <", before.map(|id| Value::Id(id.0)));
    wanted
}

/// A page, the newest first. Its limit is the place after the values.
fn page(filter: DeliveryFilter) -> (String, Vec<Value>) {
    let wanted = conditions(filter, filter.before);
    let (conditions, limit) = (wanted.text(), wanted.next_place());
    let columns = columns!();
    let text =
        format!("SELECT {columns} FROM deliveries{conditions} ORDER BY delivery_id DESC LIMIT ${limit}");
    (text, wanted.values())
}

fn total(filter: DeliveryFilter) -> (String, Vec<Value>) {
    let wanted = conditions(filter, None);
    let (conditions, most) = (wanted.text(), COUNTED);
    let text = format!("SELECT count(*) FROM (SELECT 1 FROM deliveries{conditions} LIMIT {most}) counted");
    (text, wanted.values())
}

/// Each text of the lists.
pub(in crate::store) fn every_text() -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    for status in [None, Some(DeliveryStatus::Failed)] {
        for before in [None, Some(DeliveryId::new())] {
            let filter = DeliveryFilter { webhook_id: WebhookId::new(), status, before };
            texts.extend([page(filter).0, total(filter).0]);
        }
    }
    texts
}

impl Store {
    /// Up to `limit` deliveries, the newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn delivery_page(&self, filter: DeliveryFilter, limit: i64) -> Result<Vec<Delivery>> {
        let (text, values) = page(filter);
        let rows: Vec<Row> =
            on_read!(self, |conn| bind_values!(sqlx::query_as(AssertSqlSafe(text)), values)
                .bind(limit)
                .fetch_all(conn)
                .await)?;
        rows.into_iter().map(Delivery::try_from).collect()
    }

    /// How many there are on all pages; of more than 10,000, that.
    ///
    /// # Errors
    /// The database's.
    pub async fn count_deliveries(&self, filter: DeliveryFilter) -> Result<i64> {
        let (text, values) = total(filter);
        Ok(on_read!(self, |conn| bind_values!(sqlx::query_scalar(AssertSqlSafe(text)), values)
            .fetch_one(conn)
            .await)?)
    }

    /// One delivery to this endpoint.
    ///
    /// # Errors
    /// The database's.
    pub async fn delivery(&self, id: DeliveryId, webhook_id: WebhookId) -> Result<Option<Delivery>> {
        let row: Option<Row> = on_read!(self, |conn| sqlx::query_as(GET)
            .bind(id.0)
            .bind(webhook_id.0)
            .fetch_optional(conn)
            .await)?;
        row.map(Delivery::try_from).transpose()
    }

    /// Its attempts, the first one first.
    ///
    /// # Errors
    /// The database's.
    pub async fn delivery_attempts(&self, id: DeliveryId) -> Result<Vec<DeliveryAttempt>> {
        let rows: Vec<AttemptRow> =
            on_read!(self, |conn| sqlx::query_as(ATTEMPTS).bind(id.0).fetch_all(conn).await)?;
        rows.into_iter().map(DeliveryAttempt::try_from).collect()
    }
}
