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
struct TimelineView {
    execution_id: ExecutionId,
    timeline: Vec<EntryView>,
}

/// What an event has no value for is left out.
#[derive(Serialize, ToSchema)]
#[schema(as = TimelineEntry)]
struct EntryView {
    at: Stamp,
    event: TimelineEvent,
    run: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<ExecutionSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_id: Option<SecretId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_id: Option<ExecutionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_source: Option<KeySource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    llm_call_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ExecutionError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    took_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<Stamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_reason: Option<HeldReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<EventId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_id: Option<DeliveryId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_id: Option<WebhookId>,
    /// Why a delivery failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_error: Option<DeliveryError>,
    /// The name of the API key whose holder did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    message: String,
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
    let trace = executions::find_outline(&app, &caller, &path).await?;
    let execution_id = trace.execution.execution_id;
    let past = app.store.past_runs(execution_id).await?;
    let replays = app.store.replays_of(execution_id, REPLAYS).await?;
    let filter = AuditFilter { subject: Some(execution_id.to_string()), ..AuditFilter::default() };
    let audit = app.store.audit_log(&filter, AUDITED).await?;
    let told = |told| EntryView { by: who(&audit, &told), ..entry(told) };
    let events = app.store.told_of(execution_id).await?;
    let timeline = timeline(&trace, &past, &replays, &events).into_iter().map(told).collect();
    Ok(HttpResponse::Ok().json(TimelineView { execution_id, timeline }))
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

fn entry(TimelineEntry { at, event, run, message, details }: TimelineEntry) -> EntryView {
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
