//! Endpoints: made, shown, changed and deleted.

mod actions;
mod filter;
mod limit;
mod model_ready;
mod platform;
mod settings;
mod stats;
mod trial;
mod two_processes;

use serde_json::{Value, json};

use crate::harness::Server;

/// Where endpoints are.
pub const WEBHOOKS: &str = "/api/v1/webhooks";

/// A URL that may be saved: nobody needs to listen there.
pub const URL: &str = "http://127.0.0.1:9/hook";

/// Makes a webhook of tenant `acme`, which must be there.
pub async fn made(server: &Server, fields: Value) -> Value {
    let mut body = json!({"tenant_id": "acme", "url": URL, "events": ["execution.*"]});
    for (name, value) in fields.as_object().expect("fields") {
        body[name] = value.clone();
    }
    server.expect(201, "POST", WEBHOOKS, Some(body)).await
}

/// The address of one.
pub fn path(webhook: &Value) -> String {
    format!("{WEBHOOKS}/{}", webhook["webhook_id"].as_str().expect("an id"))
}

/// A server with tenant `acme`.
pub async fn server() -> Server {
    let server = Server::without_worker().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_made_shown_changed_and_deleted() {
    let server = server().await;
    let new = json!({"tenant_id": "acme", "url": URL, "events": ["execution.completed", "model.*", "*"]});
    let new = server.expect(201, "POST", WEBHOOKS, Some(new)).await;
    let id = new["webhook_id"].as_str().expect("an id");
    assert!(id.starts_with("wh_") && id.len() == 35, "{id}");
    assert!(new["secret_key"].as_str().expect("a secret").starts_with("whsec_"));
    assert_eq!(new.get("standard_webhooks_secret"), None, "it is in that form");
    for (field, value) in [
        ("url", json!(URL)),
        ("events", json!(["execution.completed", "model.*", "*"])),
        ("status", json!("active")),
        ("profile", json!("standard")),
        ("retry", json!("standard")),
        ("timeout_seconds", json!(30)),
        ("disable_on_exhausted", json!(true)),
        ("filter", Value::Null),
        ("headers", json!({})),
        ("kind", json!("webhook")),
        ("tenant_id", json!("acme")),
        ("version", json!(1)),
    ] {
        assert_eq!(new[field], value, "{field}");
    }
    let shown = server.get(&path(&new)).await;
    assert_eq!(shown.get("secret_key"), None, "it was shown once");
    let zero = json!({"delivered": 0, "failed": 0, "success_rate": null, "last_delivery_at": null,
        "last_failure_at": null, "failures_in_a_row": 0, "circuit": "closed", "circuit_open_until": null});
    assert_eq!(shown["stats"], zero);
    let changed = json!({"retry": "fast", "description": "for the ticket system"});
    let changed = server.expect(200, "PATCH", &path(&new), Some(changed)).await;
    assert_eq!((&changed["retry"], &changed["timeout_seconds"]), (&json!("fast"), &json!(10)));
    assert_eq!((&changed["disable_on_exhausted"], &changed["version"]), (&json!(false), &json!(2)));
    let replaced = json!({"url": "http://127.0.0.1:9/other", "events": ["query.created"]});
    let replaced = server.expect(200, "PUT", &path(&new), Some(replaced)).await;
    assert_eq!((&replaced["retry"], &replaced["description"]), (&json!("standard"), &Value::Null));
    assert_eq!(replaced["url"], "http://127.0.0.1:9/other");
    let list = server.get("/api/v1/webhooks?tenant_id=acme").await;
    assert_eq!(list, json!({"webhooks": [replaced], "next_cursor": null}));
    server.expect(204, "DELETE", &path(&new), None).await;
    for method in ["GET", "DELETE"] {
        server.expect(404, method, &path(&new), None).await;
    }
    assert_eq!(server.get("/api/v1/webhooks/").await["webhooks"], json!([]));
    let log = server.get(&format!("/api/v1/audit?subject={id}")).await;
    let actions: Vec<_> =
        log["audit"].as_array().expect("a list").iter().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["webhook.deleted", "webhook.updated", "webhook.updated", "webhook.created"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_back_in_time_and_end() {
    let server = server().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(made(&server, json!({})).await["webhook_id"].clone());
    }
    ids.reverse();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/api/v1/webhooks?limit=2{cursor}")).await;
        let webhooks = page["webhooks"].as_array().expect("a list");
        seen.extend(webhooks.iter().map(|webhook| webhook["webhook_id"].clone()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_no_more_of_a_url_than_its_host() {
    let server = server().await;
    let webhook = made(&server, json!({"url": "http://127.0.0.1:9/services/T0/planted?a=b"})).await;
    for (role, url) in
        [("viewer", "http://127.0.0.1:9/***"), ("operator", "http://127.0.0.1:9/services/T0/planted?a=***")]
    {
        let key = server.api_key(role, "acme").await;
        let shown = server.ask("GET", &path(&webhook), Some(&key), None).await.body;
        assert_eq!(shown["url"], url, "{role}");
        let listed = server.ask("GET", WEBHOOKS, Some(&key), None).await.body;
        assert_eq!(listed["webhooks"], json!([shown]));
    }
}
