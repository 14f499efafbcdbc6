//! Several processes on one Postgres: they share the work. What happens when some of them fall is in `crashes`.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::harness::{Agent, Database, Fleet, ManyCalls, eventually};

/// Sends so many different hooks at once; all must be accepted.
async fn accepted(agent: &Agent, hooks: usize) -> Vec<String> {
    let sends = (0..hooks).map(|number| agent.accepted(format!(r#"{{"number":{number}}}"#)));
    futures_util::future::join_all(sends).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_and_two_workers_share_the_work() {
    if !Fleet::is_possible() {
        return;
    }
    let (database, llm) = (Database::create().await, ManyCalls::start(Duration::from_millis(500)));
    let mut fleet = Fleet::on(&database.url, database.redis_url.as_deref(), llm.clone());
    fleet.set("AGENTHOOK_WORKER_CONCURRENCY", "40");
    let api = fleet.api().await;
    let workers = [fleet.worker().await, fleet.worker().await];
    let agent = fleet.agent(&api).await;

    let ids = accepted(&agent, 120).await;
    // More than one of them could hold.
    llm.holds(41).await;
    let tally = fleet.tally(&api, ids).await;
    tally.assert_all_succeeded();
    assert_eq!((tally.count(), tally.extra_calls()), (120, 0));
    assert!(llm.peak() <= 80, "each keeps to its limit: {}", llm.peak());
    let calls = llm.calls();
    let different: BTreeSet<_> = calls.iter().map(|call| &call.call_id).collect();
    assert_eq!(different.len(), 120, "every call has an id of its own");
    assert!(calls.iter().all(|call| call.body["model"] == "gpt-4o-mini"), "and is what the agent asks");

    for member in workers.iter().chain([&api]) {
        member.terminate();
        assert_eq!(member.wait().await.code(), Some(0), "{} ends well", member.name());
        assert!(member.log().contains("stopped"), "{}", member.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stood_still_goes_on() {
    if !Fleet::is_possible() {
        return;
    }
    let (database, llm) = (Database::create().await, ManyCalls::start(Duration::from_millis(300)));
    let fleet = Fleet::on(&database.url, database.redis_url.as_deref(), llm.clone());
    let (api, worker) = (fleet.api().await, fleet.worker().await);
    let agent = fleet.agent(&api).await;
    let mut ids = accepted(&agent, 5).await;
    llm.holds(5).await;
    worker.stop();
    ids.push(agent.accepted(r#"{"when":"it stands still"}"#).await);
    eventually("the LLM has answered", async || (llm.in_flight() == 0).then_some(())).await;
    worker.go_on();
    let tally = fleet.tally(&api, ids).await;
    tally.assert_all_succeeded();
    assert_eq!(tally.extra_calls(), 0, "its leases still held");
}
