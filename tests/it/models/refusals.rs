//! What is refused, and that nothing of it is done.

use serde_json::{Value, json};

use super::{REGISTER, name, register, wanted, with};
use crate::harness::{ADMIN_KEY, Mlflow, Server, unique};

/// Whether MLflow has a registered model of this name.
async fn is_there(mlflow: &Mlflow, name: &str) -> bool {
    let filter = format!("name = \"{name}\"");
    let found = mlflow.get("registered-models/search", &[("filter", &filter)]).await;
    found["registered_models"].as_array().is_some_and(|all| !all.is_empty())
}

async fn refused(server: &Server, wanted: &Value) -> (u16, String, String) {
    let answer = server.ask("POST", REGISTER, Some(ADMIN_KEY), Some(wanted.to_string())).await;
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (answer.status, word(&answer.body["code"]), word(&answer.body["errors"][0]["pointer"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn below_the_baseline_nothing_is_registered() {
    let mlflow = Mlflow::of_the_run();
    let server = mlflow.server().await;
    // The last value is the one that counts.
    let (run_id, _) = mlflow.run(&[("accuracy", 0.99)]).await;
    let later = json!({"run_id": run_id, "key": "accuracy", "value": 0.9199, "timestamp": 2, "step": 1});
    mlflow.post("runs/log-metric", later).await;
    let nan = json!({"run_id": run_id, "key": "nan", "value": "NaN", "timestamp": 2, "step": 1});
    mlflow.post("runs/log-metric", nan).await;
    for wanted in
        [wanted(&run_id), with(&wanted(&run_id), json!({"metric_name": "nan", "baseline_value": -1e300}))]
    {
        let (status, code, _) = refused(&server, &wanted).await;
        assert_eq!((status, code.as_str()), (422, "below_baseline"), "{wanted}");
        assert!(!is_there(&mlflow, name(&wanted)).await, "{wanted}");
    }
    assert!(server.database.events().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_mlflow_does_not_know_is_told_by_its_field() {
    let mlflow = Mlflow::of_the_run();
    let server = mlflow.server().await;
    let (run_id, _) = mlflow.run(&[("accuracy", 0.99)]).await;
    let (deleted, _) = mlflow.run(&[("accuracy", 0.99)]).await;
    mlflow.post("runs/delete", json!({ "run_id": deleted })).await;
    let good = wanted(&run_id);
    for (fields, pointer) in [
        (json!({"model_uri": "runs:/0123456789abcdef/model"}), "/model_uri"),
        (json!({"model_uri": format!("runs:/{deleted}/model")}), "/model_uri"),
        (json!({"model_uri": format!("models:/{}/7", unique("none"))}), "/model_uri"),
        (json!({"model_uri": "models:/m-0123456789abcdef"}), "/model_uri"),
        (json!({"metric_name": "precision"}), "/metric_name"),
        // MLflow's own rule for names.
        (json!({"model_name": "a/b"}), "/model_name"),
    ] {
        let wanted = with(&good, fields);
        let (status, code, at) = refused(&server, &wanted).await;
        assert_eq!((status, code.as_str(), at.as_str()), (422, "invalid_request", pointer), "{wanted}");
        assert!(wanted["model_name"] == "a/b" || !is_there(&mlflow, name(&wanted)).await, "{wanted}");
    }
    assert!(server.database.events().await.is_empty());
    register(&server, &good).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_body_never_reaches_mlflow() {
    // Nobody listens there: whatever is asked of it is a 502.
    let server = Mlflow::server_at("http://127.0.0.1:1").await;
    let good = wanted("0123456789abcdef0123456789abcdef");
    assert_eq!(refused(&server, &good).await.0, 502);
    for (fields, pointer) in [
        (json!({"model_uri": "s3://bucket/model"}), "/model_uri"),
        (json!({"model_uri": "models:/m/latest"}), "/model_uri"),
        (json!({"model_name": ""}), "/model_name"),
        (json!({"model_name": "x".repeat(257)}), "/model_name"),
        (json!({"model_name": "it's \"it\""}), "/model_name"),
        (json!({"token_id": "L SCOR"}), "/token_id"),
        (json!({"token_id": "x".repeat(65)}), "/token_id"),
        (json!({"metric_name": ""}), "/metric_name"),
        (json!({"baseline_value": "0.9"}), "/baseline_value"),
        (json!({"baseline_value": null}), "/baseline_value"),
        (json!({"contributor_address": "0x742d35Cc6634C0532925a3b844Bc9e7595f0bEb"}), "/contributor_address"),
        (json!({"tags": {"rows": 5}}), "/tags/rows"),
        (json!({"tags": {"agenthook.tenant": "beta"}}), "/tags"),
        (json!({"tenant_id": "nobody"}), "/tenant_id"),
        (json!({"idempotency_key": ""}), "/idempotency_key"),
        (json!({"stage": "Production"}), "/stage"),
    ] {
        let wanted = with(&good, fields);
        let (status, code, at) = refused(&server, &wanted).await;
        assert_eq!((status, code.as_str(), at.as_str()), (422, "invalid_request", pointer), "{wanted}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_an_event_may_have_is_told_before_anything_is_made() {
    let mlflow = Mlflow::of_the_run();
    let server = mlflow.server().await;
    let (run_id, _) = mlflow.run(&[("accuracy", 0.99)]).await;
    let tags: serde_json::Map<_, _> = (0..50).map(|n| (format!("t{n}"), json!("日".repeat(5000)))).collect();
    let wanted = with(&wanted(&run_id), json!({ "tags": tags }));
    assert_eq!(refused(&server, &wanted).await, (422, "invalid_request".into(), "/tags".into()));
    assert!(!is_there(&mlflow, name(&wanted)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_mlflow_it_says_what_to_set() {
    let server = Server::without_worker().await;
    for path in [REGISTER, "/api/v1/models/m/versions/1/notify"] {
        let answer = server.expect(409, "POST", path, Some(wanted("abc"))).await;
        assert_eq!(answer["code"], "mlflow_not_configured");
        assert!(answer["detail"].as_str().expect("text").contains("MLFLOW_TRACKING_URI"), "{answer}");
    }
}
