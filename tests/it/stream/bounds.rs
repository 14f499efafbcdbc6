//! What a stream may take, and what ends it.

use std::time::Duration;

use agenthook::app::{STREAMS, STREAMS_OF_KEY};
use agenthook::model::AgentId;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use super::{follow, follow_as};
use crate::harness::{ADMIN_KEY, Server, accept_many, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_revoked_ends_its_streams_and_no_others() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let key = server.key("viewer", "acme").await;
    let theirs = follow_as(&server, key["key"].as_str().expect("a key"), "").await;
    let mut ours = follow(&server, "").await;
    let path = format!("/api/v1/keys/{}", key["key_id"].as_str().expect("an id"));
    server.expect(204, "DELETE", &path, None).await;
    let (messages, comments) = theirs.ends().await;
    assert!(messages.is_empty());
    assert!(comments.iter().any(|comment| comment.contains("not valid any more")), "{comments:?}");
    let id = agent.accepted("1").await;
    ours.sees(&id, "queued").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_streams_and_no_more() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let id = agent.accepted("1").await;
    let mut open = Vec::new();
    for n in 0..STREAMS / STREAMS_OF_KEY {
        let key = server.api_key("viewer", "acme").await;
        let is_first = n == 0;
        for _ in 0..STREAMS_OF_KEY - usize::from(is_first) {
            open.push(follow_as(&server, &key, "").await);
        }
        if is_first {
            continue;
        }
        // One key has so many, whatever is free.
        let refused = server.ask("GET", "/api/v1/executions/stream", Some(&key), None).await;
        assert_eq!((refused.status, refused.header("retry-after")), (503, "2"), "{}", refused.text);
        assert!(refused.text.contains(&format!("{STREAMS_OF_KEY} streams of this key")), "{}", refused.text);
    }
    assert_eq!(server.app.streams.count(), STREAMS - 1);
    // Those of single executions count too.
    let one = format!("/api/v1/executions/{id}/stream");
    let url = format!("{}{one}", server.url);
    let last = crate::harness::Following::open(server.http.get(url).bearer_auth(ADMIN_KEY)).await;
    assert_eq!(server.app.streams.count(), STREAMS);
    for path in ["/api/v1/executions/stream", &one] {
        let refused = server.ask("GET", path, Some(ADMIN_KEY), None).await;
        assert_eq!((refused.status, refused.header("retry-after")), (503, "2"), "{}", refused.text);
    }
    // The end of an execution is the end of its stream.
    server.expect(200, "POST", &format!("/api/v1/executions/{id}/cancel"), Some(json!({}))).await;
    last.ends().await;
    eventually("a place comes free", async || (server.app.streams.count() < STREAMS).then_some(())).await;
    open.push(follow(&server, "").await);
    let id = agent.accepted("2").await;
    for stream in &mut open {
        stream.sees(&id, "queued").await;
    }
    // Whoever vanishes is noticed by the next comments.
    drop(open);
    eventually("all are gone", async || (server.app.streams.count() == 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_too_slow_is_let_go_and_comes_back_for_the_rest() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let address = server.url.trim_start_matches("http://").parse().expect("an address");
    let socket = TcpSocket::new_v4().expect("a socket");
    // As little as the system lets one have.
    socket.set_recv_buffer_size(4096).expect("a size");
    let mut slow = socket.connect(address).await.expect("connected");
    let request = format!(
        "GET /api/v1/executions/stream HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {ADMIN_KEY}\r\n\r\n"
    );
    slow.write_all(request.as_bytes()).await.expect("sent");
    let mut first = [0; 64];
    slow.read_exact(&mut first).await.expect("it begins");
    let mut quick = follow(&server, "").await;
    let mut count = 0;
    // What the system keeps for the reader is much more than the server does.
    for _ in 0..4 {
        let ids = accept_many(&server.app.store, "acme", AgentId::new(), server.clock.now(), 5000).await;
        count += ids.len();
        let newest = ids.last().expect("one").to_string();
        quick.sees(&newest, "queued").await;
    }
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(120), async {
        let mut piece = vec![0; 1 << 16];
        while let Ok(read @ 1..) = slow.read(&mut piece).await {
            rest.extend_from_slice(&piece[..read]);
            if rest.ends_with(b"0\r\n\r\n") {
                return;
            }
        }
    })
    .await
    .expect("the stream ends");
    let text = String::from_utf8_lossy(&rest);
    assert!(text.matches("event: execution.queued").count() < count, "it was told all");
    let id = agent.accepted("1").await;
    let last = text.rmatch_indices("id: ").next().map(|(at, _)| &text[at + 4..]).expect("an id");
    let last = last.lines().next().expect("a line");
    let mut back = follow(&server, &format!("?last_event_id={last}")).await;
    let message = back.next().await;
    // There may be more to tell than is told.
    assert!(message.event == "reset" || message.event == "execution.queued", "{message:?}");
    back.sees(&id, "queued").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_told_to_stop_lets_all_go_and_takes_no_more() {
    let server = Server::without_worker().await;
    let id = server.agent().await.accepted("1").await;
    let all = follow(&server, "").await;
    let url = format!("{}/api/v1/executions/{id}/stream", server.url);
    let one = crate::harness::Following::open(server.http.get(url).bearer_auth(ADMIN_KEY)).await;
    server.app.drain();
    for stream in [all, one] {
        let (_, comments) = stream.ends().await;
        assert!(comments.iter().any(|comment| comment.contains("about to stop")), "{comments:?}");
    }
    let refused = server.ask("GET", "/api/v1/executions/stream", Some(ADMIN_KEY), None).await;
    assert_eq!((refused.status, &refused.body["code"]), (503, &json!("unavailable")));
}
