//! What is told of agents: that they are there, changed and gone, and nothing that they say.

use serde_json::{Value, json};

use crate::harness::Server;

#[tokio::test(flavor = "multi_thread")]
async fn each_change_of_an_agent_is_told_once_and_says_nothing_secret() {
    let server = Server::start().await;
    let prompt = "planted in the prompt";
    let trigger = json!({"type": "webhook", "payload_schema": {"title": "planted in the schema"}});
    let agent = server.agent_with(json!({"system_prompt": prompt, "trigger": trigger})).await;
    let path = format!("/api/v1/agents/{}", agent.id);
    let data = |version: i32, status: &str, changed: Option<Value>| {
        let mut data = json!({
            "agent_id": agent.id, "tenant_id": "acme", "name": "Triage", "version": version, "status": status
        });
        if let Some(changed) = changed {
            data["changed"] = changed;
        }
        data
    };
    let mut expected = vec![("agent.created".to_owned(), data(1, "active", None))];
    assert_eq!(server.database.told(&agent.id).await, expected);

    let change = json!({"status": "paused", "system_prompt": "planted anew"});
    server.expect(200, "PATCH", &path, Some(change)).await;
    expected.push(("agent.updated".to_owned(), data(2, "paused", Some(json!(["status", "system_prompt"])))));
    let rotated = server.expect(200, "POST", &format!("{path}/webhook-secret/rotate"), None).await;
    let secret = Some(json!(["webhook_secret"]));
    expected.push(("agent.updated".to_owned(), data(3, "paused", secret.clone())));
    let id = rotated["secret_id"].as_str().expect("an id");
    let further = server.expect(200, "POST", &format!("{path}/webhook-secret/rotate"), None).await;
    expected.push(("agent.updated".to_owned(), data(4, "paused", secret.clone())));
    server.expect(204, "DELETE", &format!("{path}/webhook-secret/{id}"), None).await;
    expected.push(("agent.updated".to_owned(), data(5, "paused", secret)));
    // What was refused is not told.
    let last = format!("{path}/webhook-secret/{id}");
    server.expect(404, "DELETE", &last, None).await;
    server.expect(422, "PATCH", &path, Some(json!({"name": ""}))).await;
    server.expect(204, "DELETE", &path, None).await;
    expected.push(("agent.deleted".to_owned(), data(5, "paused", None)));
    server.expect(404, "DELETE", &path, None).await;

    let told = server.database.told(&agent.id).await;
    assert_eq!(told, expected);
    let text = json!(told).to_string();
    let secret = further["webhook_secret"].as_str().expect("a secret");
    assert!(!text.contains("planted") && !text.contains(secret), "{text}");
}
