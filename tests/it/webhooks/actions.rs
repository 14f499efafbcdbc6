//! What is done to an endpoint: disabled, enabled, tried, and its secret exchanged.

use serde_json::{Value, json};

use super::{WEBHOOKS, made, path, server};
use crate::harness::Server;

/// Types of all events of the ledger, in order of the alphabet.
async fn events(server: &Server) -> Vec<String> {
    let contents = server.database.contents().await;
    let text = String::from_utf8_lossy(&contents["events.event_type"]).into_owned();
    let mut types: Vec<_> = text.lines().map(ToOwned::to_owned).collect();
    types.sort();
    types
}

async fn post(server: &Server, status: u16, webhook: &Value, action: &str, body: Value) -> Value {
    let body = (!body.is_null()).then_some(body);
    server.expect(status, "POST", &format!("{}/{action}", path(webhook)), body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_disabled_by_hand_and_enabled_again() {
    let server = server().await;
    let webhook = made(&server, json!({})).await;
    let disabled = post(&server, 200, &webhook, "disable", Value::Null).await;
    assert_eq!((&disabled["status"], &disabled["disabled_reason"]), (&json!("disabled"), &json!("by_hand")));
    assert_eq!(disabled["version"], 2);
    assert_eq!(events(&server).await, ["endpoint.disabled"]);
    let again = post(&server, 200, &webhook, "disable", Value::Null).await;
    assert_eq!(again["version"], 2, "it is so already");
    assert_eq!(events(&server).await.len(), 1, "and nothing is told");
    let patched = json!({"description": "still off"});
    let patched = server.expect(200, "PATCH", &path(&webhook), Some(patched)).await;
    assert_eq!(patched["status"], "disabled", "a change of something else does not enable it");
    let refused = post(&server, 409, &webhook, "test", Value::Null).await;
    assert!(refused["detail"].as_str().is_some_and(|why| why.contains("enable it first")), "{refused}");
    let enabled = post(&server, 200, &webhook, "enable", Value::Null).await;
    assert_eq!((&enabled["status"], &enabled["disabled_reason"]), (&json!("active"), &Value::Null));
    assert_eq!(server.get(&path(&webhook)).await["status"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_is_is_looked_at_only_when_that_changes() {
    let server = server().await;
    let webhook = made(&server, json!({"url": "https://nowhere.invalid/a"})).await;
    assert!(webhook["warnings"].is_array(), "its name does not resolve: {webhook}");
    let change = async |fields: Value| {
        server.expect(200, "PATCH", &path(&webhook), Some(fields)).await["warnings"].clone()
    };
    assert_eq!(change(json!({"description": "another"})).await, Value::Null);
    assert!(change(json!({"url": "https://nowhere.invalid/b"})).await.is_array());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_exchanged_and_five_sign_at_most() {
    let server = server().await;
    let webhook = made(&server, json!({"secret": "the-first-secret-of-all"})).await;
    assert_eq!(webhook["secret_key"], "the-first-secret-of-all");
    assert!(webhook["standard_webhooks_secret"].as_str().expect("a text").starts_with("whsec_"));
    let live = async || {
        let id = webhook["webhook_id"].as_str().expect("an id").parse().expect("an id");
        let now = server.clock.now();
        let secrets = server.app.store.signing_secrets(id).await.expect("readable");
        secrets.into_iter().filter(|secret| secret.expires_at.is_none_or(|end| now < end)).count()
    };
    let rotate = async |status, body| post(&server, status, &webhook, "secret/rotate", body).await;
    for expected in 2..=5 {
        let rotated = rotate(200, Value::Null).await;
        assert!(rotated["secret_key"].as_str().expect("a secret").starts_with("whsec_"), "{rotated}");
        assert_eq!(live().await, expected);
    }
    let earlier = json!({"secret": "the-first-secret-of-all", "overlap_seconds": 0});
    let refused = rotate(422, earlier).await;
    assert_eq!(refused["errors"][0]["pointer"], "/secret", "it signs already, though it is not the newest");
    assert!(refused.to_string().contains("PATCH the webhook"), "{refused}");
    rotate(409, json!({})).await;
    assert_eq!(live().await, 5, "nothing was lost by it");
    let given = json!({"overlap_seconds": 0, "secret": "0123456789abcdef"});
    assert_eq!(rotate(200, given).await["secret_key"], "0123456789abcdef");
    assert_eq!(live().await, 1, "0 ends all others at once");
    rotate(422, json!({"secret": "0123456789abcdef"})).await;
    let again = rotate(200, json!({"secret": "the-first-secret-of-all", "overlap_seconds": 0})).await;
    assert_eq!(again["secret_key"], "the-first-secret-of-all", "one that has ended may come back");
    for (body, pointer) in [
        (json!({"overlap_seconds": 2_592_001}), "/overlap_seconds"),
        (json!({"overlap_seconds": -1}), "/overlap_seconds"),
        (json!({"secret": "0123456789abcde"}), "/secret"),
    ] {
        assert_eq!(rotate(422, body).await["errors"][0]["pointer"], pointer);
    }
    rotate(200, json!({"overlap_seconds": 2_592_000})).await;
    let patched = json!({"secret": "a-secret-that-replaces"});
    let patched = server.expect(200, "PATCH", &path(&webhook), Some(patched)).await;
    assert_eq!((live().await, &patched["secret_key"]), (1, &json!("a-secret-that-replaces")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_is_an_event_for_this_endpoint_alone() {
    let server = server().await;
    let webhook = made(&server, json!({"events": ["query.created"]})).await;
    let tried = post(&server, 202, &webhook, "test", Value::Null).await;
    assert!(tried["event_id"].as_str().expect("an id").starts_with("evt_"));
    post(&server, 202, &webhook, "test", json!({"event_type": "optimization.completed"})).await;
    let picky = made(&server, json!({"profile": "hokusai", "events": ["model.registered"]})).await;
    post(&server, 202, &picky, "test", json!({})).await;
    let refused = post(&server, 422, &picky, "test", json!({"event_type": "query.created"})).await;
    assert_eq!(refused["errors"][0]["pointer"], "/event_type");
    post(&server, 422, &webhook, "test", json!({"event_type": "no.such"})).await;
    assert_eq!(events(&server).await, ["model.registered", "optimization.completed", "query.created"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_was_named_is_the_only_one_that_changes() {
    let server = server().await;
    let webhook = made(&server, json!({})).await;
    let ask = async |method: &str, action: &str, version: &str, body: Value| {
        let url = format!("{}{}{action}", server.url, path(&webhook));
        let request = server.http.request(method.parse().expect("a method"), url);
        let request = request.bearer_auth(crate::harness::ADMIN_KEY).header("if-match", version).json(&body);
        request.send().await.expect("an answer").status().as_u16()
    };
    let whole = json!({"url": super::URL, "events": ["*"]});
    for (method, action, body) in [
        ("PATCH", "", json!({"description": "d"})),
        ("PUT", "", whole),
        ("POST", "/secret/rotate", json!({})),
        ("DELETE", "", json!({})),
    ] {
        assert_eq!(ask(method, action, "\"7\"", body).await, 412, "{method} {action}");
    }
    assert_eq!(server.get(&path(&webhook)).await["version"], 1);
    assert_eq!(ask("PATCH", "", "\"1\"", json!({"description": "d"})).await, 200);
    assert_eq!(ask("DELETE", "", "\"2\"", json!({})).await, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_changes_at_once_lose_nothing() {
    let server = server().await;
    let webhook = made(&server, json!({})).await;
    let patches = [
        json!({"description": "raced"}),
        json!({"timeout_seconds": 77}),
        json!({"retry": "fast"}),
        json!({"events": ["model.*"]}),
        json!({"headers": {"X-Raced": "yes"}}),
        json!({"disable_on_exhausted": false}),
        json!({"profile": "hub"}),
        json!({"rate_limit": {"per_minute": 7, "burst": 7}}),
        json!({"url": "http://127.0.0.1:9/raced"}),
    ];
    let rotations = (0..4).map(|_| json!({"overlap_seconds": 3600}));
    let again = patches.iter().take(7).cloned();
    let requests = patches.iter().cloned().chain(again).map(|body| ("PATCH", path(&webhook), body));
    let rotations = rotations.map(|body| ("POST", format!("{}/secret/rotate", path(&webhook)), body));
    let requests: Vec<_> = requests.chain(rotations).collect();
    assert_eq!(requests.len(), 20);
    let asked = requests.into_iter().map(async |(method, path, body)| {
        server.expect(200, method, &path, Some(body)).await;
    });
    futures_util::future::join_all(asked).await;
    let shown = server.get(&path(&webhook)).await;
    assert_eq!(shown["version"], 21);
    for (field, value) in [
        ("description", json!("raced")),
        ("timeout_seconds", json!(77)),
        ("retry", json!("fast")),
        ("events", json!(["model.*"])),
        ("headers", json!({"X-Raced": "***"})),
        ("disable_on_exhausted", json!(false)),
        ("profile", json!("hub")),
        ("url", json!("http://127.0.0.1:9/raced")),
    ] {
        assert_eq!(shown[field], value, "{field}");
    }
    let id = webhook["webhook_id"].as_str().expect("an id");
    let secrets = server.app.store.signing_secrets(id.parse().expect("an id")).await.expect("readable");
    assert_eq!(secrets.len(), 5, "no rotation is lost either");
    let log = server.get(&format!("/api/v1/audit?subject={id}&limit=200")).await;
    assert_eq!(log["audit"].as_array().map(Vec::len), Some(21));
    assert_eq!(server.get(WEBHOOKS).await["webhooks"].as_array().map(Vec::len), Some(1));
}
