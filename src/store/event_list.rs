//! Pages of events, and one event with what became of it.

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::conditions::{Conditions, Value, bind_values};
use super::db::{on_read, statements};
use super::row::word;
use super::{Error, Result, Store, events};
use crate::model::{
    AgentId, ApiKeyId, DeliveryId, DeliveryStatus, EventId, EventType, ExecutionId, ReportedEvent, TenantId,
    Time, WebhookId, WebhookKind,
};

macro_rules! columns {
    () => {
        "event_id, event_type, tenant_id, agent_id, execution_id, webhook_id, at, data, published_by"
    };
}

statements! {
    GET = concat!("SELECT ", columns!(), " FROM events WHERE event_id = $1");
    DELIVERIES = "SELECT d.delivery_id, d.webhook_id, d.status, w.kind FROM deliveries d
        LEFT JOIN webhooks w ON w.webhook_id = d.webhook_id WHERE d.event_id = $1 ORDER BY d.delivery_id";
}

/// Which events a page shows; every `None` lets all pass.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Of this tenant.
    pub tenant_id: Option<TenantId>,
    /// Of this type.
    pub event_type: Option<EventType>,
    /// About this agent.
    pub agent_id: Option<AgentId>,
    /// About this execution.
    pub execution_id: Option<ExecutionId>,
    /// That happened at this time or later.
    pub from: Option<Time>,
    /// That happened before this time.
    pub to: Option<Time>,
    /// Older than this event: the page's cursor.
    pub before: Option<EventId>,
}

/// A delivery as its event shows it.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryOfEvent {
    /// Names it.
    pub delivery_id: DeliveryId,
    /// Whom it is for.
    pub webhook_id: WebhookId,
    /// What has become of it.
    pub status: DeliveryStatus,
    /// What kind of endpoint that is; `None`: there is no such row any more.
    pub kind: Option<WebhookKind>,
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    event: events::Row,
    published_by: Option<Uuid>,
}

impl TryFrom<Row> for ReportedEvent {
    type Error = Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self { event: row.event.try_into()?, published_by: row.published_by.map(ApiKeyId) })
    }
}

#[derive(sqlx::FromRow)]
struct DeliveryRow {
    delivery_id: Uuid,
    webhook_id: Uuid,
    status: String,
    kind: Option<String>,
}

/// Newest first by id: version 7 ids sort by time. The limit is the place after the values.
fn text(filter: &EventFilter) -> (String, Vec<Value>) {
    let mut wanted = Conditions::default();
    wanted.value("tenant_id =", filter.tenant_id.clone().map(|id| Value::Text(id.into())));
    wanted.value("event_type =", filter.event_type.clone().map(|kind| Value::Text(kind.into())));
    wanted.value("agent_id =", filter.agent_id.map(|id| Value::Id(id.0)));
    wanted.value("execution_id =", filter.execution_id.map(|id| Value::Id(id.0)));
    wanted.page(("event_id", "at"), filter.from, filter.to, filter.before.map(|id| id.0));
    let (conditions, limit) = (wanted.text(), wanted.next_place());
    let columns = columns!();
    (
        format!("SELECT {columns} FROM events{conditions} ORDER BY event_id DESC LIMIT ${limit}"),
        wanted.values(),
    )
}

/// Each text that there is.
pub(super) fn every_text() -> Vec<String> {
    let (tenant, time, event) = ("t".parse::<TenantId>().ok(), Time::UNIX_EPOCH, EventId::new());
    let (agent, execution) = (AgentId::new(), ExecutionId::new());
    let texts = (0..128_u8).map(|bits| {
        let has = |bit: u8| bits & (1 << bit) != 0;
        let filter = EventFilter {
            tenant_id: tenant.clone().filter(|_| has(0)),
            event_type: has(1).then_some(EventType::ModelRegistered),
            agent_id: has(5).then_some(agent),
            execution_id: has(6).then_some(execution),
            from: has(2).then_some(time),
            to: has(3).then_some(time),
            before: has(4).then_some(event),
        };
        text(&filter).0
    });
    texts.collect()
}

impl Store {
    /// Up to `limit` events, the newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn events(&self, filter: &EventFilter, limit: i64) -> Result<Vec<ReportedEvent>> {
        let (text, values) = text(filter);
        let rows: Vec<Row> =
            on_read!(self, |conn| bind_values!(sqlx::query_as(AssertSqlSafe(text)), values)
                .bind(limit)
                .fetch_all(conn)
                .await)?;
        rows.into_iter().map(ReportedEvent::try_from).collect()
    }

    /// One event.
    ///
    /// # Errors
    /// The database's.
    pub async fn event(&self, id: EventId) -> Result<Option<ReportedEvent>> {
        let row: Option<Row> =
            on_read!(self, |conn| sqlx::query_as(GET).bind(id.0).fetch_optional(conn).await)?;
        row.map(ReportedEvent::try_from).transpose()
    }

    /// What became of an event: its deliveries, one per endpoint.
    ///
    /// # Errors
    /// The database's.
    pub async fn deliveries_of_event(&self, id: EventId) -> Result<Vec<DeliveryOfEvent>> {
        let rows: Vec<DeliveryRow> =
            on_read!(self, |conn| sqlx::query_as(DELIVERIES).bind(id.0).fetch_all(conn).await)?;
        let read = |row: DeliveryRow| {
            Ok(DeliveryOfEvent {
                delivery_id: DeliveryId(row.delivery_id),
                webhook_id: WebhookId(row.webhook_id),
                status: word(&row.status)?,
                kind: row.kind.as_deref().map(word).transpose()?,
            })
        };
        rows.into_iter().map(read).collect()
    }
}
