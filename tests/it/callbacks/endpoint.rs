//! The endpoint that an agent's callbacks are deliveries of: made with the first hosts, its secret shown once.

use serde_json::{Value, json};

use super::{calling, path};
use crate::harness::Server;

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_is_made_with_the_first_hosts_and_shown_once() {
    let server = Server::without_worker().await;
    let hosts = json!({"trigger": {"type": "webhook", "callback_hosts": ["example.com"]}});
    let new =
        json!({"tenant_id": "acme", "name": "n", "llm_config": {"model": "m"}, "trigger": hosts["trigger"]});
    server.tenant(json!({"tenant_id": "acme"})).await;
    let made = server.expect(201, "POST", "/api/v1/agents", Some(new)).await;
    let secret = made["callback_secret"].as_str().expect("a secret");
    assert!(secret.starts_with("whsec_") && secret.len() == 50, "32 bytes in base64");
    let at = format!("/api/v1/agents/{}", made["agent_id"].as_str().expect("an id"));
    assert_eq!(server.get(&at).await.get("callback_secret"), None);
    // Later hosts, none, and hosts again keep it.
    for hosts in [json!(["other.example"]), Value::Null, json!(["example.com"])] {
        let change = json!({"trigger": {"callback_hosts": hosts}});
        let changed = server.expect(200, "PATCH", &at, Some(change)).await;
        assert_eq!(changed.get("callback_secret"), None, "{changed}");
    }
    // An agent that gets its first hosts by a change.
    let (agent, first) = calling(&server, json!(["example.com"])).await;
    assert!(
        first.as_str().is_some_and(|text| text.starts_with("whsec_")) && first != made["callback_secret"]
    );
    assert_eq!(server.get(&path(&agent)).await.get("callback_secret"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_set_the_first_hosts_at_once_one_is_told_the_secret() {
    let server = Server::without_worker().await;
    for _ in 0..5 {
        let agent = server.agent().await;
        let change = || {
            let change = json!({"trigger": {"callback_hosts": ["example.com"]}});
            let (at, server) = (path(&agent), &server);
            async move { server.expect(200, "PATCH", &at, Some(change)).await }
        };
        let answers = tokio::join!(change(), change(), change());
        let told =
            [answers.0, answers.1, answers.2].iter().filter(|a| a["callback_secret"].is_string()).count();
        assert_eq!(told, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_has_leaked_is_replaced() {
    let server = Server::without_worker().await;
    let (agent, first) = calling(&server, json!(["example.com"])).await;
    let rotate = format!("{}/callback-secret/rotate", path(&agent));
    let rotated = server.expect(200, "POST", &rotate, Some(json!({"overlap_seconds": 0}))).await;
    let second = rotated["callback_secret"].as_str().expect("a secret");
    assert!(second.starts_with("whsec_") && *second != first);
    let webhook_id = rotated["webhook_id"].as_str().expect("an id");
    let endpoint = server.get(&format!("/api/v1/webhooks/{webhook_id}")).await;
    assert_eq!((&endpoint["kind"], &endpoint["agent_id"]), (&json!("callback"), &json!(agent.id)));
    let log = server.get(&format!("/api/v1/audit?subject={webhook_id}")).await;
    assert_eq!(log["audit"][0]["action"], "signing_secret.rotated");
    assert_eq!(log["audit"][0]["detail"]["agent_id"], json!(agent.id));
    assert!(!log.to_string().contains("whsec_"), "{log}");
    for (overlap, status) in [(2_592_001, 422), (2_592_000, 200)] {
        server.expect(status, "POST", &rotate, Some(json!({ "overlap_seconds": overlap }))).await;
    }
    server.expect(422, "POST", &rotate, Some(json!({"secret": "0123456789abcdef"}))).await;
    // so many sign at once
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(server.api("POST", &rotate, None).await.0);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 2, "{statuses:?}");
    let silent = server.agent().await;
    let refused =
        server.expect(409, "POST", &format!("{}/callback-secret/rotate", path(&silent)), None).await;
    assert!(refused["detail"].as_str().is_some_and(|text| text.contains("callback_hosts")), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_its_agents_and_its_tenants_alone() {
    let server = Server::without_worker().await;
    let (agent, _) = calling(&server, json!(["example.com"])).await;
    server.tenant(json!({"tenant_id": "globex"})).await;
    let stranger = server.api_key("operator", "globex").await;
    let viewer = server.api_key("viewer", "acme").await;
    let rotate = format!("{}/callback-secret/rotate", path(&agent));
    assert_eq!(server.ask("POST", &rotate, Some(&stranger), None).await.status, 404);
    assert_eq!(server.ask("POST", &rotate, Some(&viewer), None).await.status, 403);
    let webhook = server.expect(200, "POST", &rotate, None).await["webhook_id"].clone();
    let at = format!("/api/v1/webhooks/{}", webhook.as_str().expect("an id"));
    assert_eq!(server.ask("GET", &at, Some(&stranger), None).await.status, 404);
    assert_eq!(
        server.get("/api/v1/webhooks").await["webhooks"],
        json!([]),
        "it is no endpoint that somebody made"
    );
    for (method, path) in
        [("DELETE", at.clone()), ("POST", format!("{at}/disable")), ("POST", format!("{at}/test"))]
    {
        server.expect(409, method, &path, None).await;
    }
    server.expect(204, "DELETE", &path(&agent), None).await;
    server.expect(404, "GET", &at, None).await;
    server.expect(404, "POST", &rotate, None).await;
}
