//! Schemathesis makes of the API's document some thousands of requests, right ones and wrong ones, sends them to a
//! server that means it, and holds every answer against the document: nothing that is not documented, and no 5xx.
//!
//! `tests/schemathesis/schemathesis.toml` says which of its checks are off, and why. On SQLite only: what is checked is
//! the same on both, and it takes a while.

use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::{DOCUMENT, Server, env};

/// Lets it loose with a key of this role.
async fn nothing_undocumented(role: &str) {
    if env("AGENTHOOK_TEST_DB").is_some_and(|database| database != "sqlite") {
        return;
    }
    let program = env("AGENTHOOK_TEST_SCHEMATHESIS")
        .expect("AGENTHOOK_TEST_SCHEMATHESIS is not set: run ./scripts/test.sh, which installs it");
    let server = Server::start().await;
    let agent = server.agent().await;
    let other = server.agent().await;
    let execution = agent.accepted("{}").await;
    server.ended(&execution).await;
    let endpoint = json!({"tenant_id": "acme", "url": "http://127.0.0.1:9/", "events": ["custom.seen"]});
    let webhook = server.expect(201, "POST", "/api/v1/webhooks", Some(endpoint)).await;
    let event = json!({"tenant_id": "acme", "event_type": "custom.test", "data": {}});
    let event = server.expect(202, "POST", "/api/v1/events", Some(event)).await;
    let delivery = server.dispatched(text_of(&event["event_id"]), text_of(&webhook["webhook_id"])).await;
    let tenant_id = (role != "admin").then_some("acme");
    let asked = json!({"role": role, "tenant_id": tenant_id, "name": role});
    let key = server.expect(201, "POST", "/api/v1/keys", Some(asked)).await;
    let directory = server.database.dir.path();
    let document = server.get("/openapi.json").await.to_string();
    std::fs::write(directory.join("openapi.json"), document).expect("a file");
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis");
    let tried = Command::new(program)
        .args(["--config-file", &format!("{files}/schemathesis.toml"), "run", "--no-color"])
        // Not by its address: that operation would be left out.
        .args(["openapi.json", "--url", &server.url])
        .current_dir(directory)
        .env("AGENTHOOK_API_KEY", text_of(&key["key"]))
        .env("AGENTHOOK_TEST_KEY_ID", text_of(&key["key_id"]))
        .env("AGENTHOOK_TEST_HOOKS", format!("{files}/hooks.py"))
        .env("AGENTHOOK_TEST_AGENT", &agent.id)
        .env("AGENTHOOK_TEST_OTHER_AGENT", &other.id)
        .env("AGENTHOOK_TEST_EXECUTION", &execution)
        .env("AGENTHOOK_TEST_WEBHOOK", text_of(&webhook["webhook_id"]))
        .env("AGENTHOOK_TEST_DELIVERY", delivery)
        .env("AGENTHOOK_TEST_WEBHOOK_SECRET", &agent.secret)
        .env("NO_PROXY", "*")
        .kill_on_drop(true)
        .output()
        .await
        .expect("it runs");
    let said = String::from_utf8_lossy(&tried.stdout);
    let errors = String::from_utf8_lossy(&tried.stderr);
    assert!(tried.status.success(), "{}: {said}\n{errors}", tried.status);
    let tested = format!("Tested: {}", operations());
    assert!(said.contains(&tested), "not everything was tried ({tested}): {said}");
    assert!(!said.contains("429 Too Many Requests"), "its key was not valid to the end: {said}");
}

fn text_of(value: &Value) -> &str {
    value.as_str().expect("text")
}

/// How many operations the document has.
fn operations() -> usize {
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    let of = |item: &Value| item.as_object().expect("operations").len();
    // Streams do not end: they are left out.
    paths.iter().filter(|(path, _)| !path.ends_with("/stream")).map(|(_, item)| of(item)).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_gets_nothing_that_is_not_documented() {
    nothing_undocumented("admin").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_gets_nothing_that_is_not_documented() {
    nothing_undocumented("viewer").await;
}
