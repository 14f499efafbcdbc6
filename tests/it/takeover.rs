//! Workers that die, stall, lose their footing or are told to go: every run ends, once.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::harness::{Agent, RawLlm, Server, Setup, accept};
use agenthook::clock::Clock;
use agenthook::config::SettingsArgs;
use agenthook::model::{AgentId, WorkerId};
use agenthook::store::Loss;
use agenthook::worker::Worker;

/// A little more than a lease.
const LEASE_OVER: Duration = Duration::from_millis(30_001);

fn calls(llm: &RawLlm) -> SettingsArgs {
    SettingsArgs { litellm_base_url: Some(llm.url.clone()), ..SettingsArgs::default() }
}

fn id_of(agent: &Agent) -> AgentId {
    agent.id.parse().expect("an id")
}

/// The error codes of the attempts, `fine` for none.
fn codes(trace: &Value) -> Vec<&str> {
    let attempts = trace["attempts"].as_array().expect("attempts").iter();
    attempts.map(|attempt| attempt["error"]["code"].as_str().unwrap_or("fine")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_that_nobody_heard_is_made_up_for_by_the_sweep() {
    let server = Server::start().await;
    let agent = id_of(&server.agent().await);
    let id = accept(&server.app.store, agent, server.clock.now()).await;
    assert_eq!(server.ended(&id.to_string()).await["status"], "success");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_accepted_the_next_one_runs() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let ids = [agent.accepted("1").await, agent.accepted("2").await];
    let next = Server::with(server.stop().await).await;
    for id in ids {
        assert_eq!(next.ended(&id).await["status"], "success");
    }
    assert_eq!((next.llm.calls().await.len(), next.attempts().await), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_in_mid_call_is_replaced_when_its_lease_ends() {
    let (llm, clock) = (RawLlm::start(RawLlm::completion("told by the second")).await, Clock::manual());
    let setup = Setup { clock, worker: false, args: calls(&llm), ..Setup::default() };
    let first = Server::with(setup).await;
    let id = first.agent().await.accepted("{}").await;
    // A runtime of its own: when it goes, the worker is dropped where it stands, as by a kill.
    let doomed = tokio::runtime::Runtime::new().expect("a runtime");
    doomed.spawn(Worker::new(first.app.clone()).run(CancellationToken::new()));
    llm.called(1).await;
    doomed.shutdown_background();

    let second = Server::with(Setup { args: calls(&llm), ..first.stop().await }).await;
    if second.database.is_postgres() {
        // Another process may be running it. The embedded database is one process's: there it is known at once.
        assert_eq!(second.trace(&id).await["status"], "running");
        assert_eq!(llm.calls(), 1);
    }
    second.clock.advance(LEASE_OVER);
    llm.called(2).await;
    llm.let_go();
    let trace = second.ended(&id).await;
    assert_eq!((&trace["status"], &trace["output"]), (&json!("success"), &json!("told by the second")));
    assert_eq!(codes(&trace), ["crashed", "fine"]);
    assert!(trace["attempts"][0]["finished_at"].is_string(), "{trace}");
    assert_eq!(llm.calls(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_comes_too_late_is_dropped() {
    let llm = RawLlm::start(RawLlm::completion("told once")).await;
    let server = Server::with_llm_at(&llm.url).await;
    let agent = server.agent().await;
    let id = agent.accepted("{}").await;
    llm.called(1).await;
    // As if the worker had stalled for longer than its lease.
    let holder = server.app.store.holders().await.expect("an answer")[0];
    let now = server.clock.now();
    let taken = server.app.store.abandon(holder, Loss::Dropped, now).await.expect("an answer");
    assert_eq!(taken.requeued.len(), 1);
    llm.called(2).await;
    llm.answer_one();
    // The late result is on its way; another run's whole life gives it time to arrive.
    let other = agent.accepted("[]").await;
    llm.called(3).await;
    assert_eq!(server.trace(&id).await["status"], "running", "what came was not for this claim");
    llm.let_go();
    server.ended(&other).await;
    let trace = server.ended(&id).await;
    server.drain().await;
    assert_eq!(codes(&trace), ["crashed", "fine"]);
    assert_eq!((&trace["output"], llm.calls()), (&json!("told once"), 3));
    assert_eq!(server.trace(&id).await, trace, "the late one changed nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_a_worker_hands_back_a_run_that_is_alone_too() {
    let llm = RawLlm::start(RawLlm::completion("much later")).await;
    let server = Server::without_worker().await;
    let id = server.agent().await.accepted("1").await;
    server.database.sql("UPDATE executions SET deaths = 2").await;
    let server = Server::with(Setup { args: calls(&llm), ..server.stop().await }).await;
    llm.called(1).await;
    let worker = server.tell_to_stop().expect("a worker");
    // A supervisor kills what has not ended by then, and that would be a death while alone.
    tokio::time::timeout(Duration::from_secs(30), worker).await.expect("in time").expect("the worker ends");
    assert_eq!(server.trace(&id).await["status"], "queued");
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_a_worker_ends_what_it_has_and_takes_nothing_new() {
    let llm = RawLlm::start(RawLlm::completion("to the end")).await;
    let server = Server::with_llm_at(&llm.url).await;
    let agent = server.agent().await;
    let under_way = agent.accepted("1").await;
    llm.called(1).await;
    let worker = server.tell_to_stop().expect("a worker");
    let mut left = Vec::new();
    for n in 2..6 {
        left.push(agent.accepted(n.to_string()).await);
    }
    assert!(!worker.is_finished(), "it waits for its call");
    llm.let_go();
    worker.await.expect("the worker ends");
    let trace = server.trace(&under_way).await;
    assert_eq!((&trace["status"], &trace["output"]), (&json!("success"), &json!("to the end")));
    assert_eq!(codes(&trace), ["fine"]);
    for id in &left {
        let trace = server.trace(id).await;
        assert_eq!((&trace["status"], codes(&trace).len()), (&json!("queued"), 0), "{trace}");
    }
    assert_eq!(llm.calls(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fell_over_is_not_held_for_ever() {
    let setup = Setup { clock: Clock::manual(), worker: false, ..Setup::default() };
    let server = Server::with(setup).await;
    let id = server.agent().await.accepted("{}").await;
    // What the worker cannot read it cannot run: each run of it falls over before its call.
    server.database.sql("UPDATE agent_versions SET spec = '[]'").await;
    server.start_worker();
    // The clock stands still, so its lease does not end: the worker itself must let go, for a while.
    let let_go = |trace: &Value| trace["status"] == "queued" && trace["timing"]["started_at"].is_string();
    let queued = server.sees(&id, "is let go", let_go).await;
    assert!(queued["due_at"].is_string() && codes(&queued).is_empty(), "{queued}");
    let spec = json!({"name": "mended", "llm_config": {"model": "m"}, "timeout_seconds": 9});
    server.database.sql(&format!("UPDATE agent_versions SET spec = '{spec}'")).await;
    server.clock.advance(LEASE_OVER);
    assert_eq!(server.ended(&id).await["status"], "success");
    assert_eq!((server.llm.calls().await.len(), server.attempts().await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_ends_no_lease_of_a_worker_that_lives() {
    let llm = RawLlm::start(RawLlm::completion("called once")).await;
    let server = Server::with(Setup { clock: Clock::manual(), args: calls(&llm), ..Setup::default() }).await;
    let agent = server.agent().await;
    let ours = agent.accepted("{}").await;
    llm.called(1).await;
    // Somebody dead holds another run; when that one is taken back, leases have been looked at.
    let (store, then) = (&server.app.store, server.clock.now() + TimeDelta::hours(1));
    let (theirs, dead) = (accept(store, id_of(&agent), then).await, WorkerId::new());
    assert_eq!(store.claim(&[theirs], dead, then).await.expect("an answer").len(), 1);
    server.clock.advance(Duration::from_secs(7200));
    if !server.database.is_postgres() {
        // The embedded database knows no other worker.
        store.abandon(dead, Loss::Died, server.clock.now()).await.expect("an answer");
    }
    llm.called(2).await;
    llm.let_go();
    for id in [ours, theirs.to_string()] {
        let trace = server.ended(&id).await;
        assert_eq!((&trace["status"], codes(&trace)), (&json!("success"), vec!["fine"]), "{trace}");
    }
    assert_eq!(llm.calls(), 2);
}
