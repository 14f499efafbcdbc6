//! What a registration does.

use serde_json::{Value, json};

use super::{name, register, wanted, with};
use crate::harness::{Mlflow, tag};

#[tokio::test(flavor = "multi_thread")]
async fn a_version_with_its_tags_and_an_event() {
    let mlflow = Mlflow::of_the_run();
    let server = mlflow.server().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let (run_id, experiment) = mlflow.run(&[("accuracy", 0.95), ("f1", 0.5)]).await;
    let address = format!("0x{}", "aB".repeat(20));
    let wanted = with(
        &wanted(&run_id),
        json!({"tenant_id": "acme", "tags": {"environment": "production"}, "contributor_address": address}),
    );
    let made = register(&server, &wanted).await;
    let model = name(&wanted);
    assert_eq!(made["model_id"], format!("{model}/1"));
    assert_eq!((&made["version"], &made["repeated"]), (&json!("1"), &json!(false)));
    assert_eq!((&made["metric_value"], &made["tenant_id"]), (&json!(0.95), &json!("acme")));

    let versions = mlflow.versions(model).await;
    assert_eq!(versions.len(), 1);
    for (key, value) in [
        ("agenthook.tenant", "acme"),
        ("agenthook.token_id", "LSCOR"),
        ("agenthook.metric_name", "accuracy"),
        ("agenthook.metric_value", "0.95"),
        ("agenthook.baseline_value", "0.92"),
        ("agenthook.contributor_address", &address),
        ("agenthook.state", "registered"),
        ("agenthook.event_id", made["event_id"].as_str().expect("an id")),
        ("environment", "production"),
    ] {
        assert_eq!(tag(&versions[0], key), Some(value), "{key}: {}", versions[0]);
    }
    assert_eq!(versions[0]["run_id"], run_id.as_str());
    let artifacts = format!("/{run_id}/artifacts/model");
    assert!(versions[0]["source"].as_str().expect("a source").ends_with(&artifacts), "{}", versions[0]);

    let [(event_id, kind, tenant, data)] = &server.database.events().await[..] else { panic!("one event") };
    assert_eq!(made["event_id"], format!("evt_{}", event_id.simple()));
    assert_eq!((kind.as_str(), tenant.as_deref()), ("model.registered", Some("acme")));
    let told = json!({
        "model_id": format!("{model}/1"), "name": model, "version": "1", "mlflow_run_id": run_id, "token_id": "LSCOR",
        "metric_name": "accuracy", "baseline_value": 0.92, "contributor_address": address,
        "experiment_name": experiment, "tags": {"environment": "production"}
    });
    assert_eq!(data, &told);

    let audit = server.get("/api/v1/audit?action=model.registered").await;
    assert_eq!(audit["audit"][0]["subject"], json!({"type": "model", "id": format!("{model}/1")}));
    assert_eq!(audit["audit"][0]["tenant_id"], "acme");
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_to_the_baseline_is_good_enough_and_without_a_tenant_it_is_the_platforms() {
    let mlflow = Mlflow::of_the_run();
    let server = mlflow.server().await;
    let (run_id, _) = mlflow.run(&[("accuracy", 0.92)]).await;
    let wanted = wanted(&run_id);
    let made = register(&server, &wanted).await;
    assert_eq!(made["tenant_id"], Value::Null);
    assert_eq!(tag(&mlflow.versions(name(&wanted)).await[0], "agenthook.tenant"), None);
    assert_eq!(server.database.events().await[0].2, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_form_of_a_model_uri_leads_to_its_run() {
    let mlflow = Mlflow::of_the_run();
    let server = mlflow.server().await;
    let (run_id, _) = mlflow.run(&[("accuracy", 0.95)]).await;
    let run = mlflow.get("runs/get", &[("run_id", &run_id)]).await;
    let logged =
        json!({"experiment_id": run["run"]["info"]["experiment_id"], "name": "net", "source_run_id": run_id});
    let logged = mlflow.post("logged-models", logged).await;
    let model_id = logged["model"]["info"]["model_id"].as_str().expect("an id");
    let plain = wanted(&run_id);
    let first = register(&server, &plain).await;

    let root = format!("/{run_id}/artifacts");
    for (uri, source) in [
        (format!("runs:/{run_id}"), root.clone()),
        (format!("runs:/{run_id}/a/b c"), format!("{root}/a/b c")),
        // What a run of MLflow 3 has logged under this name.
        (format!("runs:/{run_id}/net"), format!("models:/{model_id}")),
        (format!("models:/{model_id}"), format!("models:/{model_id}")),
        (
            format!("models:/{}", first["model_id"].as_str().expect("an id")),
            format!("models:/{}/1", name(&plain)),
        ),
    ] {
        let other = with(&wanted(&run_id), json!({ "model_uri": uri }));
        let made = register(&server, &other).await;
        assert_eq!(made["mlflow_run_id"], run_id.as_str(), "{uri}");
        let version = &mlflow.versions(name(&other)).await[0];
        assert!(version["source"].as_str().expect("a source").ends_with(&source), "{uri}: {version}");
        assert_eq!(version["run_id"], run_id.as_str(), "{uri}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_run_under_the_same_name_is_the_next_version() {
    let mlflow = Mlflow::of_the_run();
    let server = mlflow.server().await;
    let (first, _) = mlflow.run(&[("accuracy", 0.95)]).await;
    let (second, _) = mlflow.run(&[("accuracy", 0.96)]).await;
    let wanted = wanted(&first);
    assert_eq!(register(&server, &wanted).await["version"], "1");
    let next = with(&wanted, json!({"model_uri": format!("runs:/{second}/model")}));
    assert_eq!(register(&server, &next).await["version"], "2");
    assert_eq!(server.database.events().await.len(), 2);
}
