//! Whose a model is.

use serde_json::json;

use super::{name, register, register_as, wanted, with};
use crate::harness::{Mlflow, Server, tag, unique};

async fn operators(server: &Server) -> (String, String) {
    server.tenant(json!({"tenant_id": "acme"})).await;
    server.tenant(json!({"tenant_id": "beta"})).await;
    (server.api_key("operator", "acme").await, server.api_key("operator", "beta").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_belongs_to_who_registered_it_first() {
    let mlflow = Mlflow::of_the_run();
    let server = mlflow.server().await;
    let (acme, beta) = operators(&server).await;
    let (run_id, _) = mlflow.run(&[("accuracy", 0.95)]).await;
    let wanted = wanted(&run_id);
    let made = register_as(&server, &acme, &wanted).await;
    assert_eq!((made.status, &made.body["tenant_id"]), (201, &json!("acme")), "{}", made.text);
    let taken = register_as(&server, &beta, &wanted).await;
    assert_eq!((taken.status, &taken.body["code"]), (409, &json!("conflict")), "{}", taken.text);
    let next = with(&wanted, json!({"baseline_value": 0.5}));
    assert_eq!(register_as(&server, &acme, &next).await.body["version"], "2");
    assert_eq!(mlflow.versions(name(&wanted)).await.len(), 2);
    // An operator registers for its own tenant, and another's does not exist.
    let for_beta = register_as(&server, &acme, &with(&wanted, json!({"tenant_id": "beta"}))).await;
    let for_nobody = register_as(&server, &acme, &with(&wanted, json!({"tenant_id": "nobody"}))).await;
    assert_eq!((for_beta.status, &for_beta.body["detail"]), (422, &for_nobody.body["detail"]));
    // The admin may do it for each.
    let admins = register(&server, &with(&wanted, json!({"tenant_id": "beta"}))).await;
    assert_eq!(admins["tenant_id"], "beta");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_by_other_means_is_the_admins_unless_its_versions_are_ones_own() {
    let mlflow = Mlflow::of_the_run();
    let server = mlflow.server().await;
    let (acme, beta) = operators(&server).await;
    let (run_id, _) = mlflow.run(&[("accuracy", 0.95)]).await;
    let own = json!([{"key": "agenthook.tenant", "value": "acme"}]);
    for (tags, may) in [(vec![], false), (vec![own.clone()], true), (vec![own, json!([])], false)] {
        let wanted = wanted(&run_id);
        mlflow.post("registered-models/create", json!({"name": name(&wanted)})).await;
        for tags in &tags {
            mlflow.foreign_version(name(&wanted), &run_id, tags.clone()).await;
        }
        let answers =
            [register_as(&server, &beta, &wanted).await, register_as(&server, &acme, &wanted).await];
        assert_eq!(answers[0].status, 409, "{tags:?}: {}", answers[0].text);
        assert_eq!(answers[1].status, if may { 201 } else { 409 }, "{tags:?}: {}", answers[1].text);
        let admins = register(&server, &with(&wanted, json!({"tenant_id": "acme"}))).await;
        let versions = mlflow.versions(name(&wanted)).await;
        assert_eq!(tag(versions.last().expect("one"), "agenthook.tenant"), Some("acme"));
        // What the tenant had registered already is what the admin finds.
        assert_eq!(admins["repeated"], may, "{tags:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_registers_out_of_another_tenants_run_or_version() {
    let mlflow = Mlflow::of_the_run();
    let server = mlflow.server().await;
    let (acme, beta) = operators(&server).await;
    let (run_id, _) = mlflow.run(&[("accuracy", 0.95)]).await;
    let theirs = register_as(&server, &acme, &wanted(&run_id)).await;
    let version = format!("models:/{}", theirs.body["model_id"].as_str().expect("an id"));
    let (marked, _) = mlflow.run(&[("accuracy", 0.95)]).await;
    mlflow.post("runs/set-tag", json!({"run_id": marked, "key": "agenthook.tenant", "value": "acme"})).await;
    for (uri, missing) in [
        (version, format!("models:/{}/1", unique("none"))),
        (format!("runs:/{marked}/model"), "runs:/0123456789abcdef/model".into()),
    ] {
        let other = with(&wanted(&run_id), json!({ "model_uri": uri }));
        let answer = register_as(&server, &beta, &other).await;
        let none = register_as(&server, &beta, &with(&other, json!({ "model_uri": missing }))).await;
        assert_eq!((answer.status, &answer.body["detail"]), (422, &none.body["detail"]), "{uri}");
        assert_eq!(register_as(&server, &acme, &other).await.status, 201, "{uri}");
    }
}
