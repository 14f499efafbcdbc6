//! The event once more.

use serde_json::{Value, json};

use super::{name, notify_path, register_as, wanted, with};
use crate::harness::{ADMIN_KEY, Mlflow, unique};

#[tokio::test(flavor = "multi_thread")]
async fn ones_own_is_told_again_as_a_new_event() {
    let mlflow = Mlflow::of_the_run();
    let server = mlflow.server().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    server.tenant(json!({"tenant_id": "beta"})).await;
    let (acme, beta) = (server.api_key("operator", "acme").await, server.api_key("operator", "beta").await);
    let viewer = server.api_key("viewer", "acme").await;
    let (run_id, _) = mlflow.run(&[("accuracy", 0.95)]).await;
    let address = format!("0x{}", "aB".repeat(20));
    let wanted = with(&wanted(&run_id), json!({"tags": {"a": "1"}, "contributor_address": address}));
    let made = register_as(&server, &acme, &wanted).await.body;
    let path = notify_path(name(&wanted), "1");
    assert!(path.contains("%20") && path.contains('\''), "{path}");
    let told = server.ask("POST", &path, Some(&acme), None).await;
    assert_eq!(told.status, 202, "{}", told.text);
    assert_ne!(told.body["event_id"], made["event_id"]);
    let [first, second] = &server.database.events().await[..] else { panic!("two events") };
    assert_eq!((&first.3, &first.2), (&second.3, &second.2), "the same facts, for the same tenant");
    let audit = server.get("/api/v1/audit?action=model.notified").await;
    assert_eq!(audit["audit"][0]["detail"]["event_id"], told.body["event_id"]);

    // What the tags say is not changed by telling of it.
    for (fields, status) in [
        (json!({"token_id": "lscor", "baseline_value": 0.92}), 202),
        (json!({"token_id": "OTHER"}), 422),
        (json!({"baseline_value": 0.93}), 422),
        (json!({"metric_name": "f1"}), 422),
        (json!({"version": 2}), 422),
    ] {
        let answer = server.ask("POST", &path, Some(&acme), Some(fields.to_string())).await;
        assert_eq!(answer.status, status, "{fields}: {}", answer.text);
    }
    let events = server.database.events().await.len();
    assert_eq!(server.ask("POST", &path, Some(&viewer), None).await.status, 403);
    for (path, key) in [
        (path.clone(), &beta),
        (notify_path(name(&wanted), "2"), &acme),
        (notify_path(name(&wanted), "0"), &acme),
        (notify_path(name(&wanted), "01"), &acme),
        (notify_path(name(&wanted), "latest"), &acme),
        (notify_path(&unique("none"), "1"), &acme),
        (notify_path("a/b c", "1"), &acme),
    ] {
        let answer = server.ask("POST", &path, Some(key), Some("no JSON".into())).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (404, &json!("not_found")),
            "{path}: {}",
            answer.text
        );
    }
    assert_eq!(server.database.events().await.len(), events);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_registered_before_is_the_admins_to_tell() {
    let mlflow = Mlflow::of_the_run();
    let server = mlflow.server().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let operator = server.api_key("operator", "acme").await;
    let (run_id, experiment) = mlflow.run(&[]).await;
    let model = unique("Sales lead scoring");
    mlflow.post("registered-models/create", json!({ "name": model })).await;
    mlflow.foreign_version(&model, &run_id, json!([{"key": "environment", "value": "test"}])).await;
    let path = notify_path(&model, "1");
    assert_eq!(server.ask("POST", &path, Some(&operator), None).await.status, 404);
    let answer = server.expect(422, "POST", &path, Some(json!({"metric_name": "accuracy"}))).await;
    let pointers: Vec<_> =
        answer["errors"].as_array().expect("faults").iter().map(|f| &f["pointer"]).collect();
    assert_eq!(pointers, ["/token_id", "/baseline_value"]);
    let all = json!({"token_id": "lscor", "metric_name": "accuracy", "baseline_value": 0.933});
    let told = server.ask("POST", &path, Some(ADMIN_KEY), Some(all.to_string())).await;
    assert_eq!((told.status, &told.body["tenant_id"]), (202, &Value::Null), "{}", told.text);
    let [(_, _, tenant, data)] = &server.database.events().await[..] else { panic!("one event") };
    let facts = json!({
        "model_id": format!("{model}/1"), "name": model, "version": "1", "mlflow_run_id": run_id, "token_id": "LSCOR",
        "metric_name": "accuracy", "baseline_value": 0.933, "experiment_name": experiment,
        "tags": {"environment": "test"}
    });
    assert_eq!((tenant, data), (&None, &facts));
}
