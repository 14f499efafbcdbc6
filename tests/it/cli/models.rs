//! Models from a shell.

use serde_json::json;

use crate::harness::{Mlflow, Server, User, parsed, unique};

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_registered_and_told_of_again() {
    let mlflow = Mlflow::of_the_run();
    let server = mlflow.server().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let (user, name) = (User::of(&server), unique("It's 100 % ours?"));
    let (run_id, _) = mlflow.run(&[("loss", -0.5)]).await;
    let uri = format!("runs:/{run_id}/model");
    let with = |baseline: &str, more: &[&str]| {
        let args = ["models", "register", "--model-uri", &uri, "--model-name", &name, "--token-id", "lscor"];
        let args = [&args[..], &["--metric-name", "loss", "--baseline-value", baseline], more].concat();
        args.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let run = async |args: Vec<String>| user.run(&args.iter().map(String::as_str).collect::<Vec<_>>()).await;

    let refused = run(with("-0.4", &[])).await.complaint(1);
    assert!(refused.starts_with("422 below_baseline: "), "{refused}");
    let more = &["--tag", "env=prod", "--tag", "x=a=b", "--tenant", "acme"];
    let made = run(with("-0.5", more)).await.good();
    let line = |text: &str, name: &str| {
        let line =
            text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
        line[name.len()..].trim().to_owned()
    };
    assert_eq!((line(&made, "version"), line(&made, "token")), ("1".into(), "LSCOR".into()));
    let event = line(&made, "event");
    assert!(event.starts_with("evt_"), "{made}");
    let again = run(with("-0.5", more)).await.good();
    assert!(line(&again, "event").starts_with(&event) && again.contains("earlier"), "{again}");
    let shown = parsed(&run(with("-0.5", &[&more[..], &["--json"]].concat())).await.good());
    assert_eq!(shown["tags"], json!({"env": "prod", "x": "a=b"}));

    let told = user.run(&["models", "notify", &name, "1"]).await.good();
    assert!(line(&told, "event").starts_with("evt_") && line(&told, "event") != event, "{told}");
    let none = user.run(&["models", "notify", &name, "2"]).await.complaint(1);
    assert!(none.starts_with("404 not_found: "), "{none}");
    let contradicts = user.run(&["models", "notify", &name, "1", "--token-id", "other"]).await.complaint(1);
    assert!(contradicts.starts_with("422 invalid_request: /token_id "), "{contradicts}");
    user.run(&["models", "notify", &name, "latest"]).await.complaint(2);
    run(with("much", &[])).await.complaint(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_mlflow_the_shell_says_what_to_set() {
    let server = Server::without_worker().await;
    let refused = User::of(&server).run(&["models", "notify", "m", "1"]).await;
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("409 mlflow_not_configured") && refused.err.contains("MLFLOW_TRACKING_URI"));
}
