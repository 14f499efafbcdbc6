//! Who may run what: the ledger gives every run to one worker at a time, and writes one end for it.

use std::collections::HashSet;
use std::time::Duration;

use agenthook::clock::Clock;
use agenthook::model::{
    Actor, AgentId, AuditAction, AuditEntry, Cost, ErrorCode, ExecutionError, ExecutionId, ExecutionStatus,
    KeySource, TenantId, Time, Usage, WorkerId,
};
use agenthook::store::{
    AttemptEnd, AttemptStart, Begin, Cancellation, Claim, Claimed, End, Entry, Finish, Group, Loss, Lost,
    Spent, Store,
};
use sqlx::{Connection, PgConnection};

use crate::harness::{Database, accept, accept_many, accept_of};

const SECOND: Duration = Duration::from_secs(1);

async fn migrated(database: &Database) -> Store {
    let store = Store::open(&database.url, 20).await.expect("opens");
    store.migrate().await.expect("migrates");
    store
}

async fn try_claim(store: &Store, id: ExecutionId, owner: WorkerId, now: Time) -> Option<Claimed> {
    store.claim(&[id], owner, now).await.expect("an answer").pop()
}

async fn claim(store: &Store, id: ExecutionId, now: Time) -> Claimed {
    try_claim(store, id, WorkerId::new(), now).await.expect("it is to be had")
}

/// Writes the row of the next attempt; `false`: the hold is lost.
async fn begin(store: &Store, run: &Claimed, now: Time) -> bool {
    let number = run.attempt_count + 1;
    let start = AttemptStart {
        number,
        started_at: now,
        key_source: KeySource::Tenant,
        llm_call_id: format!("{}-{number}", run.hold.execution_id),
        model: "asked".to_owned(),
    };
    Begin::write(store, &[Begin { hold: run.hold, start, event: None }]).await.expect("an answer")[0]
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

async fn finish(store: &Store, run: &Claimed, attempt: Option<AttemptEnd>, to: &Finish, now: Time) -> bool {
    let end = End::of(run, attempt, to.clone(), now);
    End::write(store, &[end]).await.expect("an answer")[0]
}

fn success(output: &str) -> Finish {
    Finish::Success(output.to_owned())
}

fn requeued(ids: &[ExecutionId]) -> Lost {
    Lost { requeued: ids.to_vec(), crashed: Vec::new() }
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
        // By name, and by looking for what is due, at once.
        let claims = [true, false].repeat(10).into_iter().map(async |named| match named {
            true => store.claim(&[id], WorkerId::new(), now).await,
            false => store.claim_due(5, &[], WorkerId::new(), now).await,
        });
        let claims = futures_util::future::join_all(claims).await;
        assert_eq!(claims.into_iter().flat_map(|claim| claim.expect("an answer")).count(), 1);
    }
    let id = accept(&store, AgentId::new(), now + SECOND).await;
    assert!(try_claim(&store, id, WorkerId::new(), now).await.is_none(), "it is not due");
    assert!(store.claim_due(100, &[], WorkerId::new(), now).await.expect("an answer").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_claimed_together_is_each_worth_its_own() {
    let database = Database::create().await;
    let (store, now, owner) = (migrated(&database).await, Clock::system().now(), WorkerId::new());
    let group = Group::start(store.clone(), 64);
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(accept(&store, AgentId::new(), now).await);
    }
    let gone = claim(&store, ids[7], now).await;
    let claims = ids.iter().map(|id| group.write(Claim { execution_id: *id, owner, now }));
    let claims = futures_util::future::join_all(claims).await;
    for (id, claim) in ids.iter().zip(claims) {
        let claimed = claim.expect("an answer").map(|run| run.hold.execution_id);
        assert_eq!(claimed, (*id != gone.hold.execution_id).then_some(*id));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_take_turns_whatever_one_of_them_has_waiting() {
    let database = Database::create().await;
    let (store, now) = (migrated(&database).await, Clock::system().now());
    let (flood, drop, other) = ("a-flood", "b-drop", "c-other");
    for n in 0..50 {
        accept_of(&store, flood, now - SECOND * (100 - n)).await;
    }
    let first = accept_of(&store, drop, now).await;
    let second = accept_of(&store, other, now).await;
    accept_of(&store, other, now + SECOND).await;
    let due = async |limit, except: &[&str]| -> Vec<(ExecutionId, TenantId)> {
        let except: Vec<TenantId> = except.iter().map(|id| id.parse().expect("an id")).collect();
        let claimed = store.claim_due(limit, &except, WorkerId::new(), now).await.expect("an answer");
        claimed.into_iter().map(|run| (run.hold.execution_id, run.tenant_id)).collect()
    };
    let three: HashSet<_> = due(3, &[]).await.into_iter().map(|(_, tenant)| tenant.to_string()).collect();
    assert_eq!(three, [flood, drop, other].map(str::to_owned).into(), "one of each, the flood no sooner");
    assert!(store.claim(&[first, second], WorkerId::new(), now).await.expect("an answer").is_empty());
    accept_of(&store, drop, now).await;
    assert_eq!(due(10, &[flood]).await.len(), 1, "the flood is passed over, and what is not due");
    let mut rest = 0;
    loop {
        match due(20, &[]).await.len() {
            0 => break,
            n => rest += n,
        }
    }
    assert_eq!(rest, 49, "and nothing is forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_later_takes_no_share_of_what_is_to_be_had_now() {
    let database = Database::create().await;
    let (store, now) = (migrated(&database).await, Clock::system().now());
    for n in 0..30 {
        accept_of(&store, &format!("later-{n}"), now + SECOND).await;
    }
    accept_many(&store, "now", AgentId::new(), now, 30).await;
    assert_eq!(store.claim_due(20, &[], WorkerId::new(), now).await.expect("an answer").len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_never_reads_the_whole_ledger() {
    let database = Database::create().await;
    if !database.is_postgres() {
        return;
    }
    let (store, now) = (migrated(&database).await, Clock::system().now());
    accept_many(&store, "flood", AgentId::new(), now, 50_000).await;
    store.close().await;
    let mut look = PgConnection::connect(&database.url).await.expect("opens");
    // What autovacuum does sooner or later; it is with statistics that the planner errs.
    sqlx::query("ANALYZE executions").execute(&mut look).await.expect("analyzes");
    let scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'executions'";
    let before: i64 = sqlx::query_scalar(scans).fetch_one(&mut look).await.expect("a count");
    // One connection, so that its plan is made anew for all values after the fifth.
    let store = Store::open(&database.url, 1).await.expect("opens");
    for _ in 0..12 {
        assert_eq!(store.claim_due(1, &[], WorkerId::new(), now).await.expect("an answer").len(), 1);
    }
    store.close().await;
    tokio::time::sleep(SECOND).await;
    let after: i64 = sqlx::query_scalar(scans).fetch_one(&mut look).await.expect("a count");
    assert_eq!(after, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_lost_the_hold_cannot_write() {
    let database = Database::create().await;
    let (store, now) = (migrated(&database).await, Clock::system().now());
    let id = accept(&store, AgentId::new(), now).await;
    let slow = claim(&store, id, now).await;
    assert!(begin(&store, &slow, now).await);
    let later = now + SECOND * 30;
    assert_eq!(store.abandon(slow.hold.owner, Loss::Died, later).await.expect("an answer"), requeued(&[id]));
    let trace = store.trace(id).await.expect("an answer").expect("a trace");
    let crashed = trace.attempts[0].error.as_ref().map(|error| (error.code, error.retryable));
    assert_eq!((crashed, trace.attempts[0].finished_at), (Some((ErrorCode::Crashed, true)), Some(later)));
    assert_eq!((trace.execution.status, trace.execution.due_at), (ExecutionStatus::Queued, Some(later)));

    let error = ExecutionError { code: ErrorCode::LlmAuth, message: "late".to_owned(), retryable: false };
    let ends = [success("late"), Finish::Failed(error), Finish::RetryAt(now), Finish::GoOn];
    let fenced = async || {
        let before = picture(&store, id).await;
        for end in &ends {
            assert!(!finish(&store, &slow, Some(result(&slow, later)), end, later).await, "{end:?}");
            assert!(!finish(&store, &slow, None, end, later).await, "{end:?}");
        }
        assert!(!begin(&store, &slow, later).await);
        let lost = store.let_go(&slow.hold, Loss::Died, later, later).await.expect("an answer");
        assert_eq!(lost, Lost::default());
        assert_eq!(picture(&store, id).await, before);
    };
    fenced().await;
    let next = claim(&store, id, later).await;
    assert_eq!(next.attempt_count, 1);
    fenced().await;
    assert!(begin(&store, &next, later).await);
    assert!(begin(&store, &next, later).await, "as often as it is not known whether it was written");
    fenced().await;
    assert!(finish(&store, &next, Some(result(&next, later)), &success("in time"), later).await);
    fenced().await;
    assert!(!finish(&store, &next, None, &ends[1], later).await, "it ends once");
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
    let old = try_claim(&store, id, me, now).await.expect("a claim");
    let other = claim(&store, accept(&store, AgentId::new(), now).await, now).await;
    let lost = store.abandon(me, Loss::Stopped, now).await.expect("an answer");
    assert_eq!(lost, requeued(&[id]), "and nothing of anybody else");
    let new = try_claim(&store, id, me, now).await.expect("a claim");
    assert!(!finish(&store, &old, None, &success("old"), now).await);
    assert!(finish(&store, &new, None, &success("new"), now).await);
    assert_eq!(store.held(other.hold.owner).await.expect("an answer"), [other.hold]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_death_while_alone_is_the_runs_own() {
    let database = Database::create().await;
    let (store, now) = (migrated(&database).await, Clock::system().now());
    let [poison, neighbor] = [0, 1].map(|_| accept(&store, AgentId::new(), now));
    let (poison, neighbor) = (poison.await, neighbor.await);
    let die = async |how| {
        let doomed = WorkerId::new();
        assert_eq!(store.claim(&[poison, neighbor], doomed, now).await.expect("an answer").len(), 2);
        store.abandon(doomed, how, now).await.expect("an answer");
    };
    die(Loss::Died).await;
    die(Loss::Stopped).await;
    die(Loss::Dropped).await;
    die(Loss::Died).await;
    let me = WorkerId::new();
    assert!(store.claim(&[poison, neighbor], me, now).await.expect("an answer").is_empty());
    assert!(store.claim_due(9, &[], me, now).await.expect("an answer").is_empty());
    let suspect = async || store.claim_suspect(me, now).await.expect("an answer").expect("a suspect");

    let first = suspect().await;
    store.abandon(me, Loss::Died, now).await.expect("an answer");
    let again = suspect().await;
    assert!(again.hold.execution_id == first.hold.execution_id, "it was not alone yet when its worker died");
    assert!(store.mark_alone(&again.hold).await.expect("an answer") && begin(&store, &again, now).await);
    let lost = store.abandon(me, Loss::Died, now).await.expect("an answer");
    assert_eq!(lost, Lost { requeued: Vec::new(), crashed: vec![first.hold.execution_id] });
    let trace = store.trace(first.hold.execution_id).await.expect("an answer").expect("a trace");
    assert_eq!(trace.execution.status, ExecutionStatus::Failed);
    assert_eq!(trace.execution.error.map(|e| (e.code, e.retryable)), Some((ErrorCode::Crashed, false)));
    assert!(trace.attempts[0].finished_at.is_some());

    let innocent = suspect().await;
    assert!(store.mark_alone(&innocent.hold).await.expect("an answer"));
    assert!(finish(&store, &innocent, None, &Finish::RetryAt(now), now).await);
    let retried = claim(&store, innocent.hold.execution_id, now).await;
    assert!(finish(&store, &retried, None, &success("cleared"), now).await, "it runs with the others again");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_cancel_and_an_end_exactly_one_is_written() {
    let database = Database::create().await;
    let (store, now) = (migrated(&database).await, Clock::system().now());
    let later = now + SECOND;
    let races = (0..20).map(async |number| {
        let id = accept(&store, AgentId::new(), now).await;
        let run = claim(&store, id, now).await;
        assert!(begin(&store, &run, now).await);
        let end = async || finish(&store, &run, Some(result(&run, later)), &success("in time"), later).await;
        let entry = AuditEntry::new(Actor::server(), AuditAction::ExecutionCancelled, id, later);
        let cancel = async || store.cancel(id, &entry).await.expect("an answer");
        let (ended, cancelled) = match number % 2 {
            0 => tokio::join!(end(), cancel()),
            _ => {
                let (cancelled, ended) = tokio::join!(cancel(), end());
                (ended, cancelled)
            }
        };
        let trace = store.trace(id).await.expect("an answer").expect("a trace");
        let attempt = trace.attempts[0].error.as_ref().map(|error| error.code);
        let seen = (trace.execution.status, trace.output.as_deref(), attempt);
        match cancelled {
            Cancellation::Done => {
                assert!(!ended);
                assert_eq!(seen, (ExecutionStatus::Cancelled, None, Some(ErrorCode::Cancelled)));
            }
            other => {
                assert!(ended && other == Cancellation::Ended(ExecutionStatus::Success), "{other:?}");
                assert_eq!(seen, (ExecutionStatus::Success, Some("in time"), None));
            }
        }
        assert_eq!((trace.execution.timing.finished_at, trace.execution.error), (Some(later), None));
        assert!(!begin(&store, &run, later).await, "and no call follows");
        assert!(store.held(run.hold.owner).await.expect("an answer").is_empty());
    });
    futures_util::future::join_all(races).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_gave_a_sign_of_life_is_not_buried() {
    let database = Database::create().await;
    let (store, now) = (migrated(&database).await, Clock::system().now());
    let id = accept(&store, AgentId::new(), now).await;
    let run = claim(&store, id, now).await;
    let owner = run.hold.owner;
    let held = async || store.held(owner).await.expect("an answer").len();
    store.beat(owner, now, now).await.expect("written");
    let seen = store.leases().await.expect("an answer")[0].beats;
    // Between the look and the burial it tells that it lives.
    store.beat(owner, now, now).await.expect("written");
    assert_eq!(store.bury(owner, Some(seen), now).await.expect("an answer"), Lost::default());
    assert_eq!(store.bury(owner, None, now).await.expect("an answer"), Lost::default(), "it has a lease");
    assert_eq!((held().await, store.leases().await.expect("an answer").len()), (1, 1));
    // Of twenty who see it dead one takes its runs back, and one death is counted.
    let burials = (0..20).map(|_| store.bury(owner, Some(seen + 1), now));
    let lost = futures_util::future::join_all(burials).await;
    let lost: Vec<_> = lost
        .into_iter()
        .map(|lost| lost.expect("an answer"))
        .filter(|lost| *lost != Lost::default())
        .collect();
    assert_eq!(lost, [requeued(&[id])]);
    let again = try_claim(&store, id, owner, now).await.expect("it is no suspect yet");
    assert_eq!(store.bury(owner, None, now).await.expect("an answer"), requeued(&[id]), "an outlaw");
    assert!(!finish(&store, &again, None, &success("late"), now).await);
    assert!(try_claim(&store, id, owner, now).await.is_none(), "two deaths make a suspect");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_ends_and_costs_its_neighbors_nothing() {
    let database = Database::create().await;
    let (store, now) = (migrated(&database).await, Clock::system().now());
    for (tenant, column, value) in
        [("spoiled-1", "usage", r#"'{"prompt_tokens":"many"}'"#), ("spoiled-2", "tenant_id", "'no tenant'")]
    {
        for by_name in [true, false] {
            let good = [accept_of(&store, "acme", now).await, accept_of(&store, "other", now).await];
            let bad = accept_of(&store, tenant, now).await;
            let spoil = format!("UPDATE executions SET {column} = {value} WHERE tenant_id = '{tenant}'");
            database.sql(&spoil).await;
            let owner = WorkerId::new();
            let claimed = match by_name {
                true => store.claim(&[good[0], bad, good[1]], owner, now).await,
                false => store.claim_due(10, &[], owner, now).await,
            };
            let claimed: HashSet<_> =
                claimed.expect("an answer").into_iter().map(|run| run.hold.execution_id).collect();
            assert_eq!(claimed, good.into(), "{column}");
            assert_eq!(
                store.held(owner).await.expect("an answer").len(),
                2,
                "nobody holds what nobody can run"
            );
            assert!(store.claim_due(10, &[], owner, now).await.expect("an answer").is_empty());
            if column == "usage" {
                let ended = store.execution(bad).await.expect("an answer").expect("it can be shown");
                let error = ended.error.expect("an error");
                assert_eq!(
                    (ended.status, error.code, error.retryable),
                    (ExecutionStatus::Failed, ErrorCode::Crashed, false)
                );
                assert!(error.message.contains("usage"), "{}", error.message);
            }
        }
    }
    let counts = database.contents().await;
    let statuses = String::from_utf8_lossy(&counts["executions.status"]).into_owned();
    assert_eq!(statuses.matches("failed").count(), 4, "each of them has ended: {statuses}");
}
