//! Thousands of calls at a time in one worker, each a task that waits and no more.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use super::fleet;
use crate::harness::Fleet;

/// In flight at once.
const CROWD: usize = 2000;
/// What no worker needs for it, in KiB.
const ABSURD: u64 = 2 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_holds_2_000_calls_and_ends_them_all() {
    if !Fleet::is_possible() {
        return;
    }
    raise_open_files();
    let (mut fleet, llm, _database) = fleet(Duration::from_secs(2)).await;
    fleet.set("AGENTHOOK_WORKER_CONCURRENCY", &CROWD.to_string());
    let (api, worker) = (fleet.api().await, fleet.worker().await);
    let agent = fleet.agent_with(&api, json!({"timeout_seconds": 300})).await;
    // However slowly they come: all of them are there at once.
    llm.hold("");
    let hooks = stream::iter(0..CROWD).map(|number| agent.accepted(number.to_string()));
    let ids: Vec<_> = hooks.buffer_unordered(50).collect().await;
    llm.holds(CROWD).await;
    let memory = worker.memory_kib();
    llm.let_go();
    let tally = fleet.tally(&api, ids).await;
    tally.assert_all_succeeded();
    assert_eq!((tally.count(), tally.extra_calls(), llm.peak()), (CROWD, 0, CROWD));
    eprintln!("a worker with {CROWD} calls in flight: {memory:?} KiB");
    assert!(memory.is_none_or(|memory| memory < ABSURD), "{memory:?} KiB");
}

/// The soft limit is often 1,024; our processes inherit it, and the LLM is in this one.
fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(10_000, |maximum| maximum.min(10_000));
    if current.is_some_and(|current| current < wanted) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
}
