//! One run, from the queue to its end: its calls, and why there was more than one.

use super::{TimelineDetails, TimelineEntry, TimelineEvent, stamp};
use crate::model::{
    Attempt, ErrorCode, ExecutionError, ExecutionStatus, HeldReason, KeySource, PastRun, Time, TraceOutline,
};

/// One run, past or present.
pub(super) struct Run<'a> {
    number: i32,
    status: ExecutionStatus,
    received_at: Time,
    /// Of the first run: why it waited for a person before it.
    held: Option<HeldReason>,
    is_released: bool,
    queued_at: Time,
    started_at: Option<Time>,
    finished_at: Option<Time>,
    due_at: Option<Time>,
    error: Option<&'a ExecutionError>,
    attempts: Vec<&'a Attempt>,
}

impl Run<'_> {
    pub(super) fn number(&self) -> i32 {
        self.number
    }

    /// Whether it was queued by then.
    pub(super) fn began_by(&self, at: Time) -> bool {
        self.queued_at <= at
    }
}

/// The runs with their attempts, the first of them first.
pub(super) fn runs<'a>(trace: &'a TraceOutline, past: &'a [PastRun]) -> Vec<Run<'a>> {
    let execution = &trace.execution;
    let attempts = |number| trace.attempts.iter().filter(|attempt| attempt.run == number).collect();
    // One that is being retried right now may be among the past ones already.
    let past = past.iter().filter(|run| run.run < execution.run).map(|run| Run {
        number: run.run,
        status: run.status,
        received_at: execution.timing.received_at,
        held: execution.held_reason,
        is_released: true,
        queued_at: run.queued_at,
        started_at: run.started_at,
        finished_at: run.finished_at,
        due_at: None,
        error: run.error.as_ref(),
        attempts: attempts(run.run),
    });
    let present = Run {
        number: execution.run,
        status: execution.status,
        received_at: execution.timing.received_at,
        held: execution.held_reason,
        is_released: execution.timing.queued_at.is_some(),
        queued_at: execution.timing.queued_at(),
        started_at: execution.timing.started_at,
        finished_at: execution.timing.finished_at,
        due_at: execution.due_at,
        error: execution.error.as_ref(),
        attempts: attempts(execution.run),
    };
    past.chain([present]).collect()
}

pub(super) fn of_run(run: &Run<'_>) -> Vec<TimelineEntry> {
    let mut told = Vec::new();
    let mut tell = |at, event, message: String, details| {
        told.push(TimelineEntry { at, event, run: run.number, message, details });
    };
    let nothing = TimelineDetails::default;
    match run.number {
        1 if run.held.is_some() || run.status == ExecutionStatus::Held => {
            let details = TimelineDetails { held_reason: run.held, ..nothing() };
            tell(run.received_at, TimelineEvent::Held, why_held(run.held).to_owned(), details);
            if run.is_released {
                let message = "it was released, and waits for a worker";
                tell(run.queued_at, TimelineEvent::Released, message.to_owned(), nothing());
            }
        }
        1 => tell(run.queued_at, TimelineEvent::Queued, "it waits for a worker".to_owned(), nothing()),
        n => tell(
            run.queued_at,
            TimelineEvent::Retried,
            format!("run {n} was asked for, and waits for a worker"),
            nothing(),
        ),
    }
    if let Some(at) = run.started_at {
        let waited = ms(at, run.queued_at);
        let details = TimelineDetails { took_ms: Some(waited), ..nothing() };
        tell(at, TimelineEvent::Started, format!("a worker took it up, after {waited} ms"), details);
    }
    for (index, attempt) in run.attempts.iter().enumerate() {
        let (at, details) = (attempt.started_at, of_call(attempt));
        tell(at, TimelineEvent::CallStarted, call_started(attempt), details.clone());
        let Some(at) = attempt.finished_at else { continue };
        let ended = TimelineDetails {
            status_code: attempt.status_code,
            error: attempt.error.clone(),
            took_ms: Some(ms(at, attempt.started_at)),
            ..details
        };
        tell(at, TimelineEvent::CallEnded, call_ended(attempt, ms(at, attempt.started_at)), ended);
        if let Some((event, message, due_at)) = what_followed(run, attempt, run.attempts.get(index + 1)) {
            let details = TimelineDetails { attempt: Some(attempt.number), due_at, ..nothing() };
            tell(at, event, message, details);
        }
    }
    let at = run.finished_at.unwrap_or(run.queued_at);
    let took = ms(at, run.queued_at);
    let ended = TimelineDetails { took_ms: Some(took), error: run.error.cloned(), ..nothing() };
    match run.status {
        ExecutionStatus::Queued | ExecutionStatus::Running | ExecutionStatus::Held => {}
        ExecutionStatus::Success => {
            tell(
                at,
                TimelineEvent::Succeeded,
                format!("run {} ended well after {took} ms", run.number),
                ended,
            );
        }
        ExecutionStatus::Failed => {
            let why = run.error.map_or_else(String::new, |error| format!(": {}", in_words(error)));
            tell(at, TimelineEvent::Failed, format!("run {} failed after {took} ms{why}", run.number), ended);
        }
        ExecutionStatus::Cancelled if run.number == 1 && run.held.is_some() && !run.is_released => {
            let message = "it was discarded, and never ran";
            tell(at, TimelineEvent::Discarded, message.to_owned(), ended);
        }
        ExecutionStatus::Cancelled => {
            tell(at, TimelineEvent::Cancelled, format!("it was cancelled after {took} ms"), ended);
        }
    }
    told
}

fn why_held(reason: Option<HeldReason>) -> &'static str {
    match reason {
        None => "it waits for a person to release it",
        Some(HeldReason::Paused) => "the agent was paused: it waits for a person to release it",
        Some(HeldReason::Quarantine) => {
            "the payload does not match the agent's schema: it waits for a person to look at it and to release it"
        }
    }
}

fn of_call(attempt: &Attempt) -> TimelineDetails {
    TimelineDetails {
        attempt: Some(attempt.number),
        key_source: Some(attempt.key_source),
        model: Some(attempt.model.clone()),
        llm_call_id: Some(attempt.llm_call_id.clone()),
        ..TimelineDetails::default()
    }
}

fn call_started(attempt: &Attempt) -> String {
    let key = match attempt.key_source {
        KeySource::Tenant => "the tenant's key",
        KeySource::Platform => "the platform's key",
    };
    format!("call {} to {} went out with {key}", attempt.number, attempt.model)
}

fn call_ended(attempt: &Attempt, took: i64) -> String {
    let status = attempt.status_code.map_or_else(String::new, |status| format!(" (HTTP {status})"));
    match &attempt.error {
        None => format!("call {} succeeded after {took} ms{status}", attempt.number),
        Some(error) => {
            format!("call {} ended after {took} ms{status}: {}", attempt.number, in_words(error))
        }
    }
}

/// Why there was another call after this one, or will be.
fn what_followed(
    run: &Run<'_>,
    attempt: &Attempt,
    next: Option<&&Attempt>,
) -> Option<(TimelineEvent, String, Option<Time>)> {
    let error = attempt.error.as_ref()?;
    let number = attempt.number;
    // Told by the end of the run.
    let was_the_end = next.is_none()
        && run.finished_at == attempt.finished_at
        && matches!(run.status, ExecutionStatus::Failed | ExecutionStatus::Cancelled)
        || next.is_none() && run.error == Some(error);
    if was_the_end || error.code == ErrorCode::Cancelled {
        return None;
    }
    if error.code == ErrorCode::Crashed {
        let message = format!("the run went back to the queue: {}", error.message);
        return Some((TimelineEvent::Requeued, message, run.due_at.filter(|_| next.is_none())));
    }
    // A retry begins anew with the tenant's key; only a fallback goes on from there to the platform's.
    let refused =
        matches!(error.code, ErrorCode::LlmAuth | ErrorCode::LlmBudgetExceeded | ErrorCode::LlmRateLimited);
    match next {
        Some(next)
            if refused
                && (attempt.key_source, next.key_source) == (KeySource::Tenant, KeySource::Platform) =>
        {
            let message = format!(
                "the tenant's key did not do ({}), and its fallback_on lets the platform's pay: call {} follows at once",
                error.code.word(),
                next.number
            );
            Some((TimelineEvent::KeyFallback, message, None))
        }
        Some(next) => {
            let wait = attempt.finished_at.map_or(0, |ended| ms(next.started_at, ended));
            let message = format!("the error may pass: call {} followed after {wait} ms", next.number);
            Some((TimelineEvent::RetryPlanned, message, None))
        }
        // It goes on right now, by whichever way.
        None if run.status == ExecutionStatus::Running => None,
        None => {
            let until = run.due_at.map_or_else(String::new, |due| format!(", not before {}", stamp(due)));
            let message = format!("the error of call {number} may pass: another call is made{until}");
            Some((TimelineEvent::RetryPlanned, message, run.due_at))
        }
    }
}

fn in_words(error: &ExecutionError) -> String {
    format!("{}: {}", error.code.word(), error.message)
}

fn ms(later: Time, earlier: Time) -> i64 {
    (later - earlier).num_milliseconds()
}
