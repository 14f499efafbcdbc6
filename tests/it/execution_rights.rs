//! What was done to an execution is written down, and what was refused is not (`roles` and `tenancy` have who may).

use serde_json::json;

use crate::harness::{Answer, Server, completion, error};

async fn ask(server: &Server, key: &str, id: &str, below: &str) -> Answer {
    server.ask("POST", &format!("/api/v1/executions/{id}{below}"), Some(key), None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_written_down_and_what_was_refused_is_not() {
    let server = Server::start().await;
    let agent = server.agent_with(json!({"tenant_id": "ours", "retry": {"max_attempts": 1}})).await;
    server.llm.answers(error(400, "invalid_request_error", "no"));
    let id = agent.run(&server, "1").await["execution_id"].as_str().expect("an id").to_owned();
    let operator = server.api_key("operator", "ours").await;
    server.llm.answers(completion("fine"));
    assert_eq!(ask(&server, &operator, &id, "/retry").await.status, 202);
    server.ended(&id).await;
    let replay = ask(&server, &operator, &id, "/replay").await;
    assert_eq!(replay.status, 202);
    for refused in ["/cancel", "/retry"] {
        assert_eq!(ask(&server, &operator, &id, refused).await.status, 409);
    }
    let log = server.get(&format!("/api/v1/audit?subject={id}")).await;
    let entries = log["audit"].as_array().expect("a list");
    let actions: Vec<_> = entries.iter().map(|entry| entry["action"].as_str().expect("a word")).collect();
    assert_eq!(actions, ["execution.replayed", "execution.retried"]);
    assert!(
        entries
            .iter()
            .all(|entry| entry["tenant_id"] == "ours" && entry["actor"]["name"] == "operator of ours")
    );
    assert_eq!(entries[0]["detail"]["execution_id"], replay.execution_id());
}
