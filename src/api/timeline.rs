//! What happened to an execution, in one list.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::view::Stamp;
use super::{executions, view};
use crate::app::App;
use crate::model::{
    AuditAction, AuditEntry, DeliveryError, DeliveryId, EventId, ExecutionError, ExecutionId,
    ExecutionSource, HeldReason, KeySource, LoggedAction, SecretId, TimelineDetails, TimelineEntry,
    TimelineEvent, WebhookId, timeline,
};
use crate::store::AuditFilter;
use crate::web::{ApiError, Caller};

/// Replays that a timeline names, at most: the newest.
const REPLAYS: i64 = 100;
/// Entries of the audit log that are looked at for who did something, at most: the newest.
const AUDITED: i64 = 500;

#[derive(Serialize, ToSchema)]
#[schema(as = Timeline)]
pub(crate) struct TimelineView {
    pub execution_id: ExecutionId,
    pub timeline: Vec<EntryView>,
}

/// What an event has no value for is left out.
#[derive(Serialize, ToSchema)]
#[schema(as = TimelineEntry)]
pub(crate) struct EntryView {
    pub at: Stamp,
    pub event: TimelineEvent,
    pub run: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<ExecutionSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_id: Option<SecretId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<ExecutionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_source: Option<KeySource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub llm_call_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ExecutionError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Stamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_reason: Option<HeldReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<EventId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_id: Option<DeliveryId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_id: Option<WebhookId>,
    /// Why a delivery failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_error: Option<DeliveryError>,
    /// The name of the API key whose holder did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    pub message: String,
}

/// Show what happened to an execution
///
/// In the order of time: the hook, the runs with their calls, events, and how each of their deliveries went. Of very many
/// events and deliveries the newest are told.
#[utoipa::path(
    get, path = "/api/v1/executions/{execution_id}/timeline", tag = "executions", operation_id = "get_timeline",
    params(("execution_id" = ExecutionId, Path, description = "The execution.")),
    responses((status = 200, description = "The timeline.", body = TimelineView))
)]
pub async fn get(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(of(&app, &caller, &path).await?))
}

/// What happened to this execution.
pub(crate) async fn of(app: &App, caller: &Caller, execution_id: &str) -> Result<TimelineView, ApiError> {
    let trace = executions::find_outline(app, caller, execution_id).await?;
    let execution_id = trace.execution.execution_id;
    let past = app.store.past_runs(execution_id).await?;
    let replays = app.store.replays_of(execution_id, REPLAYS).await?;
    let filter = AuditFilter { subject: Some(execution_id.to_string()), ..AuditFilter::default() };
    let audit = app.store.audit_log(&filter, AUDITED).await?;
    let told = |told| EntryView { by: who(&audit, &told), ..entry(told) };
    let events = app.store.told_of(execution_id).await?;
    let timeline = timeline(&trace, &past, &replays, &events).into_iter().map(told).collect();
    Ok(TimelineView { execution_id, timeline })
}

/// Who did it, where a person did: the audit log has the same moment.
fn who(audit: &[AuditEntry], told: &TimelineEntry) -> Option<String> {
    let actions: &[AuditAction] = match told.event {
        TimelineEvent::Cancelled => &[AuditAction::ExecutionCancelled],
        TimelineEvent::Retried => &[AuditAction::ExecutionRetried],
        TimelineEvent::Replayed => &[AuditAction::ExecutionReplayed],
        TimelineEvent::Released => &[AuditAction::ExecutionReleased],
        // To cancel what is held is the same.
        TimelineEvent::Discarded => &[AuditAction::ExecutionDiscarded, AuditAction::ExecutionCancelled],
        _ => return None,
    };
    let is_it = |done: &&AuditEntry| actions.iter().any(|action| done.action == LoggedAction::Known(*action));
    let done = audit.iter().find(|done| is_it(done) && done.at == told.at)?;
    Some(done.actor.name.clone())
}

/// An entry as it is shown, but for who did it.
pub(crate) fn entry(TimelineEntry { at, event, run, message, details }: TimelineEntry) -> EntryView {
    let TimelineDetails {
        source,
        request_id,
        secret_id,
        bytes,
        execution_id,
        attempt,
        key_source,
        model,
        llm_call_id,
        status_code,
        error,
        took_ms,
        due_at,
        held_reason,
        event_id,
        event_type,
        delivery_id,
        webhook_id,
        delivery_error,
    } = details;
    EntryView {
        at: Stamp(at),
        event,
        run,
        source,
        request_id,
        secret_id,
        bytes,
        execution_id,
        attempt,
        key_source,
        model,
        llm_call_id,
        status_code,
        error,
        took_ms,
        due_at: view::stamp(due_at),
        held_reason,
        event_id,
        event_type,
        delivery_id,
        webhook_id,
        delivery_error,
        by: None,
        message,
    }
}
