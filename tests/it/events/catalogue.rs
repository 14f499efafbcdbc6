//! What there may be to hear of, and that what there is says so.

use serde_json::{Value, json};

use super::{idle, publish};
use crate::harness::ADMIN_KEY;

/// What integrators of the product's predecessors send, to the letter.
const KNOWN: [(&str, &str); 4] = [
    (
        "optimization.completed",
        r#"{"job_id":"550e8400-e29b-41d4-a716-446655440000","status":"completed","problem_type":"MAXCUT","result":{"solution":[0,1,0,1],"objective_value":8.0,"approximation_ratio":0.95,"execution_time":300}}"#,
    ),
    (
        "vision.completed",
        r#"{"job_id":"550e8400-e29b-41d4-a716-446655440000","status":"completed","detections":[{"class_name":"person","confidence":0.95,"bounding_box":{"x":100,"y":50,"width":200,"height":300}}]}"#,
    ),
    (
        "batch.progress",
        r#"{"job_id":"550e8400-e29b-41d4-a716-446655440000","total_images":100,"processed_images":75,"failed_images":0,"progress_percent":75}"#,
    ),
    (
        "training.progress",
        r#"{"job_id":"550e8400-e29b-41d4-a716-446655440000","round":5,"accuracy":0.92,"loss":0.23,"total_rounds":10}"#,
    ),
];

/// By the schema alone: more than it names is allowed.
pub(super) fn hold_to(schema: &Value, data: &Value, name: &str) {
    let validator = jsonschema::validator_for(schema).expect("a schema");
    if let Err(error) = validator.validate(data) {
        panic!("{name} is not as the catalogue says: {error}: {data}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_has_a_schema_and_an_example_that_is_taken() {
    let server = idle().await;
    let types = server.get("/api/v1/event-types").await;
    let types = types["event_types"].as_array().expect("a list");
    assert_eq!(types.len(), 37);
    for entry in types {
        let name = entry["type"].as_str().expect("a name");
        hold_to(&entry["schema"], &entry["example"], name);
        let event_type = name.replace('*', "mine");
        let event = json!({"tenant_id": "acme", "event_type": event_type, "data": entry["example"]});
        let answer = publish(&server, event).await;
        match entry["reserved"].as_bool() {
            Some(false) => assert_eq!(answer.status, 202, "{name}: {}", answer.text),
            _ => assert_eq!(answer.body["code"], "reserved_event_type", "{name}"),
        }
    }
    for (event_type, data) in KNOWN {
        let body = format!(r#"{{"tenant_id":"acme","event_type":"{event_type}","data":{data}}}"#);
        let answer = server.ask("POST", "/api/v1/events", Some(ADMIN_KEY), Some(body)).await;
        assert_eq!(answer.status, 202, "{event_type}: {}", answer.text);
    }
}

/// Whether what is stored matches what the catalogue says of it.
async fn hold(server: &crate::harness::Server, event: &Value) {
    let types = server.get("/api/v1/event-types").await;
    let name = event["event_type"].as_str().expect("a type");
    let found = types["event_types"].as_array().into_iter().flatten().find(|entry| entry["type"] == name);
    let schema = &found.unwrap_or_else(|| panic!("{name} is not in the catalogue"))["schema"];
    hold_to(schema, &event["data"], name);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_product_itself_reports_matches_its_own_schema() {
    let server = crate::harness::Server::start().await;
    let agent = server.agent().await;
    agent.run(&server, "{}").await;
    server.expect(204, "DELETE", &format!("/api/v1/agents/{}", agent.id), None).await;
    let page = server.get("/api/v1/events?limit=200").await;
    for event in page["events"].as_array().expect("a list") {
        hold(&server, event).await;
    }
}
