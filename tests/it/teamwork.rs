//! Several processes on one Postgres: they share the work, and take over from those that fall.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::harness::{Agent, Database, Fleet, ManyCalls, PostgresServer, RedisServer, eventually};

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
async fn what_a_killed_worker_held_ends_with_another() {
    if !Fleet::is_possible() {
        return;
    }
    let (database, llm) = (Database::create().await, ManyCalls::start(Duration::from_secs(600)));
    let fleet = Fleet::on(&database.url, database.redis_url.as_deref(), llm.clone());
    let api = fleet.api().await;
    let doomed = fleet.worker().await;
    let agent = fleet.agent(&api).await;
    let ids = accepted(&agent, 10).await;
    llm.holds(10).await;
    doomed.kill_9();
    llm.takes(Duration::ZERO);

    let _new = fleet.worker().await;
    let tally = fleet.tally(&api, ids.clone()).await;
    tally.assert_all_succeeded();
    assert_eq!(tally.extra_calls(), 10, "one crash, one more call for each that it hit");
    for id in &ids {
        let codes = tally.attempts(id).iter().map(|attempt| attempt["error"]["code"].clone());
        assert_eq!(codes.collect::<Vec<_>>(), [serde_json::json!("crashed"), serde_json::Value::Null]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_postgres_is_away_nothing_is_promised_and_then_all_go_on() {
    if !Fleet::is_possible() {
        return;
    }
    let (postgres, llm) = (PostgresServer::start().await, ManyCalls::start(Duration::ZERO));
    let fleet = Fleet::on(&postgres.database("agenthook").await, None, llm);
    let (api, worker) = (fleet.api().await, fleet.worker().await);
    let agent = fleet.agent(&api).await;
    let before = agent.accepted(r#"{"when":"before"}"#).await;

    postgres.stop_immediately();
    assert_eq!(agent.post(r#"{"when":"meanwhile"}"#).await.status, 503);
    assert!(!fleet.is_ready(&api).await && !fleet.is_ready(&worker).await, "they say so");

    postgres.start_again().await;
    for member in [&api, &worker] {
        eventually("they are ready again", async || fleet.is_ready(member).await.then_some(())).await;
    }
    postgres.terminate_all_connections().await;
    let after = eventually("a hook is accepted", async || {
        let answer = agent.post(r#"{"when":"after"}"#).await;
        (answer.status == 202).then(|| answer.execution_id())
    })
    .await;
    fleet.tally(&api, [before, after]).await.assert_all_succeeded();
    postgres.restart().await;
    eventually("it is ready once more", async || fleet.is_ready(&api).await.then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_may_stall_die_and_forget_and_every_hook_still_ends() {
    if !Fleet::is_possible() {
        return;
    }
    let (database, llm) = (Database::create().await, ManyCalls::start(Duration::ZERO));
    let redis = RedisServer::start().await;
    let fleet = Fleet::on(&database.url, Some(&redis.url()), llm);
    let (api, _worker) = (fleet.api().await, fleet.worker().await);
    let agent = fleet.agent(&api).await;
    let hook = async |when: &str| agent.accepted(format!(r#"{{"when":"{when}"}}"#)).await;

    let mut ids = vec![hook("well").await];
    redis.stall();
    ids.push(hook("stalled").await);
    redis.go_on();
    ids.push(hook("going on").await);
    redis.flush().await;
    ids.push(hook("flushed").await);
    redis.kill();
    ids.push(hook("dead").await);
    redis.start_again().await;
    ids.push(hook("empty").await);
    let tally = fleet.tally(&api, ids).await;
    tally.assert_all_succeeded();
    assert_eq!(tally.statuses(), [("success".to_owned(), 6)].into());
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
