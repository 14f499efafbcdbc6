//! Executions while they happen, as server-sent events.

mod again;
mod bounds;
mod late;
mod one;
mod restarts;

use std::time::Duration;

use serde_json::json;

use crate::harness::{ADMIN_KEY, Following, Message, Server, completion, error};

/// Follows a server's executions.
async fn follow(server: &Server, query: &str) -> Following {
    follow_as(server, ADMIN_KEY, query).await
}

async fn follow_as(server: &Server, key: &str, query: &str) -> Following {
    let url = format!("{}/api/v1/executions/stream{query}", server.url);
    Following::open(server.http.get(url).bearer_auth(key)).await
}

/// What a message says: the kind, of which, in which run.
fn said(message: &Message) -> (String, String, i64) {
    let text = |name: &str| message.data[name].as_str().unwrap_or_default().to_owned();
    (message.event.clone(), text("execution_id"), message.data["run"].as_i64().expect("a run"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_told_in_its_order_as_lists_show_it() {
    let server = Server::without_worker().await;
    let hold = json!({"retry": {"max_attempts": 1}, "trigger": {"type": "webhook", "when_paused": "hold"}});
    let agent = server.agent_with(hold).await;
    let before = agent.accepted("0").await;
    let mut stream = follow(&server, "").await;
    for (name, value) in
        [("content-type", "text/event-stream"), ("cache-control", "no-store"), ("x-accel-buffering", "no")]
    {
        assert_eq!(stream.headers[name], value);
    }
    assert!(stream.headers.get("content-encoding").is_none());
    let id = agent.accepted("1").await;
    let queued = stream.next().await;
    assert_eq!(said(&queued), ("execution.queued".into(), id.clone(), 1), "{before} was there before");
    assert_eq!(queued.data, server.executions().await[0]);

    let call = format!("/api/v1/executions/{id}/cancel");
    server.expect(200, "POST", &call, Some(json!({}))).await;
    assert_eq!(said(&stream.next().await), ("execution.cancelled".into(), id, 1));

    server
        .expect(200, "PATCH", &format!("/api/v1/agents/{}", agent.id), Some(json!({"status": "paused"})))
        .await;
    let held = agent.accepted("2").await;
    let told = stream.next().await;
    assert_eq!(
        (said(&told), &told.data["held_reason"]),
        (("execution.held".into(), held.clone(), 1), &json!("paused"))
    );
    server.expect(202, "POST", &format!("/api/v1/executions/{held}/release"), Some(json!({}))).await;
    assert_eq!(said(&stream.next().await), ("execution.queued".into(), held.clone(), 1));

    server.llm.answers(error(400, "invalid_request_error", "no"));
    server.start_worker();
    let failed = stream.sees(&held, "failed").await;
    assert_eq!(
        (failed.event.as_str(), &failed.data["error"]["code"]),
        ("execution.failed", &json!("llm_bad_request"))
    );
    server.llm.answers(completion("fine"));
    server.expect(202, "POST", &format!("/api/v1/executions/{held}/retry"), Some(json!({}))).await;
    let fine = stream.sees(&held, "success").await;
    assert_eq!(said(&fine), ("execution.completed".into(), held.clone(), 2));
    let ended = server.executions().await.into_iter().find(|one| one["execution_id"] == held.as_str());
    assert_eq!(Some(fine.data), ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_told_too() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let mut stream = follow(&server, "?status=running").await;
    server.llm.answers(completion("late").set_delay(Duration::from_secs(3)));
    let id = agent.accepted("1").await;
    let started = stream.next().await;
    assert_eq!(
        (said(&started), &started.data["status"]),
        (("execution.started".into(), id, 1), &json!("running"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_asked_for_and_may_be_seen() {
    let server = Server::without_worker().await;
    let ours = server.agent().await;
    let also = server.agent_with(json!({"name": "Another"})).await;
    let theirs = server.agent_with(json!({"tenant_id": "other"})).await;
    let viewer = server.api_key("viewer", "acme").await;
    let mut all = follow(&server, "").await;
    let mut own = follow_as(&server, &viewer, "").await;
    let mut of_tenant = follow(&server, "?tenant_id=other").await;
    let mut of_agent = follow(&server, &format!("?agent_id={}", also.id)).await;
    let mut cancelled = follow(&server, "?status=cancelled").await;
    let nothing = follow_as(&server, &viewer, "?tenant_id=other").await;
    let foreign = theirs.accepted("1").await;
    let first = ours.accepted("2").await;
    let second = also.accepted("3").await;
    server.expect(200, "POST", &format!("/api/v1/executions/{second}/cancel"), Some(json!({}))).await;
    assert_eq!(said(&of_tenant.next().await).1, foreign);
    for stream in [&mut all, &mut own, &mut of_agent, &mut cancelled] {
        stream.sees(&second, "cancelled").await;
    }
    let mut again = follow_as(&server, &viewer, &format!("?last_event_id={}", all.last_id)).await;
    let seen = said(&again.next().await).1;
    assert!([&first, &second].contains(&&seen), "the way back is as narrow: {seen}");
    // The one thing that they all have seen by now is theirs.
    assert_eq!(said(&cancelled_again(&server).await.next().await).1, second);
    server.app.drain();
    let (messages, _) = nothing.ends().await;
    assert!(messages.is_empty(), "{messages:?}");
    let (messages, _) = own.ends().await;
    assert!(messages.iter().all(|message| message.data["tenant_id"] == "acme"), "{messages:?}");
}

async fn cancelled_again(server: &Server) -> Following {
    let long_ago = server.clock.now().timestamp_millis() - 60_000;
    follow(server, &format!("?status=cancelled&last_event_id={long_ago}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused() {
    let server = Server::without_worker().await;
    for query in ["?last_event_id=x", "?last_event_id=-1", "?status=fine", "?q=x", "?cursor=1"] {
        let answer =
            server.ask("GET", &format!("/api/v1/executions/stream{query}"), Some(ADMIN_KEY), None).await;
        assert_eq!(answer.status, 422, "{query}: {}", answer.text);
    }
    assert_eq!(server.ask("GET", "/api/v1/executions/stream", None, None).await.status, 401);
}
