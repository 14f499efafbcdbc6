//! Who may run what: the ledger gives every run to one worker at a time, and writes one end for it.

use chrono::TimeDelta;

use crate::harness::{Database, accept};
use agenthook::clock::Clock;
use agenthook::model::{
    AgentId, Cost, ErrorCode, ExecutionError, ExecutionId, ExecutionStatus, KeySource, Time, Usage, WorkerId,
};
use agenthook::store::{AttemptEnd, AttemptStart, Claimed, Finish, Spent, Store};

const LEASE: TimeDelta = TimeDelta::seconds(30);

async fn migrated(database: &Database) -> Store {
    let store = Store::open(&database.url, 20).await.expect("opens");
    store.migrate().await.expect("migrates");
    store
}

async fn claim(store: &Store, id: ExecutionId, now: Time) -> Claimed {
    store.claim(id, WorkerId::new(), now + LEASE, now).await.expect("an answer").expect("it is to be had")
}

/// Writes the row of the next attempt; `false`: the lease is lost.
async fn begin(store: &Store, run: &Claimed, now: Time) -> bool {
    let number = run.attempt_count + 1;
    let start = AttemptStart {
        number,
        started_at: now,
        key_source: KeySource::Tenant,
        llm_call_id: format!("{}-{number}", run.execution_id),
        model: "asked".to_owned(),
    };
    store.begin_attempt(run, &start).await.expect("an answer")
}

/// The end of that attempt.
fn result(run: &Claimed, now: Time) -> AttemptEnd {
    let usage = Some(Usage { total_tokens: 7, ..Usage::default() });
    AttemptEnd {
        number: run.attempt_count + 1,
        finished_at: now,
        key_source: KeySource::Platform,
        model: "late".to_owned(),
        status_code: Some(200),
        error: None,
        usage,
        cost: Some(Cost(5)),
        spent: Spent { usage, cost: Some(Cost(5)), llm_ms: 3 },
    }
}

/// Everything that there is to see of a run.
async fn picture(store: &Store, id: ExecutionId) -> String {
    format!("{:?}", store.trace(id).await.expect("an answer").expect("a trace"))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_claims_one_holds() {
    let database = Database::create().await;
    let (store, now) = (migrated(&database).await, Clock::system().now());
    for _ in 0..10 {
        let id = accept(&store, AgentId::new(), now).await;
        let claims = (0..20).map(|_| store.claim(id, WorkerId::new(), now + LEASE, now));
        let claims = futures_util::future::join_all(claims).await;
        assert_eq!(claims.into_iter().filter_map(|claim| claim.expect("an answer")).count(), 1);
    }
    let id = accept(&store, AgentId::new(), now + TimeDelta::milliseconds(1)).await;
    let early = store.claim(id, WorkerId::new(), now + LEASE, now).await.expect("an answer");
    assert!(early.is_none(), "it is not due");
    assert!(store.due(now, 100).await.expect("an answer").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_lost_the_lease_cannot_write() {
    let database = Database::create().await;
    let (store, now) = (migrated(&database).await, Clock::system().now());
    let id = accept(&store, AgentId::new(), now).await;
    let slow = claim(&store, id, now).await;
    assert!(begin(&store, &slow, now).await);
    assert!(
        store.abandon_expired(now + LEASE, now).await.expect("an answer").is_empty(),
        "it holds to its end"
    );
    let later = now + LEASE + TimeDelta::milliseconds(1);
    assert_eq!(store.abandon_expired(later, later).await.expect("an answer"), [id]);
    let trace = store.trace(id).await.expect("an answer").expect("a trace");
    let crashed = trace.attempts[0].error.as_ref().map(|error| (error.code, error.retryable));
    assert_eq!((crashed, trace.attempts[0].finished_at), (Some((ErrorCode::Crashed, true)), Some(later)));
    assert_eq!((trace.execution.status, trace.execution.due_at), (ExecutionStatus::Queued, Some(later)));

    let error = ExecutionError { code: ErrorCode::LlmAuth, message: "late".to_owned(), retryable: false };
    let ends =
        [Finish::Success("late".to_owned()), Finish::Failed(error), Finish::RetryAt(now), Finish::GoOn];
    let fenced = async || {
        let before = picture(&store, id).await;
        for end in &ends {
            let late = store.finish(&slow, Some(&result(&slow, later)), end, later).await.expect("an answer");
            assert!(!late, "{end:?}");
        }
        for end in &ends[..3] {
            assert!(!store.finish(&slow, None, end, later).await.expect("an answer"), "{end:?}");
        }
        assert!(!begin(&store, &slow, later).await);
        assert_eq!(picture(&store, id).await, before);
    };
    fenced().await;
    let next = claim(&store, id, later).await;
    assert_eq!(next.attempt_count, 1);
    fenced().await;
    assert!(begin(&store, &next, later).await);
    fenced().await;
    let end = Finish::Success("in time".to_owned());
    assert!(store.finish(&next, Some(&result(&next, later)), &end, later).await.expect("an answer"));
    fenced().await;
    assert!(!store.finish(&next, None, &ends[1], later).await.expect("an answer"), "it ends once");
    let trace = store.trace(id).await.expect("an answer").expect("a trace");
    assert_eq!(
        (trace.execution.status, trace.output.as_deref()),
        (ExecutionStatus::Success, Some("in time"))
    );
    assert_eq!(trace.attempts.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_worker_is_fenced_by_its_own_newer_claim() {
    let database = Database::create().await;
    let (store, now, me) = (migrated(&database).await, Clock::system().now(), WorkerId::new());
    let id = accept(&store, AgentId::new(), now).await;
    let old = store.claim(id, me, now + LEASE, now).await.expect("an answer").expect("a claim");
    let other = claim(&store, accept(&store, AgentId::new(), now).await, now).await;
    assert_eq!(store.abandon_of(me, now).await.expect("an answer"), [id], "and nothing of anybody else");
    let new = store.claim(id, me, now + LEASE, now).await.expect("an answer").expect("a claim");
    assert!(!store.finish(&old, None, &Finish::Success("old".to_owned()), now).await.expect("an answer"));
    assert!(store.finish(&new, None, &Finish::Success("new".to_owned()), now).await.expect("an answer"));

    let later = now + LEASE * 2;
    store.renew_leases(WorkerId::new(), later + LEASE).await.expect("renewed");
    assert_eq!(store.abandon_expired(later, later).await.expect("an answer"), [other.execution_id]);
}
