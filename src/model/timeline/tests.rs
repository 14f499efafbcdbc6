//! What the rows say, and what is told of it.

use super::*;
use crate::model::{AgentId, Attempt, ErrorCode, Execution, ExecutionStatus, Timing};

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
        held_reason: None,
    };
    let (payload_bytes, request_id, secret_id) = (0, Uuid::nil(), None);
    let trace = TraceOutline { execution, payload_bytes, attempts, request_id, secret_id };
    let told = timeline(&trace, &[], &[], &[]);
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
    assert_eq!(told(S::Cancelled, Some(15), None, given_up), [&begun[..], &[CallEnded, Cancelled]].concat());
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
