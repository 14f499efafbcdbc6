//! Changing an agent: what a PATCH names changes, the rest stays, and every change is a version.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Agent, Server};

async fn patch(server: &Server, agent: &Agent, change: Value) -> Value {
    server.expect(200, "PATCH", &format!("/api/v1/agents/{}", agent.id), Some(change)).await
}

/// The agent as it is, without what every change changes.
async fn settled(server: &Server, agent: &Agent) -> Value {
    let mut shown = server.get(&format!("/api/v1/agents/{}", agent.id)).await;
    for field in ["version", "updated_at"] {
        shown.as_object_mut().expect("an object").remove(field);
    }
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_named_stays() {
    let server = Server::start().await;
    let agent = server
        .agent_with(json!({
            "llm_config": {"model": "gpt-4o", "temperature": 0.2, "max_tokens": 512},
            "trigger": {"type": "webhook", "payload_schema": {"type": "object", "required": ["a"]}, "dedupe": {"window_seconds": 60}},
            "retry": {"max_attempts": 7, "initial_delay_ms": 5}, "timeout_seconds": 9,
        }))
        .await;
    let mut expected = settled(&server, &agent).await;
    let mut changes = |change: Value, pointer: &str, value: Value| {
        if let Some(place) = expected.pointer_mut(pointer) {
            *place = value;
        } else {
            let (object, field) = pointer.rsplit_once('/').expect("a pointer");
            expected.pointer_mut(object).expect("an object")[field] = value;
        }
        (change, expected.clone())
    };
    // Fields of llm_config, retry and trigger one by one; a schema and dedupe rules whole.
    let steps = [
        changes(json!({"name": "New"}), "/name", json!("New")),
        changes(json!({"llm_config": {"temperature": 1.5}}), "/llm_config/temperature", json!(1.5)),
        changes(json!({"llm_config": {"seed": 7}}), "/llm_config/seed", json!(7)),
        changes(json!({"retry": {"max_attempts": 2}}), "/retry/max_attempts", json!(2)),
        changes(
            json!({"trigger": {"payload_schema": {"minProperties": 1}}}),
            "/trigger/payload_schema",
            json!({"minProperties": 1}),
        ),
        changes(
            json!({"trigger": {"dedupe": {"by": "body"}}}),
            "/trigger/dedupe",
            json!({"by": "body", "window_seconds": 86_400, "identical_seconds": 300}),
        ),
        changes(json!({"status": "paused"}), "/status", json!("paused")),
        // null is the default again.
        changes(json!({"status": null}), "/status", json!("active")),
        changes(json!({"trigger": {"payload_schema": null}}), "/trigger/payload_schema", json!(null)),
        changes(json!({"retry": {"initial_delay_ms": null}}), "/retry/initial_delay_ms", json!(1000)),
        changes(json!({"timeout_seconds": null}), "/timeout_seconds", json!(120)),
        changes(json!({"system_prompt": null}), "/system_prompt", json!("")),
    ];
    for (step, (change, expected)) in steps.into_iter().enumerate() {
        let shown = patch(&server, &agent, change.clone()).await;
        assert_eq!(shown["version"], step + 2, "{change}");
        assert!(shown["webhook_secret"].is_null(), "nobody made one: {shown}");
        assert_eq!(settled(&server, &agent).await, expected, "{change}");
    }
    let shown =
        patch(&server, &agent, json!({"llm_config": {"temperature": null, "seed": null}, "retry": null}))
            .await;
    assert_eq!(shown["llm_config"], json!({"model": "gpt-4o", "max_tokens": 512}));
    assert_eq!(shown["retry"]["max_attempts"], 3);
    let answer = agent.post("{}").await;
    assert_eq!(answer.status, 202, "its secret has lived through all of it: {}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_refused_changes_nothing() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let path = format!("/api/v1/agents/{}", agent.id);
    let before = server.get(&path).await;
    for (change, pointer) in [
        (json!({"name": null}), "/name"),
        (json!({"name": ""}), "/name"),
        (json!({"name": 5}), "/name"),
        (json!({"llm_config": null}), "/llm_config"),
        (json!({"llm_config": {"model": null}}), "/llm_config/model"),
        (json!({"llm_config": {"model": ""}}), "/llm_config/model"),
        (json!({"llm_config": {"temperature": 3}}), "/llm_config/temperature"),
        (json!({"llm_config": ["gpt-4o"]}), "/llm_config"),
        (json!({"retry": [5]}), "/retry"),
        (json!({"trigger": ["webhook"]}), "/trigger"),
        (json!({"trigger": {"dedupe": ["body"]}}), "/trigger/dedupe"),
        (json!({"tenant_id": "other"}), "/tenant_id"),
        (json!({"agent_id": agent.id}), "/agent_id"),
        (json!({"version": 9}), "/version"),
        (json!({"webhook_url": "http://evil"}), "/webhook_url"),
        (json!({"trigger": {"type": null}}), "/trigger/type"),
        (json!({"trigger": {"filter": "x"}}), "/trigger/filter"),
        (json!({"trigger": {"scheme": "none"}}), "/trigger/scheme"),
        (json!({"trigger": {"dedupe": {"window_seconds": 0}}}), "/trigger/dedupe/window_seconds"),
        (json!({"trigger": {"payload_schema": {"type": "nonsense"}}}), "/trigger/payload_schema/type"),
        (json!({"trigger": {"secret": 7}}), "/trigger/secret"),
        (json!({"retry": {"max_attempts": 0}}), "/retry/max_attempts"),
        (json!({"retry": {"max_attempts": 21}}), "/retry/max_attempts"),
        (json!({"timeout_seconds": 0}), "/timeout_seconds"),
        (json!({"timeout_seconds": 3601}), "/timeout_seconds"),
        (json!({"status": "asleep"}), "/status"),
    ] {
        let answer = server.expect(422, "PATCH", &path, Some(change.clone())).await;
        assert_eq!(answer["errors"][0]["pointer"], pointer, "{change}: {answer}");
        assert_eq!(server.get(&path).await, before, "{change}");
    }
    server.expect(422, "PATCH", &path, Some(json!([]))).await;
    assert_eq!(agent.post("{}").await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_changes_at_once_are_twenty_versions_and_none_is_lost() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let fields = ["temperature", "top_p", "presence_penalty", "frequency_penalty", "seed"];
    let change = |n: usize| match fields.get(n) {
        Some(field) => json!({"llm_config": {*field: 1}}),
        None => json!({"system_prompt": format!("prompt {n}")}),
    };
    let patches = futures_util::future::join_all((0..20).map(|n| patch(&server, &agent, change(n)))).await;
    let versions: BTreeSet<_> =
        patches.iter().map(|shown| shown["version"].as_u64().expect("a number")).collect();
    assert_eq!(versions, (2..=21).collect());
    let shown = server.get(&format!("/api/v1/agents/{}", agent.id)).await;
    assert_eq!(shown["version"], 21);
    for field in fields {
        assert_eq!(shown["llm_config"][field].as_f64(), Some(1.0), "{shown}");
    }
    assert_eq!(agent.run(&server, "{}").await["agent_version"], 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_comes_and_goes() {
    let server = Server::start().await;
    let mut agent = server.agent_with(json!({"trigger": null})).await;
    assert_eq!((agent.secret.as_str(), agent.webhook_url.as_str()), ("", ""));
    let path = format!("/api/v1/agents/{}", agent.id);
    assert_eq!(server.get(&format!("{path}/webhook-secret")).await, json!({"secrets": []}));

    let added = patch(&server, &agent, json!({"trigger": {"type": "webhook"}})).await;
    agent.secret = added["webhook_secret"].as_str().expect("a secret").to_owned();
    agent.webhook_url = added["webhook_url"].as_str().expect("a URL").to_owned();
    assert!(agent.webhook_url.ends_with(&format!("/webhook/agents/{}/webhook", agent.id)));
    assert!(server.get(&path).await["webhook_secret"].is_null(), "it is shown once");
    assert_eq!(agent.post("1").await.status, 202);

    patch(&server, &agent, json!({"trigger": null})).await;
    let refused = agent.post("2").await;
    assert_eq!((refused.status, refused.text.as_str()), (401, r#"{"error":"Invalid signature"}"#));
    assert_eq!(server.get(&path).await["webhook_url"], json!(null));

    let again = patch(&server, &agent, json!({"trigger": {"type": "webhook"}})).await;
    assert_eq!(agent.post("3").await.status, 401, "the old secret does not come back");
    agent.secret = again["webhook_secret"].as_str().expect("a new one").to_owned();
    assert_eq!(agent.post("4").await.status, 202);
    server.expect(422, "PATCH", &path, Some(json!({"trigger": {"secret": "short"}}))).await;
    assert_eq!(agent.post("5").await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_not_active_tells_only_those_who_can_sign() {
    let server = Server::start().await;
    let agent = server.agent().await;
    for status in ["paused", "archived"] {
        patch(&server, &agent, json!({ "status": status })).await;
        let answer = agent.post("{}").await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (403, &json!("agent_not_active")),
            "{}",
            answer.text
        );
        assert_eq!(agent.post_raw(b"{}", &[("x-hub-signature-256", "00")]).await.status, 401);
    }
    patch(&server, &agent, json!({"status": "active"})).await;
    assert_eq!(agent.post("{}").await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_agent_is_gone_and_its_history_is_not() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let trace = agent.run(&server, "{}").await;
    let path = format!("/api/v1/agents/{}", agent.id);
    server.expect(204, "DELETE", &path, None).await;
    for (method, path, body) in [
        ("GET", path.clone(), None),
        ("PATCH", path.clone(), Some(json!({"name": "x"}))),
        ("DELETE", path.clone(), None),
        ("GET", format!("{path}/webhook-secret"), None),
        ("GET", format!("{path}/webhook-secret?reveal=true"), None),
    ] {
        server.expect(404, method, &path, body).await;
    }
    assert_eq!(agent.post("[]").await.text, r#"{"error":"Invalid signature"}"#);
    assert_eq!(server.get("/api/v1/agents").await["agents"], json!([]));
    assert_eq!(server.trace(trace["execution_id"].as_str().expect("an id")).await, trace);
    assert_eq!(server.executions().await.len(), 1);
}
