//! What makes a repeat a duplicate is remembered as long as its window lasts, and then forgotten.

use std::time::Duration;

use agenthook::clock::Clock;
use agenthook::model::AgentId;
use agenthook::store::Store;
use chrono::TimeDelta;
use serde_json::json;

use crate::harness::{Database, Server, accept_many, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_is_walked_in_slices_and_nothing_is_forgotten_too_early() {
    let database = Database::create().await;
    let store = Store::open(&database.url, 5).await.expect("opens");
    store.migrate().await.expect("migrates");
    let (early, hour) = (Clock::manual().now(), TimeDelta::hours(1));
    accept_many(&store, "acme", AgentId::new(), early, 25).await;
    accept_many(&store, "acme", AgentId::new(), early + hour, 10).await;
    // Their windows end with their arrival.
    let walk = async |before| {
        let (mut slices, mut after) = (Vec::new(), None);
        loop {
            let forgotten = store.forget_deliveries(after, 10, before).await.expect("an answer");
            slices.push(forgotten.deliveries);
            match forgotten.at {
                Some(at) => after = Some(at),
                None => return slices,
            }
        }
    };
    assert_eq!(walk(early - TimeDelta::milliseconds(1)).await, [0, 0, 0, 0]);
    assert_eq!(walk(early).await, [10, 10, 5, 0]);
    assert_eq!(walk(early + hour).await, [0, 0, 5, 5]);
    assert_eq!(walk(early + hour).await, [0, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_forgets_by_itself() {
    let server = Server::with_manual_clock().await;
    let trigger = json!({"type": "webhook", "dedupe": {"window_seconds": 60}});
    let agent = server.agent_with(json!({ "trigger": trigger })).await;
    let post = async |id: &str| agent.post_with(format!("{{\"n\":{id}}}"), &[("idempotency-key", id)]).await;
    server.ended(&post("1").await.execution_id()).await;
    let keys = async || {
        let contents = server.database.contents().await;
        contents["executions.dedupe_key"].split(|byte| *byte == b'\n').filter(|key| !key.is_empty()).count()
    };
    assert_eq!(keys().await, 1);
    // Its window and the slack have passed, and a day since the last walk.
    server.clock.advance(Duration::from_secs(86_400 + 3_600));
    post("2").await;
    eventually("the first is forgotten", async || (keys().await == 1).then_some(())).await;
    assert_eq!(post("2").await.status, 200, "the second is not");
    assert_eq!(post("1").await.status, 202);
}
