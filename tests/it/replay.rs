//! The payload of an execution once more, as another execution.

use serde_json::{Value, json};

use crate::harness::{Agent, Server, completion, error};

fn path(id: &str) -> String {
    format!("/api/v1/executions/{id}/replay")
}

fn agent_path(agent: &Agent) -> String {
    format!("/api/v1/agents/{}", agent.id)
}

/// Gives an agent its next version.
async fn next_version(server: &Server, agent: &Agent, prompt: &str) {
    let change = Some(json!({ "system_prompt": prompt }));
    server.expect(200, "PATCH", &agent_path(agent), change).await;
}

/// What the last call said to the model on the agent's behalf.
async fn last_prompt(server: &Server) -> String {
    let bodies = server.llm.bodies().await;
    bodies.last().expect("a call")["messages"][0]["content"].as_str().expect("a prompt").to_owned()
}

/// Replays one, and waits for the end.
async fn replay(server: &Server, id: &str, body: Option<Value>) -> Value {
    let answer = server.expect(202, "POST", &path(id), body).await;
    assert_eq!(answer["replay_of"], id, "{answer}");
    assert_eq!(answer.as_object().expect("an object").len(), 2, "{answer}");
    let trace = server.ended(answer["execution_id"].as_str().expect("an id")).await;
    assert_eq!((&trace["source"], &trace["replay_of"]), (&json!("replay"), &json!(id)));
    trace
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_run_once_more_on_the_present_version_or_on_the_one_that_is_named() {
    let server = Server::start().await;
    let agent = server.agent_with(json!({"system_prompt": "the first"})).await;
    let sent = r#"{ "n": 1.0, "big": 12345678901234567890123, "n": "é" }"#;
    let original = agent.run(&server, sent).await;
    let id = original["execution_id"].as_str().expect("an id");
    next_version(&server, &agent, "the second").await;

    for body in [None, Some(json!({}))] {
        let trace = replay(&server, id, body).await;
        assert_eq!((&trace["status"], &trace["agent_version"]), (&json!("success"), &json!(2)));
        assert_eq!((trace["run"].as_i64(), last_prompt(&server).await.as_str()), (Some(1), "the second"));
        let shown = server
            .ask(
                "GET",
                &format!("/api/v1/executions/{}", trace["execution_id"].as_str().expect("an id")),
                Some(crate::harness::ADMIN_KEY),
                None,
            )
            .await;
        assert!(shown.text.contains(sent), "byte for byte: {}", shown.text);
    }
    let old = replay(&server, id, Some(json!({"agent_version": 1}))).await;
    assert_eq!((&old["agent_version"], last_prompt(&server).await.as_str()), (&json!(1), "the first"));
    let once_more = replay(&server, old["execution_id"].as_str().expect("an id"), None).await;
    assert_eq!(once_more["replay_of"], old["execution_id"]);

    assert_eq!(server.trace(id).await, original, "the original stays as it is");
    assert_eq!(server.executions().await.len(), 5, "each is an execution of its own");
    assert_eq!(agent.post(sent).await.body["execution_id"], id, "and none of them stands for the delivery");
    let secrets = server.get(&format!("/api/v1/agents/{}/webhook-secret", agent.id)).await;
    assert_eq!(
        secrets["secrets"][0]["last_used_at"], original["timing"]["received_at"],
        "no secret was used"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_replayed_is_told() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let id = agent.run(&server, "1").await["execution_id"].as_str().expect("an id").to_owned();
    for version in [0, 2, -1] {
        let body = Some(json!({ "agent_version": version }));
        let answer = server.expect(422, "POST", &path(&id), body).await;
        assert_eq!(answer["errors"][0]["pointer"], "/agent_version", "{answer}");
    }
    for (body, pointer) in
        [(json!({"agent_version": "1"}), "/agent_version"), (json!({"payload": 1}), "/payload")]
    {
        let answer = server.expect(422, "POST", &path(&id), Some(body)).await;
        assert_eq!(answer["errors"][0]["pointer"], pointer, "{answer}");
    }
    let answer = server.ask("POST", &path(&id), Some(crate::harness::ADMIN_KEY), Some("{".to_owned())).await;
    assert_eq!((answer.status, &answer.body["code"]), (400, &json!("malformed_json")));
    server.expect(404, "POST", &path(&uuid::Uuid::now_v7().to_string()), None).await;
    server.expect(405, "GET", &path(&id), None).await;
    assert_eq!(server.executions().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_became_of_it_it_can_be_replayed() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let id = agent.accepted("1").await;
    let mut replays = Vec::new();
    for status in ["held", "running", "success", "failed", "cancelled", "queued"] {
        let all = format!("UPDATE executions SET status = '{status}'");
        server.database.sql(&all).await;
        let answer = server.expect(202, "POST", &path(&id), None).await;
        replays.push(answer["execution_id"].as_str().expect("an id").to_owned());
    }
    server.llm.answers(completion("fine"));
    server.start_worker();
    assert_eq!(server.ended(replays.last().expect("some")).await["status"], "success");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_fails_is_retried_like_any_other() {
    let server = Server::start().await;
    let agent = server.agent_with(json!({"retry": {"max_attempts": 1}})).await;
    let id = agent.run(&server, "1").await["execution_id"].as_str().expect("an id").to_owned();
    server.llm.answers(error(400, "invalid_request_error", "no"));
    let trace = replay(&server, &id, None).await;
    assert_eq!(trace["status"], "failed");
    server.llm.answers(completion("fine"));
    let replayed = trace["execution_id"].as_str().expect("an id");
    server.expect(202, "POST", &format!("/api/v1/executions/{replayed}/retry"), None).await;
    let again = server.ended(replayed).await;
    assert_eq!(
        (&again["status"], &again["run"], &again["replay_of"]),
        (&json!("success"), &json!(2), &json!(id))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_and_replay_run_whatever_the_agents_status() {
    let server = Server::start().await;
    let agent = server.agent_with(json!({"retry": {"max_attempts": 1}})).await;
    for status in ["paused", "archived"] {
        server.expect(200, "PATCH", &agent_path(&agent), Some(json!({"status": "active"}))).await;
        server.llm.answers(error(400, "invalid_request_error", "no"));
        let failed = agent.run(&server, json!(status).to_string()).await;
        assert_eq!(failed["status"], "failed");
        let id = failed["execution_id"].as_str().expect("an id");
        server.expect(200, "PATCH", &agent_path(&agent), Some(json!({ "status": status }))).await;
        server.llm.answers(completion("fine"));
        let test = format!("{}/test", agent_path(&agent));
        let refused = server.expect(403, "POST", &test, Some(json!({"payload": 1}))).await;
        assert_eq!((&refused["code"], agent.post("2").await.status), (&json!("agent_not_active"), 403));
        server.expect(202, "POST", &format!("/api/v1/executions/{id}/retry"), None).await;
        assert_eq!(server.ended(id).await["status"], "success", "retried while {status}");
        assert_eq!(replay(&server, id, None).await["status"], "success", "replayed while {status}");
    }
}
