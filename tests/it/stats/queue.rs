//! What has not ended yet.

use std::time::Duration;

use agenthook::clock::Clock;
use agenthook::model::{AgentId, WorkerId};
use agenthook::store::{COUNTED, Counted, Store};
use serde_json::{Value, json};

use super::stats;
use crate::harness::{Database, Server, Setup, accept_many};

#[tokio::test(flavor = "multi_thread")]
async fn it_is_seen_what_waits_runs_and_is_held() {
    let server = Server::with(Setup { clock: Clock::manual(), worker: false, ..Setup::default() }).await;
    let none = json!({"depth": 0, "oldest_waiting_ms": null, "running": 0, "held": 0});
    assert_eq!(stats(&server, "").await["queue"], none);
    let trigger = json!({"type": "webhook", "when_paused": "hold"});
    let agent = server.agent_with(json!({ "trigger": trigger })).await;
    let other = server.agent_with(json!({"tenant_id": "other"})).await;
    let first = agent.accepted("1").await;
    server.clock.advance(Duration::from_millis(1500));
    agent.accepted("2").await;
    other.accepted("3").await;
    let patch = json!({"status": "paused"});
    server.expect(200, "PATCH", &format!("/api/v1/agents/{}", agent.id), Some(patch)).await;
    agent.accepted("4").await;
    server.clock.advance(Duration::from_secs(1));

    let queue = async |query: &str| stats(&server, query).await["queue"].take();
    let of = |depth: i64, oldest: Value, running: i64, held: i64| json!({"depth": depth, "oldest_waiting_ms": oldest, "running": running, "held": held});
    let (of_agent, of_other) = (format!("agent_id={}", agent.id), format!("agent_id={}", other.id));
    assert_eq!(queue("").await, of(3, json!(2500), 0, 1));
    assert_eq!(queue("tenant_id=acme").await, of(2, json!(2500), 0, 1));
    assert_eq!(queue(&of_agent).await, of(2, json!(2500), 0, 1));
    assert_eq!(queue("tenant_id=other").await, of(1, json!(1000), 0, 0));
    let ids = [first.parse().expect("an id")];
    let claimed = server.app.store.claim(&ids, WorkerId::new(), server.clock.now()).await.expect("an answer");
    assert_eq!(claimed.len(), 1);
    for query in ["tenant_id=acme", of_agent.as_str()] {
        assert_eq!(queue(query).await, of(1, json!(1000), 1, 1), "{query}");
    }
    assert_eq!(queue(&of_other).await, of(1, json!(1000), 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_counted_than_is_said() {
    let (database, now) = (Database::create().await, Clock::manual().now());
    let store = Store::open(&database.url, 2).await.expect("opens");
    store.migrate().await.expect("migrates");
    accept_many(&store, "acme", AgentId::new(), now, COUNTED as usize + 1).await;
    let backlog = store.backlog(&Counted::default(), now).await.expect("an answer");
    assert_eq!((backlog.waiting, backlog.oldest_due_at), (COUNTED, Some(now)));
    store.close().await;
}
