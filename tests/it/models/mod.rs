//! Models are registered in a real MLflow, and the registration is told.

mod deliveries;
mod faults;
mod notify;
mod refusals;
mod register;
mod repeats;
mod tenants;

use serde_json::{Value, json};

use crate::harness::{ADMIN_KEY, Answer, Server, unique};

pub(super) const REGISTER: &str = "/api/v1/models/register";

/// A registration of what this run has logged, under a name of its own.
fn wanted(run_id: &str) -> Value {
    json!({
        "model_uri": format!("runs:/{run_id}/model"), "model_name": unique("It's a model"), "token_id": "lscor",
        "metric_name": "accuracy", "baseline_value": 0.92
    })
}

/// The same with other fields.
fn with(wanted: &Value, fields: Value) -> Value {
    let mut changed = wanted.clone();
    for (name, value) in fields.as_object().expect("fields") {
        changed[name] = value.clone();
    }
    changed
}

/// The name of the model in a registration.
fn name(wanted: &Value) -> &str {
    wanted["model_name"].as_str().expect("a name")
}

/// Asks for it as the holder of this key.
async fn register_as(server: &Server, key: &str, wanted: &Value) -> Answer {
    server.ask("POST", REGISTER, Some(key), Some(wanted.to_string())).await
}

/// Registers it as the admin, which must work.
async fn register(server: &Server, wanted: &Value) -> Value {
    let answer = register_as(server, ADMIN_KEY, wanted).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.body
}

/// The address at which an event is sent again.
fn notify_path(name: &str, version: &str) -> String {
    let mut url = url::Url::parse("http://h").expect("a URL");
    url.path_segments_mut()
        .expect("a path")
        .extend(["api", "v1", "models", name, "versions", version, "notify"]);
    url.path().to_owned()
}
