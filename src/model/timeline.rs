//! What happened to an execution, told in the order of time, from the rows that are there anyway.
//!
//! It is for whoever looks at three in the morning: each entry has a sentence, and says why the next one followed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Attempt, ErrorCode, ExecutionError, ExecutionId, ExecutionSource, ExecutionStatus, KeySource, PastRun,
    SecretId, Time, Trace,
};

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
    /// The number of the call.
    pub attempt: Option<i32>,
    pub key_source: Option<KeySource>,
    pub model: Option<String>,
    pub llm_call_id: Option<String>,
    pub status_code: Option<i32>,
    pub error: Option<ExecutionError>,
    pub took_ms: Option<i64>,
    /// When it may go on.
    pub due_at: Option<Time>,
}

/// One run, past or present.
struct Run<'a> {
    number: i32,
    status: ExecutionStatus,
    queued_at: Time,
    started_at: Option<Time>,
    finished_at: Option<Time>,
    due_at: Option<Time>,
    error: Option<&'a ExecutionError>,
    attempts: Vec<&'a Attempt>,
}

/// Everything that happened, the first thing first. `replays` are the executions that replay this one.
#[must_use]
pub fn timeline(trace: &Trace, past: &[PastRun], replays: &[(ExecutionId, Time)]) -> Vec<TimelineEntry> {
    // Each part tells what it knows; what has other rows (hits, events, deliveries) is another part here.
    let mut told = vec![received(trace)];
    for run in runs(trace, past) {
        told.extend(of_run(&run));
    }
    told.extend(replays.iter().map(|(id, at)| replayed(trace, *id, *at)));
    // Stable: what happened in the same millisecond stays in the order in which one led to the other.
    told.sort_by_key(|entry| entry.at);
    told
}

fn received(trace: &Trace) -> TimelineEntry {
    let (execution, bytes) = (&trace.execution, trace.payload.len());
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

fn replayed(trace: &Trace, id: ExecutionId, at: Time) -> TimelineEntry {
    let details = TimelineDetails { execution_id: Some(id), ..TimelineDetails::default() };
    let message = format!("the same payload went to another execution: {id}");
    TimelineEntry { at, event: TimelineEvent::Replayed, run: trace.execution.run, message, details }
}

/// The runs with their attempts, the first of them first.
fn runs<'a>(trace: &'a Trace, past: &'a [PastRun]) -> Vec<Run<'a>> {
    let execution = &trace.execution;
    let attempts = |number| trace.attempts.iter().filter(|attempt| attempt.run == number).collect();
    // One that is being retried right now may be among the past ones already.
    let past = past.iter().filter(|run| run.run < execution.run).map(|run| Run {
        number: run.run,
        status: run.status,
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
        queued_at: execution.timing.queued_at(),
        started_at: execution.timing.started_at,
        finished_at: execution.timing.finished_at,
        due_at: execution.due_at,
        error: execution.error.as_ref(),
        attempts: attempts(execution.run),
    };
    past.chain([present]).collect()
}

fn of_run(run: &Run<'_>) -> Vec<TimelineEntry> {
    let mut told = Vec::new();
    let mut tell = |at, event, message: String, details| {
        told.push(TimelineEntry { at, event, run: run.number, message, details });
    };
    let nothing = TimelineDetails::default;
    match run.number {
        1 if run.status == ExecutionStatus::Held => {}
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
        ExecutionStatus::Queued | ExecutionStatus::Running => {}
        ExecutionStatus::Held => {
            tell(at, TimelineEvent::Held, "it waits for a person to release it".to_owned(), nothing());
        }
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
        ExecutionStatus::Cancelled => {
            tell(at, TimelineEvent::Cancelled, format!("it was cancelled after {took} ms"), ended);
        }
    }
    told
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
            let until = run.due_at.map_or_else(String::new, |due| {
                format!(", not before {}", due.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
            });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AgentId, Execution, Timing};

    fn at(seconds: i64) -> Time {
        Time::UNIX_EPOCH + chrono::TimeDelta::seconds(seconds)
    }

    fn error(code: ErrorCode) -> ExecutionError {
        ExecutionError { code, message: "so it is".to_owned(), retryable: true }
    }

    fn attempt(number: i32, ended: Option<(i64, ErrorCode)>) -> Attempt {
        Attempt {
            number,
            run: 1,
            started_at: at(10 * i64::from(number)),
            finished_at: ended.map(|(seconds, _)| at(seconds)),
            key_source: KeySource::Tenant,
            status_code: None,
            error: ended.map(|(_, code)| error(code)),
            usage: None,
            cost: None,
            llm_call_id: "c".to_owned(),
            model: "m".to_owned(),
        }
    }

    /// The events of an execution that ended so, at this time, with these calls.
    fn events(
        status: ExecutionStatus,
        finished: Option<i64>,
        code: Option<ErrorCode>,
        attempts: Vec<Attempt>,
    ) -> Vec<TimelineEvent> {
        let timing = Timing {
            received_at: at(0),
            queued_at: None,
            started_at: (!attempts.is_empty()).then(|| at(1)),
            finished_at: finished.map(at),
            llm_ms: None,
        };
        let execution = Execution {
            execution_id: ExecutionId::new(),
            tenant_id: "t".parse().expect("a tenant"),
            agent_id: AgentId::new(),
            agent_version: 1,
            status,
            run: 1,
            source: ExecutionSource::Test,
            replay_of: None,
            error: code.map(error),
            model: None,
            key_source: None,
            usage: None,
            cost: None,
            timing,
            tries: 0,
            due_at: None,
        };
        let (payload, output, request_id, secret_id) = (Vec::new(), None, Uuid::nil(), None);
        let trace = Trace { execution, payload, output, attempts, request_id, secret_id };
        let told = timeline(&trace, &[], &[]);
        assert!(told.is_sorted_by_key(|entry| entry.at) && told[0].event == TimelineEvent::Received);
        told.into_iter().skip(1).map(|entry| entry.event).collect()
    }

    #[test]
    fn what_ended_is_not_said_to_go_on() {
        use ErrorCode as E;
        use ExecutionStatus as S;
        use TimelineEvent::*;
        let begun = [Queued, Started, CallStarted];
        let told = |status, finished, code, attempts| events(status, finished, code, attempts);
        // A call that is out.
        assert_eq!(told(S::Running, None, None, vec![attempt(1, None)]), begun);
        // Its worker died under it, and that was its end; or it was not.
        let died = || vec![attempt(1, Some((15, E::Crashed)))];
        assert_eq!(
            told(S::Failed, Some(15), Some(E::Crashed), died()),
            [&begun[..], &[CallEnded, Failed]].concat()
        );
        assert_eq!(told(S::Queued, None, None, died()), [&begun[..], &[CallEnded, Requeued]].concat());
        let later = [&begun[..], &[CallEnded, Requeued, Failed]].concat();
        assert_eq!(told(S::Failed, Some(16), Some(E::AgentDeleted), died()), later);
        // Cancelled in mid-call, and while it waited for its next try.
        let given_up = vec![attempt(1, Some((15, E::Cancelled)))];
        assert_eq!(
            told(S::Cancelled, Some(15), None, given_up),
            [&begun[..], &[CallEnded, Cancelled]].concat()
        );
        let failed = || vec![attempt(1, Some((15, E::LlmTimeout)))];
        let waited = [&begun[..], &[CallEnded, RetryPlanned, Cancelled]].concat();
        assert_eq!(told(S::Cancelled, Some(16), None, failed()), waited);
        // The last try failed; whoever wrote it may have done so a moment later.
        assert_eq!(
            told(S::Failed, Some(16), Some(E::LlmTimeout), failed()),
            [&begun[..], &[CallEnded, Failed]].concat()
        );
        // The end of a call is written, the next one's beginning is not: which way it goes is not known yet.
        assert_eq!(told(S::Running, None, None, failed()), [&begun[..], &[CallEnded]].concat());
        assert_eq!(told(S::Held, None, None, Vec::new()), [Held]);
        assert_eq!(told(S::Cancelled, Some(5), None, Vec::new()), [Queued, Cancelled]);
    }

    #[test]
    fn only_a_refused_key_is_a_fallback() {
        let platforms = |number| Attempt { key_source: KeySource::Platform, ..attempt(number, None) };
        for (code, event) in [
            (ErrorCode::LlmAuth, TimelineEvent::KeyFallback),
            (ErrorCode::LlmBudgetExceeded, TimelineEvent::KeyFallback),
            (ErrorCode::LlmRateLimited, TimelineEvent::KeyFallback),
            // The tenant's key was taken away between two tries.
            (ErrorCode::LlmTimeout, TimelineEvent::RetryPlanned),
        ] {
            let calls = vec![attempt(1, Some((15, code))), platforms(2)];
            assert_eq!(events(ExecutionStatus::Running, None, None, calls)[4], event, "{code:?}");
        }
    }
}
