//! Several who dispatch at once, and one who is late.

use std::time::Duration;

use agenthook::clock::Clock;
use agenthook::model::{AgentId, Window};
use agenthook::store::{Counted, Store};
use chrono::TimeDelta;
use serde_json::json;

use super::{dispatch, ended};
use crate::harness::{Database, Fleet, ManyCalls, eventually};

const ENDS: i64 = 240;

#[tokio::test(flavor = "multi_thread")]
async fn four_who_dispatch_at_once_count_each_end_once() {
    let (database, now) = (Database::create().await, Clock::manual().now());
    let store = Store::open(&database.url, 8).await.expect("opens");
    store.migrate().await.expect("migrates");
    let agents: Vec<AgentId> = (0..8).map(|_| AgentId::new()).collect();
    for n in 0..ENDS {
        ended(&store, agents[n as usize % agents.len()], now - TimeDelta::seconds(n), n).await;
    }
    // Batches that overlap, so that each of them meets rows of others.
    let mut tasks = Vec::new();
    for batch in [7, 30, 50, 110] {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let mut won = 0;
            while let Some(some) = dispatch(&store, batch, now).await {
                won += some;
            }
            won
        }));
    }
    let mut won = 0;
    for task in tasks {
        won += task.await.expect("no panic");
    }
    assert_eq!(won as i64, ENDS);
    let of_all = Counted::default();
    let of_tenant = Counted { tenant_id: "acme".parse().ok(), agent_id: None };
    let of_agent = Counted { agent_id: Some(agents[3]), ..of_tenant.clone() };
    for (of, runs) in [(of_all, ENDS), (of_tenant, ENDS), (of_agent, ENDS / 8)] {
        for window in Window::ALL {
            let sums = store.rollups(&of, window, now).await.expect("an answer");
            let sum = sums.into_iter().fold(agenthook::model::Rollup::default(), |mut all, (_, sum)| {
                all.add(&sum);
                all
            });
            assert_eq!((sum.succeeded, sum.cost.0), (runs, runs), "{of:?} {window:?}");
            let measured: u64 =
                serde_json::from_value::<std::collections::BTreeMap<u16, u64>>(json!(sum.latencies))
                    .expect("buckets")
                    .values()
                    .sum();
            assert_eq!(measured as i64, runs, "{of:?} {window:?}");
        }
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_is_dispatched_late_is_counted_where_it_belongs_and_is_still_kept() {
    let (database, now) = (Database::create().await, Clock::manual().now());
    let store = Store::open(&database.url, 2).await.expect("opens");
    store.migrate().await.expect("migrates");
    let agent = AgentId::new();
    let late = now - TimeDelta::days(3);
    ended(&store, agent, late, 5).await;
    assert_eq!(dispatch(&store, 10, now).await, Some(1));
    let of = Counted { tenant_id: "acme".parse().ok(), agent_id: Some(agent) };
    let seen = async |window: Window, at| store.rollups(&of, window, at).await.expect("an answer").len();
    assert_eq!((seen(Window::Week, now).await, seen(Window::Month, now).await), (1, 1));
    assert_eq!((seen(Window::Hour, late).await, seen(Window::Day, late).await), (0, 0), "forgotten by now");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_count_what_both_run() {
    if !Fleet::is_possible() {
        return;
    }
    let (database, llm) = (Database::create().await, ManyCalls::start(Duration::from_millis(50)));
    let fleet = Fleet::on(&database.url, database.redis_url.as_deref(), llm);
    let api = fleet.api().await;
    let _workers = [fleet.worker().await, fleet.worker().await];
    let agent = fleet.agent(&api).await;
    for n in 0..60 {
        agent.try_post(&n.to_string()).await.expect("accepted");
    }
    let success = async || {
        let stats = fleet.ask(&api, "GET", "/api/v1/stats?window=1h", None).await;
        stats["totals"]["success"].as_i64().expect("a number")
    };
    eventually("all are counted", async || (success().await >= 60).then_some(())).await;
    // Each of the two has had its turn by now.
    let events = fleet.events(&api, "execution.completed").await.len();
    assert_eq!((success().await, events), (60, 60));
}
