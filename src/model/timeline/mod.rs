//! What happened to an execution, told in the order of time, from the rows that are there anyway.
//!
//! It is for whoever looks at three in the morning: each entry has a sentence, and says why the next one followed.

mod run;
#[cfg(test)]
mod tests;
mod told;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    DeliveryError, DeliveryId, EventId, ExecutionError, ExecutionId, ExecutionSource, HeldReason, KeySource,
    PastRun, SecretId, Time, TraceOutline, WebhookId,
};
use run::{Run, of_run, runs};

pub use told::{ToldAttempt, ToldDelivery, ToldEvent};

/// What can happen: a closed list that programs can rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimelineEvent {
    /// The payload came in and was stored.
    Received,
    /// It waits for a worker.
    Queued,
    /// A worker took it up for the first time in this run.
    Started,
    /// An LLM call went out.
    CallStarted,
    /// An LLM call came back, or was given up.
    CallEnded,
    /// The platform's key stands in for the tenant's.
    KeyFallback,
    /// The call is made again later.
    RetryPlanned,
    /// A worker lost the run in mid-call, and it was queued again.
    Requeued,
    /// It waits for a person.
    Held,
    /// Somebody let it run.
    Released,
    /// Somebody ended it while it was held: it never ran.
    Discarded,
    /// The run ended with an output.
    Succeeded,
    /// The run ended with an error.
    Failed,
    /// Somebody ended it.
    Cancelled,
    /// Somebody asked for another run.
    Retried,
    /// Somebody asked for another execution of the same payload.
    Replayed,
    /// An event was published, for whoever wants to hear of it.
    EventPublished,
    /// The event is to be delivered to an endpoint, or to the sender's callback URL.
    DeliveryCreated,
    /// An attempt at the delivery succeeded.
    DeliverySucceeded,
    /// An attempt at the delivery failed.
    DeliveryFailed,
    /// The delivery is not tried again.
    DeliveryExhausted,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineEntry {
    /// When.
    pub at: Time,
    /// What.
    pub event: TimelineEvent,
    /// In which run.
    pub run: i32,
    /// In words. Holds no payload and no secret.
    pub message: String,
    /// In values.
    pub details: TimelineDetails,
}

/// The values of a [`TimelineEntry`], as far as its event has them.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "named like the columns that they are from")]
pub struct TimelineDetails {
    pub source: Option<ExecutionSource>,
    pub request_id: Option<Uuid>,
    pub secret_id: Option<SecretId>,
    /// Of the payload.
    pub bytes: Option<usize>,
    /// The other one, of a replay.
    pub execution_id: Option<ExecutionId>,
    /// The number of the call, or of the delivery's attempt.
    pub attempt: Option<i32>,
    pub key_source: Option<KeySource>,
    pub model: Option<String>,
    pub llm_call_id: Option<String>,
    pub status_code: Option<i32>,
    pub error: Option<ExecutionError>,
    pub took_ms: Option<i64>,
    /// When it may go on.
    pub due_at: Option<Time>,
    pub held_reason: Option<HeldReason>,
    pub event_id: Option<EventId>,
    pub event_type: Option<String>,
    pub delivery_id: Option<DeliveryId>,
    pub webhook_id: Option<WebhookId>,
    /// Why the attempt, or the delivery, failed.
    pub delivery_error: Option<DeliveryError>,
}

/// Everything that happened, the first thing first. `replays` are the executions that replay this one, `events` what was
/// told of it.
#[must_use]
pub fn timeline(
    trace: &TraceOutline,
    past: &[PastRun],
    replays: &[(ExecutionId, Time)],
    events: &[ToldEvent],
) -> Vec<TimelineEntry> {
    // Each part tells what it knows.
    let mut told = vec![received(trace)];
    let runs = runs(trace, past);
    for run in &runs {
        told.extend(of_run(run));
    }
    let run_at = |at| runs.iter().rev().find(|run| run.began_by(at)).map_or(1, Run::number);
    for event in events {
        told.extend(told::of_event(event, run_at));
    }
    told.extend(replays.iter().map(|(id, at)| replayed(trace, *id, *at)));
    // Stable: what happened in the same millisecond stays in the order in which one led to the other.
    told.sort_by_key(|entry| entry.at);
    told
}

/// A time in a message.
fn stamp(at: Time) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

fn received(trace: &TraceOutline) -> TimelineEntry {
    let (execution, bytes) = (&trace.execution, trace.payload_bytes);
    let version = execution.agent_version;
    let message = match (execution.source, execution.replay_of) {
        (ExecutionSource::Replay, Some(id)) => {
            format!(
                "the {bytes} bytes of execution {id} were accepted once more, for version {version} of the agent"
            )
        }
        (ExecutionSource::Test, _) => {
            format!("{bytes} bytes were accepted as a test, for version {version} of the agent")
        }
        (ExecutionSource::Webhook | ExecutionSource::Replay, _) => format!(
            "a webhook of {bytes} bytes was accepted for version {version} of the agent (request {})",
            trace.request_id
        ),
    };
    let details = TimelineDetails {
        source: Some(execution.source),
        request_id: Some(trace.request_id),
        secret_id: trace.secret_id,
        bytes: Some(bytes),
        execution_id: execution.replay_of,
        ..TimelineDetails::default()
    };
    TimelineEntry {
        at: execution.timing.received_at,
        event: TimelineEvent::Received,
        run: 1,
        message,
        details,
    }
}

fn replayed(trace: &TraceOutline, id: ExecutionId, at: Time) -> TimelineEntry {
    let details = TimelineDetails { execution_id: Some(id), ..TimelineDetails::default() };
    let message = format!("the same payload went to another execution: {id}");
    TimelineEntry { at, event: TimelineEvent::Replayed, run: trace.execution.run, message, details }
}
