//! Another run of what has failed, under the same id.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Agent, Server, Setup, completion, completion_body, error};
use wiremock::ResponseTemplate;

fn path(id: &str) -> String {
    format!("/api/v1/executions/{id}/retry")
}

fn id_of(trace: &Value) -> String {
    trace["execution_id"].as_str().expect("an id").to_owned()
}

/// An answer that is paid for and of no use.
fn of_no_use() -> ResponseTemplate {
    let mut body = completion_body("");
    body["choices"][0]["message"]["content"] = Value::Null;
    ResponseTemplate::new(200).insert_header("x-litellm-response-cost", "0.5").set_body_json(body)
}

/// A run that has failed.
async fn failed(server: &Server, agent: &Agent, body: &str) -> Value {
    server.llm.answers(of_no_use());
    let trace = agent.run(server, body).await;
    assert_eq!(trace["status"], "failed", "{trace}");
    trace
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_runs_again_under_its_id_and_adds_up() {
    let server = Server::with_manual_clock().await;
    let agent = server.agent().await;
    let first = failed(&server, &agent, r#"{"n":1}"#).await;
    let id = id_of(&first);
    assert_eq!(
        (&first["run"], &first["source"], &first["replay_of"]),
        (&json!(1), &json!("webhook"), &Value::Null)
    );
    server.clock.advance(Duration::from_secs(3600));
    server.llm.answers(completion("at last"));
    let answer = server.expect(202, "POST", &path(&id), None).await;
    assert_eq!(answer, json!({"execution_id": id, "run": 2, "status": "queued"}));
    let second = server.ended(&id).await;
    assert_eq!(
        (&second["status"], &second["output"], &second["run"]),
        (&json!("success"), &json!("at last"), &json!(2))
    );
    assert_eq!((&second["error"], &second["input"]), (&Value::Null, &first["input"]));
    let numbers = |field: &str| -> Vec<i64> {
        let attempts = second["attempts"].as_array().expect("a list").iter();
        attempts.map(|attempt| attempt[field].as_i64().expect("a number")).collect()
    };
    assert_eq!((numbers("number"), numbers("run")), (vec![1, 2], vec![1, 2]));
    assert_eq!((&second["usage"]["total_tokens"], &second["cost_usd"]), (&json!(106), &json!(0.500_013_3)));
    assert_eq!(second["timing"]["received_at"], first["timing"]["received_at"]);
    // The hour before somebody asked for it is no delay of this run.
    assert_eq!((&second["timing"]["queue_ms"], &second["timing"]["total_ms"]), (&json!(0), &json!(0)));
    assert_ne!(second["timing"]["started_at"], first["timing"]["started_at"]);
    assert_eq!(server.executions().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_run_has_all_its_tries() {
    let server = Server::start().await;
    let retry =
        json!({"max_attempts": 2, "initial_delay_ms": 1, "max_delay_ms": 1, "backoff": "exponential"});
    let agent = server.agent_with(json!({ "retry": retry })).await;
    server.llm.answers(error(503, "service_unavailable", "not now"));
    let id = id_of(&agent.run(&server, "1").await);
    for run in 2..4 {
        let answer = server.expect(202, "POST", &path(&id), Some(json!({}))).await;
        assert_eq!(answer["run"], run);
        let trace = server.ended(&id).await;
        assert_eq!((&trace["status"], &trace["run"]), (&json!("failed"), &json!(run)));
        assert_eq!(trace["attempts"].as_array().expect("a list").len(), run * 2, "{trace}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_failed_is_retried() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let id = agent.accepted("1").await;
    for status in ["queued", "held", "running", "success", "cancelled"] {
        // Nobody runs anything here.
        server.database.sql(&format!("UPDATE executions SET status = '{status}'")).await;
        let before = server.trace(&id).await;
        let answer = server.expect(409, "POST", &path(&id), None).await;
        assert_eq!(answer["code"], "conflict");
        assert!(answer["detail"].as_str().expect("text").contains("replay it instead"), "{answer}");
        assert_eq!(server.trace(&id).await, before);
    }
    server.expect(404, "POST", &path(&uuid::Uuid::now_v7().to_string()), None).await;
    server.expect(422, "POST", &path(&id), Some(json!({"run": 7}))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_retries_at_once_one_wins() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let id = id_of(&failed(&server, &agent, "1").await);
    let setup = server.stop().await;
    let server = Server::with(Setup { worker: false, ..setup }).await;
    let (at, no_body) = (path(&id), None::<Value>);
    let retries = (0..20).map(|_| server.api("POST", &at, no_body.clone()));
    let mut statuses: Vec<u16> =
        futures_util::future::join_all(retries).await.into_iter().map(|(status, _)| status).collect();
    statuses.sort_unstable();
    assert_eq!((statuses[0], statuses[1], statuses[19]), (202, 409, 409));
    server.llm.answers(completion("once"));
    server.start_worker();
    let trace = server.ended(&id).await;
    assert_eq!((&trace["status"], &trace["run"]), (&json!("success"), &json!(2)));
    let past = server.app.store.past_runs(id.parse().expect("an id")).await.expect("an answer");
    assert_eq!(past.iter().map(|run| run.run).collect::<Vec<_>>(), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_agent_runs_nothing_again() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let trace = failed(&server, &agent, "1").await;
    let id = id_of(&trace);
    server.expect(204, "DELETE", &format!("/api/v1/agents/{}", agent.id), None).await;
    for action in ["retry", "replay"] {
        let answer = server.expect(409, "POST", &format!("/api/v1/executions/{id}/{action}"), None).await;
        assert!(answer["detail"].as_str().expect("text").contains("deleted"), "{answer}");
    }
    assert_eq!(server.trace(&id).await, trace, "nothing has changed");
    assert_eq!(server.executions().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_has_a_hundred_runs_and_no_more() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let id = id_of(&failed(&server, &agent, "1").await);
    server.database.sql("UPDATE executions SET run = 98").await;
    for run in [99, 100] {
        let answer = server.expect(202, "POST", &path(&id), None).await;
        assert_eq!(answer["run"], run);
        assert_eq!(server.ended(&id).await["status"], "failed");
    }
    let refused = server.expect(409, "POST", &path(&id), None).await;
    assert_eq!(refused["code"], "conflict");
    assert!(refused["detail"].as_str().is_some_and(|text| text.contains("replay it instead")), "{refused}");
    assert_eq!(server.trace(&id).await["run"], 100);
    server.expect(202, "POST", &format!("/api/v1/executions/{id}/replay"), None).await;
}
