//! What is taken, what is refused and why, and that what is taken is kept as it came.

use agenthook::config::{OutboundArgs, SettingsArgs};
use serde_json::{Value, json};

use super::{idle, publish, published};
use crate::harness::{ADMIN_KEY, Server, Setup};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_is_kept_in_its_order_and_in_javascripts_numbers() {
    let server = idle().await;
    let body = r#"{"event_type":"custom.order.paid","tenant_id":"acme",
        "data": {"z": 1.0, "a": 9007199254740993, "m": {"y": 1e2, "b": "\u00e4\u0000"}}}"#;
    let answer = server.ask("POST", "/api/v1/events", Some(ADMIN_KEY), Some(body.into())).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let path = format!("/api/v1/events/{}", answer.body["event_id"].as_str().expect("an id"));
    let shown = server.ask("GET", &path, Some(ADMIN_KEY), None).await;
    let data = r#""data":{"z":1,"a":9007199254740993,"m":{"y":100,"b":"ä\u0000"}}"#;
    assert!(shown.text.contains(data), "{}", shown.text);
    assert_eq!(shown.body["event_type"], "custom.order.paid");
    assert_eq!(shown.body["deliveries"], json!([]));
    assert!(shown.body["published_by"].is_string(), "the event itself says who");
    let audit = server.get("/api/v1/audit?limit=200").await.to_string();
    assert!(!audit.contains("evt_"), "publishing is traffic: {audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_refused_with_what_to_do() {
    let server = idle().await;
    let job = json!({"job_id": "j"});
    for (event, status, code, part) in [
        (json!({"event_type": "custom.x", "data": {}}), 422, "invalid_request", "/tenant_id is required"),
        (
            json!({"event_type": "custom.x", "data": {}, "tenant_id": "nobody"}),
            422,
            "invalid_request",
            "names no tenant",
        ),
        (
            json!({"event_type": "order.paid", "data": {}, "tenant_id": "acme"}),
            422,
            "invalid_request",
            "is no event type: GET /api/v1/event-types",
        ),
        (
            json!({"event_type": "execution.completed", "data": {}, "tenant_id": "acme"}),
            422,
            "reserved_event_type",
            "custom.",
        ),
        // The whole family is agenthook's, with what it may hold one day.
        (
            json!({"event_type": "execution.later", "data": {}, "tenant_id": "acme"}),
            422,
            "reserved_event_type",
            "custom.",
        ),
        (json!({"event_type": "custom.x", "tenant_id": "acme"}), 422, "invalid_request", "/data is required"),
        (
            json!({"event_type": "custom.x", "data": [1], "tenant_id": "acme"}),
            422,
            "invalid_request",
            "/data must be a JSON object",
        ),
        (
            json!({"event_type": "vision.failed", "data": {"error": "x"}, "tenant_id": "acme"}),
            422,
            "schema_mismatch",
            "does not match the schema of vision.failed",
        ),
        (
            json!({"event_type": "vision.failed", "data": job, "tenant_id": "acme", "webhook_id": "x"}),
            422,
            "invalid_request",
            "/webhook_id is not a known field",
        ),
        (
            json!({"event_type": "custom.x", "data": {}, "tenant_id": "acme", "idempotency_key": ""}),
            422,
            "invalid_request",
            "between 1 and 255",
        ),
        (
            json!({"event_type": "custom.x", "data": {}, "tenant_id": "acme", "idempotency_key": "ä".repeat(256)}),
            422,
            "invalid_request",
            "between 1 and 255",
        ),
        (
            json!({"event_type": "custom.x", "data": {}, "tenant_id": "acme", "idempotency_key": "a\u{0}"}),
            422,
            "invalid_request",
            "U+0000",
        ),
    ] {
        let answer = publish(&server, event.clone()).await;
        assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{event}: {}", answer.text);
        assert!(answer.text.contains(part), "{event}: {}", answer.text);
    }
    let mismatch = publish(
        &server,
        json!({"event_type": "batch.progress", "tenant_id": "acme",
        "data": {"job_id": "j", "progress_percent": 101}}),
    )
    .await;
    assert_eq!(mismatch.body["errors"][0]["instance_path"], "/progress_percent");
    let key = json!({"event_type": "custom.x", "data": {}, "tenant_id": "acme", "idempotency_key": "ä".repeat(255)});
    assert_eq!(publish(&server, key).await.status, 202);
    assert_eq!(server.get("/api/v1/events").await["events"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_tenant_publishes_there_and_nowhere_else() {
    let server = idle().await;
    server.tenant(json!({"tenant_id": "theirs"})).await;
    let (operator, viewer) =
        (server.api_key("operator", "acme").await, server.api_key("viewer", "acme").await);
    let event =
        |tenant: Value| json!({"event_type": "custom.x", "data": {}, "tenant_id": tenant}).to_string();
    let ask = async |key: &str, tenant: Value| {
        server.ask("POST", "/api/v1/events", Some(key), Some(event(tenant))).await
    };
    assert_eq!(ask(&operator, Value::Null).await.status, 202);
    assert_eq!(ask(&operator, json!("acme")).await.status, 202);
    assert_eq!(ask(&viewer, json!("acme")).await.status, 403);
    let (foreign, nobodys) = (ask(&operator, json!("theirs")).await, ask(&operator, json!("nobody")).await);
    assert_eq!((foreign.status, &foreign.body["detail"]), (422, &nobodys.body["detail"]));
    let events = server.get("/api/v1/events?tenant_id=acme").await;
    assert_eq!(events["events"].as_array().map(Vec::len), Some(2));
    assert_eq!(super::ids(&server.get("/api/v1/events?tenant_id=theirs").await), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn data_has_a_size_of_its_own() {
    const LIMIT: usize = 1000;
    let outbound = OutboundArgs { max_event_bytes: Some(LIMIT.to_string()), ..OutboundArgs::default() };
    let args = SettingsArgs { outbound, ..SettingsArgs::default() };
    let server = Server::with(Setup { worker: false, args, ..Setup::default() }).await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    for (bytes, status) in [(LIMIT - 1, 202), (LIMIT, 202), (LIMIT + 1, 413)] {
        // Spaces count: it is the bytes as they are sent.
        let data = format!(r#"{{"a": "{}"}}"#, "x".repeat(bytes - 9));
        assert_eq!(data.len(), bytes);
        let body = format!(r#"{{"event_type":"custom.x","tenant_id":"acme","data":{data}}}"#);
        let answer = server.ask("POST", "/api/v1/events", Some(ADMIN_KEY), Some(body)).await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_large_is_read_as_what_is_small() {
    let server = idle().await;
    let id = published(&server, "custom.large", json!({"a": "x".repeat(100_000), "n": [1.0, 2.5]})).await;
    let shown = server.get(&format!("/api/v1/events/{id}")).await;
    assert_eq!(shown["data"]["a"].as_str().map(str::len), Some(100_000));
    assert_eq!(shown["data"]["n"].to_string(), "[1,2.5]");
}
