//! The same registration again, wherever the first one was cut off.

use serde_json::json;

use super::{REGISTER, name, register, register_as, wanted, with};
use crate::harness::{ADMIN_KEY, Cut, CutProxy, Mlflow, tag};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_again_is_the_same_and_another_key_is_another() {
    let mlflow = Mlflow::of_the_run();
    let server = mlflow.server().await;
    let (run_id, _) = mlflow.run(&[("accuracy", 0.95)]).await;
    let wanted = wanted(&run_id);
    let first = register(&server, &wanted).await;
    let again = register(&server, &with(&wanted, json!({"token_id": "LSCOR"}))).await;
    assert_eq!((&again["version"], &again["event_id"]), (&first["version"], &first["event_id"]));
    assert_eq!(again["repeated"], true);
    assert_eq!(server.database.events().await.len(), 1);

    let on_purpose = with(&wanted, json!({"idempotency_key": "2026-02"}));
    assert_eq!(register(&server, &on_purpose).await["version"], "2");
    assert_eq!(register(&server, &on_purpose).await["version"], "2");
    assert_eq!((mlflow.versions(name(&wanted)).await.len(), server.database.events().await.len()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_it_was_cut_the_same_again_finishes_it_once() {
    let mlflow = Mlflow::of_the_run();
    let proxy = CutProxy::before(&mlflow.url).await;
    let server = Mlflow::server_at(&proxy.url).await;
    let mut events = 0;
    for cut in [
        Cut::Before("runs/get"),
        Cut::Before("experiments/get"),
        Cut::Before("logged-models/search"),
        Cut::Before("registered-models/create"),
        Cut::After("registered-models/create"),
        Cut::Before("model-versions/search"),
        Cut::Before("model-versions/create"),
        // It was made, and nobody here knows it.
        Cut::After("model-versions/create"),
    ] {
        let (run_id, _) = mlflow.run(&[("accuracy", 0.95)]).await;
        let wanted = wanted(&run_id);
        proxy.cut(Some(cut));
        let failed = register_as(&server, ADMIN_KEY, &wanted).await;
        assert_eq!((failed.status, &failed.body["code"]), (502, &json!("mlflow_unavailable")), "{cut:?}");
        assert_eq!(server.database.events().await.len(), events, "{cut:?}");
        proxy.cut(None);
        let made = register(&server, &wanted).await;
        assert_eq!((&made["version"], &made["repeated"]), (&json!("1"), &json!(false)), "{cut:?}");
        let versions = mlflow.versions(name(&wanted)).await;
        assert_eq!(versions.len(), 1, "{cut:?}");
        assert_eq!(tag(&versions[0], "agenthook.state"), Some("registered"), "{cut:?}");
        events += 1;
        assert_eq!(server.database.events().await.len(), events, "{cut:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_out_is_not_sent_again_although_mlflow_was_not_told() {
    let mlflow = Mlflow::of_the_run();
    let proxy = CutProxy::before(&mlflow.url).await;
    let server = Mlflow::server_at(&proxy.url).await;
    let (run_id, _) = mlflow.run(&[("accuracy", 0.95)]).await;
    let wanted = wanted(&run_id);
    proxy.cut(Some(Cut::Before("model-versions/set-tag")));
    let first = register(&server, &wanted).await;
    assert_eq!(tag(&mlflow.versions(name(&wanted)).await[0], "agenthook.state"), Some("registering"));
    proxy.cut(None);
    let again = register(&server, &wanted).await;
    assert_eq!((&again["event_id"], &again["repeated"]), (&first["event_id"], &json!(true)));
    assert_eq!(server.database.events().await.len(), 1);
    assert_eq!(tag(&mlflow.versions(name(&wanted)).await[0], "agenthook.state"), Some("registered"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_version_and_one_event_stay() {
    let mlflow = Mlflow::of_the_run();
    let server = mlflow.server().await;
    let (run_id, _) = mlflow.run(&[("accuracy", 0.95)]).await;
    let wanted = wanted(&run_id);
    let ask = || server.ask("POST", REGISTER, Some(ADMIN_KEY), Some(wanted.to_string()));
    let (a, b, c, d) = tokio::join!(ask(), ask(), ask(), ask());
    let answers = [a, b, c, d];
    for answer in &answers {
        assert_eq!(answer.status, 201, "{}", answer.text);
        assert_eq!(answer.body["event_id"], answers[0].body["event_id"]);
        assert_eq!(answer.body["version"], answers[0].body["version"]);
    }
    let new = answers.iter().filter(|answer| answer.body["repeated"] == false).count();
    assert_eq!(new, 1);
    assert_eq!((mlflow.versions(name(&wanted)).await.len(), server.database.events().await.len()), (1, 1));
}
