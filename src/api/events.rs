//! Events: what happened, reported by the product itself or by whoever publishes.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::event_data::{self, Data};
use super::webhook_actions::PublishedView;
use super::{id, query, tenants, view};
use crate::app::App;
use crate::model::{
    AgentId, ApiKeyId, Event, EventId, EventType, ExecutionId, ReportedEvent, TenantId, Time,
    UnknownEventType, WebhookKind,
};
use crate::store::{self, EventFilter, Full, Published};
use crate::web::{ApiError, Body, Caller, Code, Page, Query, Scope, limit, to_the_end};

/// Longest idempotency key, in characters.
pub const MAX_KEY_CHARS: usize = 255;

/// What is said of an event beside its data.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Report {
    event_type: String,
    tenant_id: Option<TenantId>,
    idempotency_key: Option<String>,
}

/// An event to publish.
#[derive(ToSchema)]
#[allow(dead_code, reason = "for the document: `data` is read apart, as the text that it is")]
struct Publish {
    /// Of `GET /api/v1/event-types`, but for the reserved ones; or `custom.` and a name of yours.
    #[schema(example = "optimization.completed", max_length = 100)]
    event_type: String,
    /// The facts: an object that matches the type's schema.
    data: Map<String, Value>,
    /// Whose it is. Only a key of one tenant may leave it out.
    tenant_id: Option<TenantId>,
    /// Names the event: the same again with the same type and data is the same event, for as long as it is kept.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
}

/// The list's query string.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Only this tenant's.
    tenant_id: Option<TenantId>,
    /// Only of this type.
    #[param(value_type = Option<String>, max_length = 100)]
    event_type: Option<EventType>,
    /// Only about this agent.
    agent_id: Option<AgentId>,
    /// Only about this execution.
    execution_id: Option<ExecutionId>,
    /// From then on.
    #[serde(default, deserialize_with = "query::time")]
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Time>,
    /// Before then.
    #[serde(default, deserialize_with = "query::time")]
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Time>,
    /// Items on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<EventId>,
}

/// Publish an event
///
/// It is sent to the tenant's endpoints that want to hear of it. Its `data` is kept as it came, numbers and spacing in
/// JavaScript's form; at most `AGENTHOOK_MAX_EVENT_BYTES` of it are taken.
#[utoipa::path(
    post, path = "/api/v1/events", tag = "events", operation_id = "publish_event",
    request_body(content = Publish, example = json!({
        "tenant_id": "acme", "event_type": "optimization.completed",
        "data": {"job_id": "550e8400-e29b-41d4-a716-446655440000", "status": "completed", "result": {}},
        "idempotency_key": "550e8400-completed"
    })),
    responses(
        (status = 202, description = "It is written; a repeat has the first one's id.", body = PublishedView),
        (status = 422, description = "invalid_request reserved_event_type schema_mismatch idempotency_mismatch")
    )
)]
pub async fn publish(caller: Caller, app: web::Data<App>, body: Body) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Accepted().json(PublishedView { event_id: publish_one(&caller, &app, body).await? }))
}

/// Publishes an event, as it is asked for.
pub(crate) async fn publish_one(
    caller: &Caller,
    app: &web::Data<App>,
    body: Body,
) -> Result<EventId, ApiError> {
    caller.writer()?;
    let (bytes, report) = body.split::<Report>("data")?;
    let event_type = reportable(&report.event_type)?;
    check_key(report.idempotency_key.as_deref())?;
    let named = report.tenant_id.map(|tenant_id| Value::String(tenant_id.into()));
    let tenant_id = tenants::named(app, caller, named).await?;
    let data = event_data::read(bytes, &event_type, app.settings.outbound.max_event_bytes).await?;
    write(app, tenant_id, event_type, data, report.idempotency_key, caller.key.key_id).await
}

/// The type, if it is one that others report.
fn reportable(text: &str) -> Result<EventType, ApiError> {
    if EventType::is_reserved(text) {
        let detail =
            "execution.*, agent.* and endpoint.* are reported by agenthook itself; call yours custom.…";
        return Err(ApiError::new(Code::ReservedEventType, detail));
    }
    text.parse().map_err(|error: UnknownEventType| ApiError::field("/event_type", error.to_string()))
}

fn check_key(key: Option<&str>) -> Result<(), ApiError> {
    let fault = |message: String| Err(ApiError::field("/idempotency_key", message));
    match key {
        Some(key) if !(1..=MAX_KEY_CHARS).contains(&key.chars().count()) => {
            fault(format!("must have between 1 and {MAX_KEY_CHARS} characters"))
        }
        Some(key) if key.contains('\0') => fault("must not contain the character U+0000".into()),
        Some(_) | None => Ok(()),
    }
}

async fn write(
    app: &web::Data<App>,
    tenant_id: TenantId,
    event_type: EventType,
    Data(data): Data,
    key: Option<String>,
    by: ApiKeyId,
) -> Result<EventId, ApiError> {
    let event = Event {
        event_id: EventId::new(),
        event_type,
        tenant_id: Some(tenant_id),
        agent_id: None,
        execution_id: None,
        webhook_id: None,
        at: app.clock.now(),
        data,
    };
    let (event_id, app) = (event.event_id, app.clone());
    // Whoever hangs up between the commit and the word to the workers would make the event wait for their next look.
    let published = to_the_end(async move {
        let published = app.reports.try_write(store::Report { event, key, by }).await;
        app.events_written();
        published
    })
    .await?;
    let published = published
        .map_err(|Full| ApiError::unavailable("too many events wait to be written; send it again"))?;
    match published? {
        Published::New => Ok(event_id),
        Published::Earlier(event_id) => Ok(event_id),
        Published::Mismatch => Err(ApiError::new(
            Code::IdempotencyMismatch,
            "idempotency_key names an event of another type or with other data: use a new key for a new event",
        )),
    }
}

/// List events
///
/// The newest first. Those of no tenant are shown to admins.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "events", operation_id = "list_events", params(ListQuery),
    responses((status = 200, description = "A page of events.", body = view::EventPage))
)]
pub async fn list(
    caller: Caller,
    app: web::Data<App>,
    query: Query<ListQuery>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(page(&app, &caller, &query).await?))
}

/// A page of events, as it is asked for.
pub(crate) async fn page(
    app: &App,
    caller: &Caller,
    query: &ListQuery,
) -> Result<Page<view::EventView>, ApiError> {
    let limit = limit(query.limit)?;
    let tenant_id = match caller.scope(query.tenant_id.clone()) {
        Scope::All => None,
        Scope::Tenant(tenant_id) => Some(tenant_id),
        Scope::Nothing => return Ok(Page::empty("events")),
    };
    let filter = EventFilter {
        tenant_id,
        event_type: query.event_type.clone(),
        agent_id: query.agent_id,
        execution_id: query.execution_id,
        from: query.from,
        to: query.to,
        before: query.cursor,
    };
    let events = app.store.events(&filter, limit + 1).await?;
    let cursor = |event: &ReportedEvent| event.event.event_id.to_string();
    Ok(Page::of("events", events, limit, cursor, view::event))
}

/// Show an event
///
/// With its deliveries. That to the endpoint of `WEBHOOK_URL` is shown to admins.
#[utoipa::path(
    get, path = "/api/v1/events/{event_id}", tag = "events", operation_id = "get_event",
    params(("event_id" = String, Path, description = "The event.")),
    responses((status = 200, description = "The event.", body = view::EventDetailView))
)]
pub async fn get(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(whole(&app, &caller, &path).await?))
}

/// An event with its deliveries, as far as the caller may know of them.
pub(crate) async fn whole(
    app: &App,
    caller: &Caller,
    event_id: &str,
) -> Result<view::EventDetailView, ApiError> {
    let event = find(app, caller, event_id).await?;
    let mut deliveries = app.store.deliveries_of_event(event.event.event_id).await?;
    if caller.key.tenant_id.is_some() {
        deliveries.retain(|delivery| delivery.kind != Some(WebhookKind::Platform));
    }
    Ok(view::event_detail(event, deliveries))
}

/// List event types
///
/// Each with the JSON Schema of its `data` and an example.
#[utoipa::path(
    get, path = "/api/v1/event-types", tag = "events", operation_id = "list_event_types",
    responses((status = 200, description = "All event types, in the order of their families.", body = view::EventTypeListView))
)]
pub async fn types(_: Caller) -> HttpResponse {
    HttpResponse::Ok().json(view::event_types())
}

/// The event with this id, if the caller may know of it: what is no tenant's is the admins'.
async fn find(app: &App, caller: &Caller, event_id: &str) -> Result<ReportedEvent, ApiError> {
    let event = app.store.event(id(event_id)?).await?.ok_or_else(ApiError::not_found)?;
    match &event.event.tenant_id {
        Some(tenant_id) => caller.sees(tenant_id)?,
        None if caller.key.tenant_id.is_some() => return Err(ApiError::not_found()),
        None => {}
    }
    Ok(event)
}
