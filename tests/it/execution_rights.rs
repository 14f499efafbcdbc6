//! Who may look at an execution and who may act on it, and that what was done is written down.

use serde_json::{Value, json};

use crate::harness::{Answer, Server, completion, error};

/// A key of this role in this tenant.
async fn key(server: &Server, role: &str, tenant_id: &str) -> String {
    let wanted = json!({"role": role, "tenant_id": tenant_id, "name": format!("{role} of {tenant_id}")});
    let made = server.expect(201, "POST", "/api/v1/keys", Some(wanted)).await;
    made["key"].as_str().expect("a key").to_owned()
}

/// Every address below an execution, and what it is asked with.
const ADDRESSES: [(&str, &str); 5] =
    [("GET", ""), ("GET", "/timeline"), ("POST", "/cancel"), ("POST", "/retry"), ("POST", "/replay")];

async fn ask(server: &Server, key: &str, method: &str, id: &str, below: &str) -> Answer {
    server.ask(method, &format!("/api/v1/executions/{id}{below}"), Some(key), None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_execution_it_is_decides_who_sees_it_and_the_role_who_acts() {
    let server = Server::start().await;
    let ours = server.agent_with(json!({"tenant_id": "ours", "retry": {"max_attempts": 1}})).await;
    server.tenant(json!({"tenant_id": "theirs"})).await;
    server.llm.answers(error(400, "invalid_request_error", "no"));
    let failed = ours.run(&server, r#"{"secret":"plan"}"#).await;
    let id = failed["execution_id"].as_str().expect("an id");
    let nobody = uuid::Uuid::now_v7().to_string();

    for role in ["viewer", "operator"] {
        let theirs = key(&server, role, "theirs").await;
        for (method, below) in ADDRESSES {
            let [foreign, missing] = [
                ask(&server, &theirs, method, id, below).await,
                ask(&server, &theirs, method, &nobody, below).await,
            ];
            let told = |answer: &Answer| {
                let mut body = answer.body.clone();
                body["request_id"] = Value::Null;
                (answer.status, body)
            };
            assert_eq!(told(&foreign), told(&missing), "{role} {method} {below}");
            assert_eq!(foreign.status, 404);
        }
        for query in ["q=plan", "q=plan&tenant_id=ours", "tenant_id=ours", "status=failed"] {
            let answer = server.ask("GET", &format!("/api/v1/executions?{query}"), Some(&theirs), None).await;
            assert_eq!(
                (answer.status, &answer.body["executions"]),
                (200, &json!([])),
                "{query}: {}",
                answer.text
            );
        }
    }
    let viewer = key(&server, "viewer", "ours").await;
    for (method, below) in ADDRESSES {
        let status = ask(&server, &viewer, method, id, below).await.status;
        assert_eq!(status, if method == "GET" { 200 } else { 403 }, "{method} {below}");
    }
    let found = server.ask("GET", "/api/v1/executions?q=PLAN", Some(&viewer), None).await;
    assert_eq!(found.body["executions"].as_array().expect("a list").len(), 1);
    assert_eq!(server.trace(id).await, failed, "nothing has changed");
    assert_eq!(server.executions().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_written_down_and_what_was_refused_is_not() {
    let server = Server::start().await;
    let agent = server.agent_with(json!({"tenant_id": "ours", "retry": {"max_attempts": 1}})).await;
    server.llm.answers(error(400, "invalid_request_error", "no"));
    let id = agent.run(&server, "1").await["execution_id"].as_str().expect("an id").to_owned();
    let operator = key(&server, "operator", "ours").await;
    server.llm.answers(completion("fine"));
    assert_eq!(ask(&server, &operator, "POST", &id, "/retry").await.status, 202);
    server.ended(&id).await;
    let replay = ask(&server, &operator, "POST", &id, "/replay").await;
    assert_eq!(replay.status, 202);
    for refused in ["/cancel", "/retry"] {
        assert_eq!(ask(&server, &operator, "POST", &id, refused).await.status, 409);
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
