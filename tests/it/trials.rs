//! An agent is tried without a signature: run as a hook would be, or only rehearsed.

use std::collections::BTreeSet;

use agenthook::config::SettingsArgs;
use serde_json::{Value, json};

use crate::harness::{ADMIN_KEY, Agent, Answer, Server, Setup};

fn path(agent: &Agent) -> String {
    format!("/api/v1/agents/{}/test", agent.id)
}

/// Tries an agent with a payload as it is written here.
async fn test(server: &Server, agent: &Agent, payload: &str) -> Answer {
    server.ask("POST", &path(agent), Some(ADMIN_KEY), Some(format!(r#"{{"payload":{payload}}}"#))).await
}

async fn rehearsed(server: &Server, agent: &Agent, payload: &str) -> Value {
    let body = format!(r#"{{ "dry_run": true, "payload": {payload} }}"#);
    let answer = server.ask("POST", &path(agent), Some(ADMIN_KEY), Some(body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

/// What was written down about an agent.
async fn actions(server: &Server, agent: &Agent) -> Vec<Value> {
    let log = server.get(&format!("/api/v1/audit?subject={}", agent.id)).await;
    log["audit"].as_array().expect("a list").iter().map(|entry| entry["action"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_runs_like_a_hook_with_the_bytes_that_were_sent() {
    let server = Server::start().await;
    let agent = server.agent().await;
    const PAYLOAD: &str =
        r#"{ "z":1.0, "a" : 12345678901234567890123,"n":[1e2,-0.0, 1E+2], "k":1, "k":"\u00e4\u0000" }"#;
    let answer = test(&server, &agent, PAYLOAD).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("queued")), "{}", answer.text);
    let id = answer.execution_id();
    let trace = server.ended(&id).await;
    assert_eq!(
        (&trace["status"], &trace["source"], &trace["agent_version"]),
        (&json!("success"), &json!("test"), &json!(1))
    );
    let shown = server.ask("GET", &format!("/api/v1/executions/{id}"), Some(ADMIN_KEY), None).await.text;
    assert!(shown.contains(&format!(r#""input":{PAYLOAD}"#)), "{shown}");
    let [call] = server.llm.bodies().await.try_into().expect("one call");
    let message = call["messages"][1]["content"].as_str().expect("text");
    assert!(
        message.contains(
            r#"{"z":1.0,"a":12345678901234567890123,"n":[1e2,-0.0,1E+2],"k":1,"k":"\u00e4\u0000"}"#
        ),
        "{message}"
    );

    let again = test(&server, &agent, PAYLOAD).await;
    assert_eq!(again.status, 202, "whoever tries twice wants two runs");
    assert_ne!(again.execution_id(), id);
    server.ended(&again.execution_id()).await;
    assert_eq!(actions(&server, &agent).await, ["agent.tested", "agent.tested", "agent.created"]);
    let log = server.get(&format!("/api/v1/audit?subject={}&limit=1", agent.id)).await;
    let detail = &log["audit"][0]["detail"];
    assert_eq!(
        *detail,
        json!({"execution_id": again.execution_id(), "version": 1}),
        "and nothing of the payload"
    );

    let silent = server.agent_with(json!({"trigger": null})).await;
    let answer = test(&server, &silent, "null").await;
    assert_eq!(server.ended(&answer.execution_id()).await["status"], "success", "without a trigger, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_is_refused_as_a_hook_is() {
    let server = Server::without_worker().await;
    let schema = json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, "t": {"enum": [1]}}});
    let agent = server.agent_with(json!({"trigger": {"type": "webhook", "payload_schema": schema}})).await;
    let any = server.agent().await;
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let many = |members: usize| format!("[{}]", vec!["1"; members].join(","));
    for (agent, payload) in [
        (&agent, r#"{"id": "x", "t": 2}"#.to_owned()),
        (&agent, "[]".to_owned()),
        (&any, deep(128)),
        (&any, many(100_001)),
        (&any, r#"{"a": 1e999}"#.to_owned()),
        (&any, r#"["\ud800"]"#.to_owned()),
    ] {
        let (hook, tried) = (agent.post(&payload).await, test(&server, agent, &payload).await);
        let told = |answer: &Answer| {
            let problem = &answer.body;
            (answer.status, problem["code"].clone(), problem["detail"].clone(), problem["errors"].clone())
        };
        assert_eq!(told(&tried), told(&hook), "{:.50}", payload);
        assert!(matches!(tried.status, 400 | 422), "{}", tried.text);
        // The rehearsal tells the same and is no refusal itself.
        let shown = rehearsed(&server, agent, &payload).await;
        assert_eq!((&shown["verdict"], &shown["reason"]), (&json!("rejected"), &hook.body["code"]));
        let errors = if hook.body["errors"].is_null() { json!([]) } else { hook.body["errors"].clone() };
        assert_eq!((&shown["schema"]["errors"], shown["prompt"].is_null()), (&errors, hook.status == 400));
    }
    assert!(server.executions().await.is_empty());
    for payload in [deep(127), many(100_000)] {
        assert_eq!(test(&server, &any, &payload).await.status, 202);
    }
    for status in ["paused", "archived"] {
        let own = format!("/api/v1/agents/{}", any.id);
        server.expect(200, "PATCH", &own, Some(json!({"status": status}))).await;
        let (hook, tried) = (any.post("1").await, test(&server, &any, "1").await);
        assert_eq!((tried.status, &tried.body["detail"]), (403, &hook.body["detail"]));
        assert_eq!((&tried.body["code"], hook.status), (&json!("agent_not_active"), 403));
        let shown = rehearsed(&server, &any, "1").await;
        assert_eq!((&shown["verdict"], &shown["reason"]), (&json!("rejected"), &json!("agent_not_active")));
        assert_eq!(shown["schema"]["valid"], true);
    }
    assert_eq!(server.executions().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_test_says_where() {
    let args = SettingsArgs { max_body_bytes: Some("1024".into()), ..SettingsArgs::default() };
    let server = Server::with(Setup { args, worker: false, ..Setup::default() }).await;
    let agent = server.agent().await;
    let ask =
        async |body: &str| server.ask("POST", &path(&agent), Some(ADMIN_KEY), Some(body.to_owned())).await;
    for (body, status, pointer) in [
        ("{}", 422, json!("/payload")),
        (r#"{"dry_run": true}"#, 422, json!("/payload")),
        (r#"{"payload": 1, "dry_run": "yes"}"#, 422, json!("/dry_run")),
        (r#"{"payload": 1, "agent_version": 2}"#, 422, json!("/agent_version")),
        (r#"{"payload": 1, "tenant_id": "other"}"#, 422, json!("/tenant_id")),
        ("[1]", 422, json!("")),
        ("", 400, Value::Null),
        (r#"{"payload": }"#, 400, Value::Null),
        (r#"{"payload": 1} x"#, 400, Value::Null),
    ] {
        let answer = ask(body).await;
        assert_eq!(
            (answer.status, &answer.body["errors"][0]["pointer"]),
            (status, &pointer),
            "{body}: {}",
            answer.text
        );
    }
    let sized = |bytes: usize| format!(r#"{{"payload":"{}"}}"#, "x".repeat(bytes - 2));
    assert_eq!(ask(&sized(1025)).await.body["code"], "payload_too_large");
    for taken in
        [sized(1024), sized(1023), format!(r#" {{"payload":{}1 , "dry_run":false}}"#, " ".repeat(2000))]
    {
        assert_eq!(ask(&taken).await.status, 202);
    }
    assert_eq!(ask(r#"{"payload":1,"payload":2}"#).await.status, 202, "of two with one name the last counts");
    server
        .expect(
            404,
            "POST",
            &format!("/api/v1/agents/{}/test", uuid::Uuid::now_v7()),
            Some(json!({"payload": 1})),
        )
        .await;
    server.expect(405, "GET", &path(&agent), None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_shows_what_would_go_out_and_does_nothing() {
    let server = Server::start().await;
    let agent = server.agent().await;
    const PAYLOAD: &str = r#"{ "n": 12345678901234567890123, "t": "<payload>\n" }"#;
    let shown = rehearsed(&server, &agent, PAYLOAD).await;
    let again = rehearsed(&server, &agent, PAYLOAD).await;
    assert_ne!(shown["prompt"]["marker"], again["prompt"]["marker"], "as the note says");
    assert!(server.llm.calls().await.is_empty() && server.executions().await.is_empty());
    assert_eq!(actions(&server, &agent).await, ["agent.created"]);
    let mut rest = shown.clone();
    for shown_apart in ["prompt", "schema"] {
        rest.as_object_mut().expect("an object").remove(shown_apart);
    }
    let expected = json!({"dry_run": true, "agent_id": agent.id, "agent_version": 1, "verdict": "accepted", "reason": null,
        "detail": null, "filter": {"configured": false, "matched": true, "error": null}, "model": "gpt-4o-mini", "key_source": "platform", "error": null});
    assert_eq!(rest, expected);
    assert_eq!(shown["schema"], json!({"configured": false, "valid": true, "errors": []}));

    // What then goes out is that, but for the marker.
    server.ended(&test(&server, &agent, PAYLOAD).await.execution_id()).await;
    let [call] = server.llm.bodies().await.try_into().expect("one call");
    let marker = shown["prompt"]["marker"].as_str().expect("a marker");
    let sent = call["messages"].to_string();
    let drawn = sent.split("<payload ").nth(1).and_then(|rest| rest.get(..32)).expect("a marker");
    assert_eq!(sent.replace(drawn, marker), shown["prompt"]["messages"].to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_says_who_would_pay_and_why_nobody() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let tenant = async |change: Value| {
        server.expect(200, "PATCH", "/api/v1/tenants/acme", Some(change)).await;
        let shown = rehearsed(&server, &agent, "1").await;
        assert_eq!(shown["verdict"], "accepted", "a hook would be taken, and its run would end so: {shown}");
        (shown["key_source"].clone(), shown["error"]["code"].clone(), shown["error"]["message"].to_string())
    };
    let (payer, code, _) = tenant(json!({})).await;
    assert_eq!((payer, code), (json!("platform"), Value::Null));
    let (payer, code, message) = tenant(json!({"key_policy": "tenant_only"})).await;
    assert_eq!((payer, code), (json!("none"), json!("no_key")));
    assert!(message.contains("set-llm-key acme"), "{message}");
    server.set_llm_key("acme", "sk-of-the-tenant-0123456789").await;
    let (payer, code, _) = tenant(json!({})).await;
    assert_eq!((payer, code), (json!("tenant"), Value::Null));
    let (payer, _, _) = tenant(json!({"key_policy": "platform_only"})).await;
    assert_eq!(payer, "platform");
    let (payer, code, _) = tenant(json!({"allowed_models": ["other"]})).await;
    assert_eq!((payer, code), (json!("none"), json!("model_not_allowed")));
    assert!(server.llm.calls().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_write_may_test() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    server.tenant(json!({"tenant_id": "other"})).await;
    let mut stored = BTreeSet::new();
    for (role, tenant_id, status) in [
        ("operator", "acme", 202),
        ("viewer", "acme", 403),
        ("operator", "other", 404),
        ("viewer", "other", 404),
    ] {
        let key = server.api_key(role, tenant_id).await;
        for body in [r#"{"payload":1}"#, r#"{"payload":1,"dry_run":true}"#, "no JSON"] {
            let answer = server.ask("POST", &path(&agent), Some(&key), Some(body.to_owned())).await;
            let expected = match (status, body) {
                (202, "no JSON") => 400,
                (202, body) if body.contains("dry_run") => 200,
                _ => status,
            };
            assert_eq!(answer.status, expected, "{role} of {tenant_id}: {body}: {}", answer.text);
            stored.extend(answer.body["execution_id"].as_str().map(ToOwned::to_owned));
        }
    }
    assert_eq!((stored.len(), server.executions().await.len()), (1, 1));
}
