//! What waits for a person: hooks to a paused agent and payloads that do not match, until somebody lets them run or
//! discards them.

use serde_json::{Value, json};

use crate::harness::{Agent, Answer, Server};

fn path(id: &str, action: &str) -> String {
    format!("/api/v1/executions/{id}/{action}")
}

/// An agent with this trigger, beside `type`.
async fn agent(server: &Server, trigger: Value) -> Agent {
    let mut whole = json!({"type": "webhook"});
    for (name, value) in trigger.as_object().expect("fields") {
        whole[name] = value.clone();
    }
    server.agent_with(json!({"trigger": whole})).await
}

async fn set_status(server: &Server, agent: &Agent, status: &str) {
    let path = format!("/api/v1/agents/{}", agent.id);
    server.expect(200, "PATCH", &path, Some(json!({"status": status}))).await;
}

/// Fails unless it was taken and is held; its id.
fn held(answer: &Answer, why: &str) -> String {
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("held")), "{}", answer.text);
    let message = answer.body["message"].as_str().expect("text");
    assert!(message.contains(why) && message.contains("a person releases it"), "{message}");
    answer.execution_id()
}

/// What happened, and who did it where somebody did.
async fn told(server: &Server, id: &str) -> Vec<(String, Value)> {
    let timeline = server.get(&path(id, "timeline")).await;
    let entries = timeline["timeline"].as_array().expect("a list").iter();
    entries.map(|entry| (entry["event"].as_str().expect("a word").to_owned(), entry["by"].clone())).collect()
}

async fn audited(server: &Server, id: &str) -> Vec<Value> {
    let log = server.get(&format!("/api/v1/audit?subject={id}")).await;
    log["audit"].as_array().expect("a list").iter().map(|entry| entry["action"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_agent_that_holds_takes_hooks_and_a_person_lets_them_run() {
    let server = Server::start().await;
    let agent = agent(&server, json!({"when_paused": "hold"})).await;
    set_status(&server, &agent, "paused").await;
    let [one, two, three] = ["1", "2", "3"].map(|body| agent.post(body));
    let [one, two, three] = [one.await, two.await, three.await].map(|answer| held(&answer, "paused"));
    let again = agent.post("1").await;
    assert_eq!((again.status, &again.body["status"]), (200, &json!("duplicate")));
    assert_eq!(again.execution_id(), one);

    let list = server.get("/api/v1/executions?held_reason=paused").await;
    let list = list["executions"].as_array().expect("a list").clone();
    assert_eq!(list.len(), 3);
    for execution in &list {
        assert_eq!((&execution["status"], &execution["held_reason"]), (&json!("held"), &json!("paused")));
        assert!(execution["due_at"].is_null(), "{execution}");
    }
    set_status(&server, &agent, "active").await;
    assert_eq!(agent.run(&server, "4").await["held_reason"], Value::Null);
    assert_eq!(server.trace(&one).await["status"], "held", "that the agent is active again releases nothing");

    set_status(&server, &agent, "archived").await;
    let released = server.expect(202, "POST", &path(&one, "release"), None).await;
    assert_eq!((&released["execution_id"], &released["held_reason"]), (&json!(one), &json!("paused")));
    assert_eq!(server.ended(&one).await["status"], "success", "an operator's decision runs");
    let discarded = server.expect(200, "POST", &path(&two, "discard"), Some(json!({}))).await;
    assert_eq!((&discarded["status"], &discarded["error"]), (&json!("cancelled"), &Value::Null));
    assert_eq!(server.expect(200, "POST", &path(&three, "cancel"), None).await["status"], "cancelled");
    assert_eq!(server.llm.calls().await.len(), 2, "of the one that was released, and of the other");

    let admin = json!("AGENTHOOK_ADMIN_KEY");
    let events = told(&server, &one).await;
    let names: Vec<_> = events.iter().map(|(event, _)| event.as_str()).collect();
    assert_eq!(
        names,
        [
            "received",
            "held",
            "released",
            "started",
            "call_started",
            "call_ended",
            "succeeded",
            "event_published"
        ]
    );
    assert_eq!(events[2].1, admin);
    for id in [&two, &three] {
        let events = told(&server, id).await;
        let names: Vec<_> = events.iter().map(|(event, _)| event.as_str()).collect();
        assert_eq!((names, &events[2].1), (vec!["received", "held", "discarded", "event_published"], &admin));
    }
    assert_eq!(audited(&server, &one).await, ["execution.released"]);
    assert_eq!(audited(&server, &two).await, ["execution.discarded"]);

    for (id, word) in [(&one, "succeeded"), (&two, "discarded"), (&three, "cancelled")] {
        for action in ["release", "discard"] {
            let refused = server.expect(409, "POST", &path(id, action), None).await;
            assert!(refused["detail"].as_str().expect("text").contains(word), "{refused}");
        }
    }
    assert_eq!(audited(&server, &one).await, ["execution.released"], "what was refused is not noted");
    for id in [uuid::Uuid::now_v7().to_string().as_str(), "x"] {
        server.expect(404, "POST", &path(id, "release"), None).await;
        server.expect(404, "POST", &path(id, "discard"), None).await;
    }
    server.expect(422, "POST", &path(&one, "release"), Some(json!({"why": "so"}))).await;

    let refused = agent.post("5").await;
    assert_eq!((refused.status, &refused.body["code"]), (403, &json!("agent_not_active")), "archived");
    set_status(&server, &agent, "paused").await;
    assert_eq!(agent.post("2").await.body["status"], "duplicate", "what was discarded is not sent again");
    let malformed = agent.post("{").await;
    assert_eq!((malformed.status, &malformed.body["code"]), (400, &json!("malformed_json")));
    assert_eq!(agent.with_secret(&json!("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=")).post("6").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_does_not_match_is_quarantined_and_shows_why() {
    let server = Server::start().await;
    let schema = json!({"type": "object", "required": ["ticket_id"]});
    let trigger = json!({
        "schema_policy": "quarantine", "when_paused": "hold", "payload_schema": schema
    });
    let agent = agent(&server, trigger).await;
    let id = held(&agent.post(r#"{"ticket":1}"#).await, "does not match");
    let errors = json!([{
        "instance_path": "", "schema_path": "/required", "message": "must have the property \"ticket_id\""
    }]);
    let trace = server.trace(&id).await;
    assert_eq!((&trace["status"], &trace["held_reason"]), (&json!("held"), &json!("quarantine")));
    assert_eq!(trace["schema_errors"], errors);

    // The agent has changed its mind since; the version that took it has not.
    let any = json!({"trigger": {"type": "webhook", "schema_policy": "quarantine", "when_paused": "hold"}});
    server.expect(200, "PATCH", &format!("/api/v1/agents/{}", agent.id), Some(any)).await;
    assert_eq!(server.trace(&id).await["schema_errors"], errors);
    let list = server.get("/api/v1/executions?status=held&held_reason=quarantine").await;
    assert_eq!(list["executions"][0]["execution_id"], id.as_str());
    let none = server.get("/api/v1/executions?held_reason=paused").await;
    assert_eq!(none["executions"], json!([]));
    for query in ["held_reason=budget", "held_reason=paused&status=queued"] {
        server.expect(422, "GET", &format!("/api/v1/executions?{query}"), None).await;
    }
    server.expect(202, "POST", &path(&id, "release"), None).await;
    let trace = server.ended(&id).await;
    assert_eq!((&trace["status"], &trace["agent_version"]), (&json!("success"), &json!(1)));
    assert!(trace.get("schema_errors").is_none(), "{trace}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_both_reasons_the_payload_counts_and_a_rehearsal_says_so() {
    let server = Server::without_worker().await;
    let schema = json!({"type": "object"});
    let both = json!({"schema_policy": "quarantine", "when_paused": "hold", "payload_schema": schema});
    let both = agent(&server, both).await;
    let strict = agent(&server, json!({"when_paused": "hold", "payload_schema": schema})).await;
    let rehearse = async |agent: &Agent, payload: Value| {
        let body = json!({"payload": payload, "dry_run": true});
        let path = format!("/api/v1/agents/{}/test", agent.id);
        let answer = server.expect(200, "POST", &path, Some(body)).await;
        (answer["verdict"].clone(), answer["reason"].clone())
    };
    assert_eq!(rehearse(&both, json!({})).await, (json!("accepted"), Value::Null));
    assert_eq!(rehearse(&both, json!(1)).await, (json!("held"), json!("quarantine")));
    for agent in [&both, &strict] {
        set_status(&server, agent, "paused").await;
        assert_eq!(rehearse(agent, json!({})).await, (json!("held"), json!("paused")));
        held(&agent.post("{}").await, "paused");
    }
    assert_eq!(rehearse(&both, json!(1)).await, (json!("held"), json!("quarantine")));
    let id = held(&both.post("1").await, "does not match");
    assert_eq!(server.trace(&id).await["held_reason"], "quarantine");
    assert_eq!(rehearse(&strict, json!(1)).await, (json!("rejected"), json!("schema_mismatch")));
    assert_eq!(strict.post("1").await.status, 422);
    set_status(&server, &both, "archived").await;
    assert_eq!(rehearse(&both, json!(1)).await, (json!("rejected"), json!("agent_not_active")));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_all_who_decide_at_once_one_wins() {
    let server = Server::without_worker().await;
    let agent = agent(&server, json!({"when_paused": "hold"})).await;
    set_status(&server, &agent, "paused").await;
    for round in 0..3 {
        let id = held(&agent.post(round.to_string()).await, "paused");
        let decide = ["release", "discard", "cancel"].into_iter().cycle().take(18).map(async |action| {
            let (status, answer) = server.api("POST", &path(&id, action), None).await;
            assert!(matches!(status, 200 | 202 | 409), "{answer}");
            (action, status)
        });
        let done = futures_util::future::join_all(decide).await;
        let won: Vec<_> =
            done.iter().filter(|(_, status)| *status != 409).map(|(action, _)| *action).collect();
        let trace = server.trace(&id).await;
        match won[..] {
            ["release"] => assert_eq!(trace["status"], "queued"),
            ["discard" | "cancel"] => assert_eq!(trace["status"], "cancelled"),
            // What was released may be cancelled.
            ["release", "cancel"] | ["cancel", "release"] => assert_eq!(trace["status"], "cancelled"),
            _ => panic!("{won:?}"),
        }
        assert_eq!(audited(&server, &id).await.len(), won.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_deleted_agent_nothing_is_released() {
    let server = Server::without_worker().await;
    let agent = agent(&server, json!({"when_paused": "hold"})).await;
    set_status(&server, &agent, "paused").await;
    let id = held(&agent.post("1").await, "paused");
    server.expect(204, "DELETE", &format!("/api/v1/agents/{}", agent.id), None).await;
    let refused = server.expect(409, "POST", &path(&id, "release"), None).await;
    assert!(refused["detail"].as_str().expect("text").contains("deleted"), "{refused}");
    assert_eq!(server.trace(&id).await["status"], "held");
    server.expect(200, "POST", &path(&id, "discard"), None).await;
}
