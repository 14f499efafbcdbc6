//! Events: written in the transaction of what they tell.

use serde_json::value::RawValue;
use sqlx::{ColumnIndex, Decode, FromRow, SqliteConnection, Type};
use uuid::Uuid;

use super::db::{Tx, statements};
use super::{Error, Result, Store, audit};
use crate::model::{AgentId, AuditEntry, Event, EventId, ExecutionId, TenantId, Time, WebhookId};

statements! {
    INSERT = "INSERT INTO events (event_id, event_type, tenant_id, agent_id, execution_id, webhook_id, at, data)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
}

/// [`INSERT`] for all of them in one round trip.
pub(super) const INSERT_POSTGRES: &str =
    "INSERT INTO events (event_id, event_type, tenant_id, agent_id, execution_id, webhook_id, at, data)
    SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::uuid[], $6::uuid[], $7::timestamptz[], $8::text[])";

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    event_id: Uuid,
    event_type: String,
    tenant_id: Option<String>,
    agent_id: Option<Uuid>,
    execution_id: Option<Uuid>,
    webhook_id: Option<Uuid>,
    at: Time,
    data: String,
}

impl TryFrom<Row> for Event {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            event_id: EventId(row.event_id),
            event_type: row.event_type.parse().map_err(super::row::decode)?,
            tenant_id: row.tenant_id.map(TenantId::try_from).transpose().map_err(super::row::decode)?,
            agent_id: row.agent_id.map(AgentId),
            execution_id: row.execution_id.map(ExecutionId),
            webhook_id: row.webhook_id.map(WebhookId),
            at: row.at,
            data: row.data,
        })
    }
}

/// A row's id, and the event if it can be read and told. Each row by itself: what somebody has changed by hand costs its
/// neighbours nothing.
pub(super) fn read<'r, R: sqlx::Row>(row: &'r R) -> (sqlx::Result<Uuid>, Result<Event>)
where
    &'static str: ColumnIndex<R>,
    Uuid: Decode<'r, R::Database> + Type<R::Database>,
    Row: FromRow<'r, R>,
{
    (row.try_get("event_id"), readable(Row::from_row(row)))
}

fn readable(row: sqlx::Result<Row>) -> Result<Event> {
    let event = Event::try_from(row?)?;
    serde_json::from_str::<&RawValue>(&event.data).map_err(super::row::decode)?;
    Ok(event)
}

impl Store {
    /// Publishes an event that tells of no change in a row of ours.
    ///
    /// # Errors
    /// The database's.
    pub async fn publish(&self, event: &Event, entry: &AuditEntry) -> Result<()> {
        let mut tx = self.db.begin().await?;
        note(&mut tx, event).await?;
        audit::note(&mut tx, entry).await?;
        tx.commit().await
    }
}

/// Writes an event in the transaction of what it tells.
pub(super) async fn note(tx: &mut Tx, event: &Event) -> Result<()> {
    match tx {
        Tx::Sqlite(conn) => note_sqlite(conn, event).await,
        Tx::Postgres(_) => note_all(tx, &[event]).await,
    }
}

/// The same of several, in one trip.
pub(super) async fn note_all(tx: &mut Tx, events: &[&Event]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    match tx {
        Tx::Sqlite(conn) => {
            for event in events {
                note_sqlite(conn, event).await?;
            }
        }
        Tx::Postgres(conn) => {
            sqlx::query(INSERT_POSTGRES)
                .bind(column(events, |event| event.event_id.0))
                .bind(column(events, |event| event.event_type.as_str()))
                .bind(column(events, |event| event.tenant_id.as_ref().map(TenantId::as_str)))
                .bind(column(events, |event| event.agent_id.map(|id| id.0)))
                .bind(column(events, |event| event.execution_id.map(|id| id.0)))
                .bind(column(events, |event| event.webhook_id.map(|id| id.0)))
                .bind(column(events, |event| event.at))
                .bind(column(events, |event| event.data.as_str()))
                .execute(&mut **conn)
                .await?;
        }
    }
    Ok(())
}

/// Writes an event on the embedded database.
pub(super) async fn note_sqlite(conn: &mut SqliteConnection, event: &Event) -> Result<()> {
    sqlx::query(INSERT)
        .bind(event.event_id.0)
        .bind(event.event_type.as_str())
        .bind(event.tenant_id.as_ref().map(TenantId::as_str))
        .bind(event.agent_id.map(|id| id.0))
        .bind(event.execution_id.map(|id| id.0))
        .bind(event.webhook_id.map(|id| id.0))
        .bind(event.at)
        .bind(&event.data)
        .execute(conn)
        .await?;
    Ok(())
}

fn column<'a, T>(events: &[&'a Event], of: impl Fn(&'a Event) -> T) -> Vec<T> {
    events.iter().map(|event| of(event)).collect()
}
