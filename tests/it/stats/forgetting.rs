//! Sums are kept as long as something shows them, and somewhat longer.

use std::time::Duration;

use agenthook::clock::Clock;
use agenthook::model::{AgentId, Grain};
use agenthook::store::Store;
use chrono::TimeDelta;

use super::{counted, dispatch, ended, stats};
use crate::harness::{Database, Server, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn slice_by_slice_and_only_what_is_old() {
    let (database, now) = (Database::create().await, Clock::manual().now());
    let store = Store::open(&database.url, 2).await.expect("opens");
    store.migrate().await.expect("migrates");
    for minutes in 0..10 {
        ended(&store, AgentId::new(), now - TimeDelta::minutes(minutes), 1).await;
    }
    while dispatch(&store, 100, now).await.is_some() {}
    let forget = async |grain, before| store.forget_rollups(grain, before, 8).await.expect("an answer");
    let five = Grain::Minute.beginning(now) - TimeDelta::minutes(4);
    // Of each minute the rows of its agent, its tenant and all.
    assert_eq!([forget(Grain::Minute, five).await, forget(Grain::Minute, five).await], [8, 7]);
    assert_eq!(forget(Grain::Minute, five).await, 0);
    assert_eq!(forget(Grain::Minute, five + TimeDelta::milliseconds(1)).await, 3);
    assert_eq!(forget(Grain::HalfDay, now - TimeDelta::days(1)).await, 0);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_forgets_by_itself() {
    let server = Server::with_manual_clock().await;
    server.agent().await.run(&server, "{}").await;
    counted(&server, "window=1h", 1).await;
    let grains = async || {
        let contents = server.database.contents().await;
        let mut grains: Vec<_> = contents["execution_stats.grain"].split(|byte| *byte == b'\n').collect();
        grains.sort_unstable();
        grains.dedup();
        grains.into_iter().map(|grain| String::from_utf8_lossy(grain).into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(grains().await, ["half_day", "minute", "quarter_hour", "two_hours"]);
    server.clock.advance(Duration::from_secs(49 * 3600));
    eventually("the short stretches are forgotten", async || {
        (grains().await == ["half_day", "two_hours"]).then_some(())
    })
    .await;
    assert_eq!(stats(&server, "window=7d").await["totals"]["success"], 1);
}
