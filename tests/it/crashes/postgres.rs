//! Postgres is killed, restarted and cut off from us: nothing is promised meanwhile, and no call is lost.

use std::time::{Duration, Instant};

use super::CALL;
use crate::harness::{Database, Fleet, Load, ManyCalls, PostgresServer, eventually};

/// From when it answers again until hooks are accepted again.
const RECOVERY: Duration = Duration::from_secs(15);

async fn accepts_again(load: &Load) {
    let since = Instant::now();
    load.accepts(1).await;
    assert!(since.elapsed() < RECOVERY, "hooks were accepted again after {:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_may_die_and_come_back_and_no_call_is_lost_or_repeated() {
    if !Fleet::is_possible() {
        return;
    }
    let (postgres, llm) = (PostgresServer::start().await, ManyCalls::start(CALL));
    let (url, numbers) = (postgres.database("agenthook").await, Database::create().await);
    let fleet = Fleet::on(&url, numbers.redis_url.as_deref(), llm.clone());
    let (api, workers) = (fleet.api().await, [fleet.worker().await, fleet.worker().await]);
    let load = Load::on(&fleet.agent(&api).await);

    // A crash. What is in flight is answered while there is nobody to write it down.
    llm.holds(15).await;
    postgres.stop_immediately();
    load.is_refused(20).await;
    assert!(!fleet.is_ready(&api).await && !fleet.is_ready(&workers[0]).await, "they say so");
    eventually("the LLM has answered", async || (llm.in_flight() == 0).then_some(())).await;
    let before = load.so_far().accepted.len();
    postgres.start_again().await;
    accepts_again(&load).await;
    assert!(load.so_far().accepted.len() > before);

    // A restart, as by an upgrade.
    llm.holds(15).await;
    postgres.restart().await;
    accepts_again(&load).await;

    // Connections are cut, in the middle of whatever goes over them.
    for _ in 0..10 {
        load.accepts(5).await;
        postgres.terminate_all_connections().await;
    }
    accepts_again(&load).await;

    let sent = load.end().await;
    assert_eq!(sent.unanswered, 0, "the api was there all the time");
    for member in workers.iter().chain([&api]) {
        eventually("they are ready", async || fleet.is_ready(member).await.then_some(())).await;
    }
    let tally = fleet.tally(&api, sent.accepted).await;
    tally.assert_all_succeeded();
    assert_eq!(tally.extra_calls(), 0, "a result waits until it can be written down");
    tally.assert_still_so(&fleet, &api).await;
    assert!(workers.iter().all(|member| member.has_ended().is_none()), "nobody was restarted");
}
