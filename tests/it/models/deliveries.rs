//! A registration reaches its receivers to the byte as they have always had it.

use agenthook::model::SecretEncoding;
use serde_json::{Value, json};

use super::{name, register, wanted, with};
use crate::harness::{Mlflow, Receiver, Server, sign};

const SECRET: &str = "a-secret-of-the-receiver";

/// An endpoint of tenant acme with this profile.
async fn receiver(server: &Server, profile: &str) -> Receiver {
    let receiver = Receiver::start().await;
    let body = json!({
        "tenant_id": "acme", "url": receiver.url(), "events": ["model.registered"], "profile": profile, "secret": SECRET
    });
    server.expect(201, "POST", "/api/v1/webhooks", Some(body)).await;
    receiver
}

/// What came, and the signature in this header, which must be bare hex over the body.
async fn signed(receiver: &Receiver, header: &str) -> String {
    receiver.got(1).await;
    let request = receiver.requests().await.remove(0);
    let signature = request.headers[header].to_str().expect("text");
    let expected = sign(SECRET, SecretEncoding::Utf8, &request.body);
    assert_eq!(format!("sha256={signature}"), expected);
    assert_eq!(request.headers["content-type"], "application/json");
    String::from_utf8(request.body.clone()).expect("UTF-8")
}

#[tokio::test(flavor = "multi_thread")]
async fn hokusai_and_mlflow_get_it_as_they_know_it() {
    let mlflow = Mlflow::of_the_run();
    let server = mlflow.server().await;
    server.start_worker();
    server.tenant(json!({"tenant_id": "acme"})).await;
    let (hokusai, pipeline) = (receiver(&server, "hokusai").await, receiver(&server, "mlflow").await);
    let (run_id, experiment) = mlflow.run(&[("accuracy", 0.95)]).await;
    let address = format!("0x{}", "aB".repeat(20));
    let wanted = with(
        &wanted(&run_id),
        json!({"tenant_id": "acme", "tags": {"team": "gröwth"}, "contributor_address": address}),
    );
    let made = register(&server, &wanted).await;
    let event_id = made["event_id"].as_str().expect("an id");
    let event = server.get(&format!("/api/v1/events/{event_id}")).await;
    let at = event["timestamp"].as_str().expect("a time");
    let uuid: uuid::Uuid = event_id.trim_start_matches("evt_").parse().expect("an id");
    let model = name(&wanted);

    let expected = format!(
        r#"{{"model_id":"{model}/1","idempotency_key":"{uuid}","registered_version":"1","timestamp":"{at}","token_symbol":"LSCOR","baseline_metrics":{{"accuracy":0.92}},"metadata":{{"model_name":"{model}","mlflow_run_id":"{run_id}","contributor_address":"{address}","experiment_name":"{experiment}","tags":{{"team":"gröwth"}}}}}}"#
    );
    assert_eq!(signed(&hokusai, "x-hokusai-signature").await, expected);
    let expected = format!(
        r#"{{"model":{{"id":"LSCOR","name":"{model}","version":"1","mlflow_run_id":"{run_id}","metric_name":"accuracy","baseline_value":0.92,"token_id":"LSCOR","status":"registered","tags":{{"team":"gröwth"}}}},"source":"mlflow","event_type":"model_registered","timestamp":"{at}"}}"#
    );
    assert_eq!(signed(&pipeline, "x-mlflow-signature").await, expected);

    // The same once more is another event, so a receiver that knows keys takes it.
    let again = server.expect(202, "POST", &super::notify_path(model, "1"), None).await;
    hokusai.got(2).await;
    let body: Value = hokusai.bodies().await.remove(1);
    assert_ne!(again["event_id"], made["event_id"]);
    assert_ne!(body["idempotency_key"], uuid.to_string());
}
