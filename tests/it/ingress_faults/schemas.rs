//! A hostile schema is refused when the agent is saved: at once, and without a request to anywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tokio::net::TcpListener;

use super::*;

/// A server that only counts who comes.
async fn trap() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let visits = Arc::new(AtomicUsize::new(0));
    let counter = visits.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    (url, visits)
}

fn agent(schema: &Value) -> Value {
    json!({"tenant_id": "acme", "name": "Hostile", "llm_config": {"model": "gpt-4o-mini"},
        "trigger": {"type": "webhook", "payload_schema": schema}})
}

fn doubling(levels: usize) -> Value {
    let next = |i: usize| json!({"$ref": format!("#/$defs/d{}", i + 1)});
    let definitions: serde_json::Map<_, _> = (0..levels)
        .map(|i| {
            (format!("d{i}"), if i + 1 < levels { json!({"anyOf": [next(i), next(i)]}) } else { json!({}) })
        })
        .collect();
    json!({"$ref": "#/$defs/d0", "$defs": definitions})
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_schemas_are_422_and_nothing_is_fetched() {
    let server = Server::start().await;
    let well = server.agent().await;
    let (url, visits) = trap().await;
    let back = json!({"$ref": "#"});
    let schemas = [
        json!({"$ref": format!("{url}/schema.json")}),
        json!({"properties": {"a": {"$ref": format!("{url}/schema.json#/$defs/a")}}}),
        json!({"$id": format!("{url}/base.json"), "$ref": "other.json"}),
        json!({"$schema": format!("{url}/meta.json"), "type": "object"}),
        json!({"$ref": "file:///etc/passwd"}),
        json!({"$ref": "//127.0.0.1/schema.json"}),
        json!({"$ref": "schema.json"}),
        json!({"$dynamicRef": "#node"}),
        json!({"pattern": "(a+)+(?=b)"}),
        json!({"pattern": "^(.*)\\1$"}),
        json!({"pattern": "a{0,100000000}"}),
        json!({"pattern": "((a{0,1000}){0,1000}){0,1000}"}),
        json!({"pattern": "[ab]*a[ab]{500}"}),
        json!({"pattern": "("}),
        json!({"pattern": "\\s".repeat(500)}),
        json!({"pattern": "a".repeat(60_000)}),
        json!({"patternProperties": {"(?!a)": {}}}),
        back.clone(),
        json!({"not": back}),
        json!({"anyOf": [{"properties": {"a": back}}, {"properties": {"a": back}}]}),
        json!({"items": back, "contains": back}),
        doubling(30),
        json!({"enum": (0..20_000).collect::<Vec<_>>()}),
        json!({"description": "x".repeat(100_000)}),
        (0..100).fold(json!({}), |inner, _| json!({"not": inner})),
        json!([]),
        json!("x"),
        json!({"type": "nonsense"}),
    ];
    for schema in &schemas {
        let (status, body) = server.api("POST", "/api/v1/agents", Some(agent(schema))).await;
        let shown: String = schema.to_string().chars().take(200).collect();
        assert_eq!(status, 422, "{shown}: {body}");
        let pointer = body["errors"][0]["pointer"].as_str().unwrap_or_default();
        assert!(pointer.starts_with("/trigger/payload_schema"), "{shown}: {body}");
        assert!(body.to_string().len() < 4_096, "{shown}: the answer is as long as the schema");
    }
    let change = json!({"trigger": {"payload_schema": {"$ref": format!("{url}/later.json")}}});
    let (status, body) = server.api("PATCH", &format!("/api/v1/agents/{}", well.id), Some(change)).await;
    assert_eq!(status, 422, "{body}");
    assert_eq!(visits.load(Ordering::SeqCst), 0, "nothing was fetched");
    is_well(&server, &well).await;
}

/// Nested too deep for the parser: refused while it is still text.
#[tokio::test(flavor = "multi_thread")]
async fn bottomless_documents_are_refused() {
    let server = Server::start().await;
    let well = server.agent().await;
    for depth in [128, 10_000, 100_000] {
        let deep = "{\"not\":".repeat(depth) + "{}" + &"}".repeat(depth);
        let list = "[".repeat(depth) + &"]".repeat(depth);
        let bodies = [
            format!(
                r#"{{"tenant_id":"acme","name":"x","llm_config":{{"model":"m"}},"trigger":{{"type":"webhook","payload_schema":{deep}}}}}"#
            ),
            format!(r#"{{"tenant_id":"acme","name":"x","llm_config":{{"model":"m","stop":{list}}}}}"#),
            format!(
                r#"{{"tenant_id":"acme","name":"x","llm_config":{{"model":"m","response_format":{deep}}}}}"#
            ),
            list,
        ];
        for body in bodies {
            let request = server.http.post(format!("{}/api/v1/agents", server.url));
            let request =
                request.bearer_auth(crate::harness::ADMIN_KEY).header("content-type", "application/json");
            let status = request.body(body).send().await.expect("answers").status().as_u16();
            assert!(matches!(status, 400 | 422), "{depth} levels: {status}");
        }
    }
    is_well(&server, &well).await;
}

/// What is let through stays bounded when a payload comes that is as bad as it can be.
#[tokio::test(flavor = "multi_thread")]
async fn the_worst_payload_for_a_good_schema_is_answered() {
    let server = Server::start().await;
    let numbers = |count: usize| serde_json::to_vec(&(0..count).collect::<Vec<_>>()).expect("JSON");
    let branches: Vec<_> = (0..200).map(|i| json!({"properties": {format!("p{i}"): {}}})).collect();
    let members: serde_json::Map<_, _> = (0..50_000).map(|i| (format!("p{i}"), json!(1))).collect();
    let wide_and_deep = "[".repeat(100) + &format!("[{}]", vec!["1.5"; 90_000].join(",")) + &"]".repeat(100);
    let cases = [
        (json!({"pattern": "^(a+)+$"}), format!("\"{}!\"", "a".repeat(1_000_000)).into_bytes(), 422),
        (json!({"pattern": "[ab]*a[ab]{10}c"}), format!("\"{}\"", "ab".repeat(500_000)).into_bytes(), 422),
        (json!({"uniqueItems": true}), numbers(100_000), 202),
        (json!({"items": {"allOf": vec![json!({}); 1_900]}}), numbers(100_000), 422),
        (json!({"items": {"allOf": vec![json!({}); 1_900]}}), numbers(5_000), 202),
        (json!({"items": {"type": "string"}}), numbers(100_000), 422),
        (
            json!({"anyOf": branches, "unevaluatedProperties": false}),
            Value::from(members).to_string().into_bytes(),
            422,
        ),
        (
            json!({"oneOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#"}}]}),
            wide_and_deep.into_bytes(),
            422,
        ),
    ];
    for (schema, body, expected) in cases {
        let agent =
            server.agent_with(json!({"trigger": {"type": "webhook", "payload_schema": schema}})).await;
        let answer = agent.post(&body).await;
        assert_eq!(answer.status, expected, "{schema}: {}", answer.text);
        assert!(answer.body["errors"].as_array().is_none_or(|errors| errors.len() <= 20));
    }
    is_well(&server, &server.agent().await).await;
}
