//! Events from a shell.

use serde_json::json;

use crate::harness::{Server, User, parsed};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_published_listed_and_shown_as_it_was_written() {
    let server = Server::without_worker().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let user = User::of(&server);
    let data = r#"{"z": 9007199254740993, "a": 1.5}"#;
    let publish =
        ["events", "publish", "custom.order.paid", "--tenant", "acme", "--idempotency-key", "A-1", "--json"];
    let first = parsed(&user.run(&[&publish[..], &["--data", data]].concat()).await.good());
    let again = parsed(&user.run_with(&[&publish[..], &["-"]].concat(), data.as_bytes()).await.good());
    assert_eq!(again, first, "the key names it");
    let id = first["event_id"].as_str().expect("an id");
    let list = user.run(&["events", "list", "--type", "custom.order.paid"]).await.good();
    assert!(list.contains(id) && list.lines().count() == 2, "{list}");
    let none = user.run(&["events", "list", "--type", "custom.other", "--json"]).await.good();
    assert_eq!(parsed(&none)["events"], json!([]));
    assert!(user.run(&["events", "show", id]).await.good().contains("custom.order.paid"));
    let whole = user.run(&["events", "show", id, "--json"]).await.good();
    assert!(whole.contains(r#""data":{"z":9007199254740993,"a":1.5}"#), "{whole}");
    let types = user.run(&["events", "types"]).await.good();
    assert!(types.contains("batch.progress") && types.contains("custom.*"), "{types}");
    assert!(parsed(&user.run(&["events", "types", "--json"]).await.good())["event_types"].is_array());
    let reserved = ["events", "publish", "execution.failed", "--tenant", "acme", "--data", "{}"];
    let refused = user.run(&reserved).await.complaint(1);
    assert!(refused.starts_with("422 reserved_event_type: "), "{refused}");
    for wrong in [
        &["events", "publish", "custom.x", "--data", "{"][..],
        &["events", "publish", "custom.x"],
        &["events", "publish", "order.paid", "--data", "{}"],
        &["events", "show", "nothing"],
    ] {
        user.run(wrong).await.complaint(2);
    }
}
