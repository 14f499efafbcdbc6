//! One execution, to the end of its run.

use std::time::Duration;

use serde_json::json;

use super::said;
use crate::harness::{ADMIN_KEY, Following, Server, completion, error};

async fn follow(server: &Server, id: &str) -> Following {
    let url = format!("{}/api/v1/executions/{id}/stream", server.url);
    Following::open(server.http.get(url).bearer_auth(ADMIN_KEY)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn how_it_stands_then_each_change_then_the_end() {
    let server = Server::without_worker().await;
    let agent = server.agent_with(json!({"retry": {"max_attempts": 1}})).await;
    let id = agent.accepted("1").await;
    let mut stream = follow(&server, &id).await;
    assert_eq!(said(&stream.next().await), ("execution.queued".into(), id.clone(), 1));
    let refusal = error(400, "invalid_request_error", "no");
    server.llm.answers(refusal.set_delay(Duration::from_secs(2)));
    server.start_worker();
    assert_eq!(said(&stream.next().await), ("execution.started".into(), id.clone(), 1));
    assert_eq!(said(&stream.next().await), ("execution.failed".into(), id.clone(), 1));
    let end = stream.next().await;
    assert_eq!(end.event, "end");
    assert_eq!(end.data, json!({"execution_id": id, "run": 1, "status": "failed"}));
    assert!(stream.try_next().await.is_none(), "nothing comes after the end");

    // Whoever comes later hears how it ended, and of another run if there is one.
    let (messages, _) = follow(&server, &id).await.ends().await;
    let kinds: Vec<_> = messages.iter().map(|message| message.event.as_str()).collect();
    assert_eq!(kinds, ["execution.failed", "end"]);
    server.llm.answers(completion("fine"));
    server.expect(202, "POST", &format!("/api/v1/executions/{id}/retry"), Some(json!({}))).await;
    let (messages, _) = follow(&server, &id).await.ends().await;
    let last = messages.last().expect("an end");
    assert_eq!(last.data, json!({"execution_id": id, "run": 2, "status": "success"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_is_not_there() {
    let server = Server::without_worker().await;
    let id = server.agent().await.accepted("1").await;
    server.tenant(json!({"tenant_id": "other"})).await;
    let stranger = server.api_key("operator", "other").await;
    for path in [&id, "01a20174-af9d-764c-ac07-00a385c2f011", "none"] {
        let path = format!("/api/v1/executions/{path}/stream");
        assert_eq!(server.ask("GET", &path, Some(&stranger), None).await.status, 404, "{path}");
    }
}
