//! An agent's versions: all there, as they were, for those who may see the agent.

use serde_json::{Value, json};

use crate::harness::Server;

/// What a version says, without what only it has.
fn said(shown: &Value) -> Value {
    let mut said = shown.clone();
    for field in ["version", "created_at", "updated_at", "tenant_id", "webhook_url"] {
        said.as_object_mut().expect("an object").remove(field);
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_is_as_the_agent_was_by_then() {
    let server = Server::with_manual_clock().await;
    let agent = server.agent().await;
    let path = format!("/api/v1/agents/{}", agent.id);
    let mut history = vec![server.get(&path).await];
    for change in [
        json!({"system_prompt": " ä\r\n", "llm_config": {"temperature": 0.5}}),
        json!({"trigger": {"payload_schema": {"type": "object"}}}),
        json!({"trigger": null, "status": "archived"}),
    ] {
        server.clock.advance(std::time::Duration::from_secs(60));
        history.push(server.expect(200, "PATCH", &path, Some(change)).await);
    }
    history.reverse();

    let listed = server.get(&format!("{path}/versions")).await;
    let versions = listed["versions"].as_array().expect("a list");
    assert_eq!((versions.len(), &listed["next_cursor"]), (4, &json!(null)));
    for (version, then) in versions.iter().zip(&history) {
        assert_eq!(said(version), said(then), "{version}");
        assert_eq!((&version["version"], &version["created_at"]), (&then["version"], &then["updated_at"]));
        assert_eq!(server.get(&format!("{path}/versions/{}", version["version"])).await, *version);
    }
    for limit in [19, 20] {
        assert_eq!(server.get(&format!("{path}/versions?limit={limit}")).await, listed);
    }
    let first = server.get(&format!("{path}/versions/?limit=3")).await;
    let next = server
        .get(&format!("{path}/versions?limit=3&cursor={}", first["next_cursor"].as_str().expect("more")))
        .await;
    let pages = [&first, &next].map(|page| page["versions"].as_array().expect("a list").clone());
    assert_eq!((pages.concat(), &next["next_cursor"]), (versions.clone(), &json!(null)));

    for none in ["0", "5", "-1", "2147483647", "2147483648", "x", "1.0"] {
        server.expect(404, "GET", &format!("{path}/versions/{none}"), None).await;
    }
    for wrong in ["limit=0", "limit=21", "cursor=x", "page=1"] {
        server.expect(422, "GET", &format!("{path}/versions?{wrong}"), None).await;
    }
    server.expect(404, "GET", &format!("/api/v1/agents/{}/versions", uuid::Uuid::now_v7()), None).await;
    server.expect(204, "DELETE", &path, None).await;
    for gone in ["versions", "versions/1"] {
        server.expect(404, "GET", &format!("{path}/{gone}"), None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_says_who_made_which_version() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let path = format!("/api/v1/agents/{}", agent.id);
    let operator = server.api_key("operator", "acme").await;
    let rotated = server.expect(200, "POST", &format!("{path}/webhook-secret/rotate"), None).await;
    let patch = server.ask("PATCH", &path, Some(&operator), Some(json!({"name": "new"}).to_string())).await;
    assert_eq!(patch.status, 200, "{}", patch.text);
    let secret = rotated["secret_id"].as_str().expect("an id");
    let revoke =
        server.ask("DELETE", &format!("{path}/webhook-secret/{secret}"), Some(&operator), None).await;
    assert_eq!(revoke.status, 204, "{}", revoke.text);
    let log = server.get(&format!("/api/v1/audit?subject={}", agent.id)).await;
    let told = log["audit"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| json!([entry["detail"]["version"], entry["action"], entry["actor"]["name"]]));
    let told: Vec<_> = told.collect();
    let expected = [
        json!([4, "webhook_secret.revoked", "operator of acme"]),
        json!([3, "agent.updated", "operator of acme"]),
        json!([2, "webhook_secret.rotated", "AGENTHOOK_ADMIN_KEY"]),
        json!([null, "agent.created", "AGENTHOOK_ADMIN_KEY"]),
    ];
    assert_eq!(told, expected);
}
