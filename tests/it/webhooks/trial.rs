//! A test sends what the catalogue shows, and says that it is one.

use serde_json::{Value, json};

use super::{WEBHOOKS, path};
use crate::harness::{Receiver, Server};

/// The example of an event type as integrators read it.
async fn example(server: &Server, event_type: &str) -> Value {
    let types = server.get("/api/v1/event-types").await;
    let types = types["event_types"].as_array().expect("a list").clone();
    types.into_iter().find(|one| one["type"] == event_type).expect("in the catalogue")["example"].clone()
}

/// What such an endpoint is sent by a test with this body.
async fn sent(server: &Server, fields: Value, test: Option<Value>) -> Value {
    let receiver = Receiver::start().await;
    let mut body = json!({"tenant_id": "acme", "url": receiver.url()});
    for (name, value) in fields.as_object().expect("fields") {
        body[name] = value.clone();
    }
    let webhook = server.expect(201, "POST", WEBHOOKS, Some(body)).await;
    server.expect(202, "POST", &format!("{}/test", path(&webhook)), test).await;
    receiver.got(1).await;
    receiver.bodies().await.remove(0)
}

async fn server() -> Server {
    let server = Server::start().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_the_catalogues_example_marked_as_a_test() {
    let server = server().await;
    let types = server.get("/api/v1/event-types").await;
    for event_type in ["execution.failed", "batch.progress", "endpoint.disabled", "model.registered"] {
        let wanted = json!({ "event_type": event_type });
        let body = sent(&server, json!({"events": ["query.created"]}), Some(wanted)).await;
        assert_eq!(body["event_type"], event_type);
        let mut expected = example(&server, event_type).await;
        expected["test"] = json!(true);
        if event_type == "model.registered" {
            expected["tags"]["test"] = json!("true");
        }
        assert_eq!(body["data"], expected);
        let entry =
            types["event_types"].as_array().into_iter().flatten().find(|one| one["type"] == event_type);
        let validator = jsonschema::validator_for(&entry.expect("an entry")["schema"]).expect("a schema");
        assert!(validator.is_valid(&body["data"]), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_it_is_what_the_endpoint_hears_of() {
    let server = server().await;
    for (events, event_type) in [
        (json!(["*"]), "execution.completed"),
        (json!(["execution.*", "query.created"]), "execution.completed"),
        (json!(["query.escalated", "*"]), "query.escalated"),
        (json!(["training.*"]), "training.started"),
        (json!(["custom.*"]), "custom.test"),
        (json!(["custom.order.*"]), "custom.order.test"),
        (json!(["custom.order.paid"]), "custom.order.paid"),
    ] {
        let body = sent(&server, json!({ "events": events }), None).await;
        assert_eq!(
            (&body["event_type"], &body["data"]["test"]),
            (&json!(event_type), &json!(true)),
            "{events}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_tells_of_registrations_alone_shows_it_among_the_tags() {
    let server = server().await;
    let hokusai = sent(&server, json!({"events": ["*"], "profile": "hokusai"}), None).await;
    assert_eq!(hokusai["metadata"]["tags"]["test"], "true", "{hokusai}");
    let mlflow =
        sent(&server, json!({"events": ["query.created", "model.*"], "profile": "mlflow"}), None).await;
    assert_eq!(mlflow["model"]["tags"]["test"], "true", "{mlflow}");
}
