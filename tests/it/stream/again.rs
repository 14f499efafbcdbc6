//! Whoever comes back misses nothing.

use std::time::Duration;

use agenthook::app::MISSED;
use agenthook::model::{AgentId, Time};
use serde_json::json;

use super::{follow, said};
use crate::harness::{ADMIN_KEY, Following, Server, accept_many};

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_while_nobody_listens_is_told_to_whoever_comes_back() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let mut stream = follow(&server, "").await;
    let first = agent.accepted("1").await;
    stream.sees(&first, "queued").await;
    let last_id = stream.last_id.clone();
    drop(stream);
    let mut ids = Vec::new();
    for n in 2..5 {
        ids.push(agent.accepted(n.to_string()).await);
    }
    server.expect(200, "POST", &format!("/api/v1/executions/{}/cancel", ids[1]), Some(json!({}))).await;
    let url = format!("{}/api/v1/executions/stream", server.url);
    let request = server.http.get(&url).bearer_auth(ADMIN_KEY).header("Last-Event-ID", &last_id);
    // The header counts more.
    let mut stream = Following::open(request.query(&[("last_event_id", "1")])).await;
    assert_eq!(stream.last_id, last_id);
    let mut seen = Vec::new();
    while seen.last() != Some(&("execution.cancelled".to_owned(), ids[1].clone(), 1)) {
        seen.push(said(&stream.next().await));
    }
    for id in [&ids[0], &ids[2]] {
        assert!(seen.contains(&("execution.queued".into(), id.clone(), 1)), "{seen:?}");
    }
    // And goes on.
    let next = agent.accepted("5").await;
    stream.sees(&next, "queued").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_and_too_long_ago_are_said() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let now = server.clock.now();
    let day = Duration::from_secs(24 * 3600 + 60);
    let mut stream = follow(&server, &format!("?last_event_id={}", (now - day).timestamp_millis())).await;
    assert_eq!(stream.next().await.event, "reset");
    let id = agent.accepted("1").await;
    stream.sees(&id, "queued").await;

    let before = now.timestamp_millis();
    let received_at = Time::from_timestamp_millis(before).expect("a time");
    // One of them is there already.
    for (more, event) in [(MISSED - 2, "execution.queued"), (1, "execution.queued"), (1, "reset")] {
        accept_many(&server.app.store, "acme", AgentId::new(), received_at, more).await;
        let mut stream = follow(&server, &format!("?last_event_id={before}")).await;
        assert_eq!(stream.next().await.event, event);
    }
}
