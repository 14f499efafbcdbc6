//! Webhooks from a shell.

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::harness::{Receiver, Server, User, eventually, parsed};

#[tokio::test(flavor = "multi_thread")]
async fn one_is_made_shown_changed_and_deleted() {
    let server = Server::without_worker().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let user = User::of(&server);
    let create = ["webhooks", "create", "--tenant", "acme", "--url", "http://127.0.0.1:9/hook?token=planted"];
    let create = [&create[..], &["--events", "execution.*,model.*", "--retry", "60,300", "--json"]].concat();
    let made = parsed(&user.run(&create).await.good());
    let id = made["webhook_id"].as_str().expect("an id");
    assert_eq!(made["retry"], json!({"schedule_seconds": [60, 300]}));
    assert!(made["secret_key"].as_str().expect("a secret").starts_with("whsec_"));

    let table = user.run(&["webhooks", "list", "--tenant", "acme"]).await.good();
    assert!(table.contains(id) && table.contains("token=***") && !table.contains("planted"), "{table}");
    let shown = user.run(&["webhooks", "update", id, "--timeout", "7", "--if-version", "1"]).await.good();
    assert!(shown.contains("7 s") && shown.contains("after 60, 300 s"), "{shown}");
    let stale =
        user.run(&["webhooks", "update", id, "--timeout", "8", "--if-version", "1"]).await.complaint(1);
    assert!(stale.starts_with("412 version_mismatch: "), "{stale}");
    user.run(&["webhooks", "update", id]).await.complaint(2);

    assert!(user.run(&["webhooks", "disable", id]).await.good().contains("disabled (by_hand)"));
    assert!(user.run(&["webhooks", "enable", id]).await.good().contains("active"));
    let rotated = user.run(&["webhooks", "rotate-secret", id, "--overlap", "0"]).await.good();
    assert!(rotated.contains("whsec_") && rotated.contains("shown this once"), "{rotated}");
    assert!(user.run(&["webhooks", "test", id]).await.good().starts_with("event evt_"));
    let wrong = user.run(&["webhooks", "test", id, "--event-type", "no.such"]).await.complaint(2);
    assert!(wrong.contains("--event-type"), "{wrong}");

    assert_eq!(user.run(&["webhooks", "delete", id]).await.good(), format!("deleted webhook {id}\n"));
    assert!(user.run(&["webhooks", "show", id]).await.complaint(1).starts_with("404 not_found: "));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_the_api_takes_is_in_a_file() {
    let server = Server::without_worker().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let user = User::of(&server);
    let fields = json!({
        "tenant_id": "acme", "url": "http://127.0.0.1:9/", "events": ["*"], "headers": {"X-Team": "planted"},
        "rate_limit": {"per_minute": 60, "burst": 10}, "secret": "a-secret-of-the-receiver"
    });
    let create = ["webhooks", "create", "--fields", "-", "--profile", "hub", "--json"];
    let made = parsed(&user.run_with(&create, fields.to_string().as_bytes()).await.good());
    assert_eq!((&made["profile"], &made["headers"]), (&json!("hub"), &json!({"X-Team": "***"})));
    assert_eq!(made["secret_key"], "a-secret-of-the-receiver");
    let id = made["webhook_id"].as_str().expect("an id");
    let shown = user.run(&["webhooks", "show", id]).await.good();
    assert!(shown.contains("X-Team") && shown.contains("60/min") && !shown.contains("planted"), "{shown}");
    let refused = user.run(&["webhooks", "create", "--tenant", "acme", "--events", "*"]).await.complaint(1);
    assert!(refused.contains("url"), "{refused}");
}

/// Waits until an endpoint has so many deliveries with this status; the newest.
async fn delivery(user: &User, id: &str, status: &str, count: usize) -> Value {
    eventually(&format!("{count} deliveries are {status}"), async || {
        let list = user.run(&["webhooks", "deliveries", id, "--status", status, "--json"]).await.good();
        let list = parsed(&list)["deliveries"].as_array().expect("a list").clone();
        (list.len() == count).then(|| list[0].clone())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_looked_at_and_sent_again() {
    let (server, receiver) = (Server::start().await, Receiver::start().await);
    server.tenant(json!({"tenant_id": "acme"})).await;
    let user = User::of(&server);
    let fields = json!({
        "tenant_id": "acme", "url": receiver.url(), "events": ["custom.*"], "retry": {"schedule_seconds": []},
        "disable_on_exhausted": false
    });
    let create = ["webhooks", "create", "--fields", "-", "--json"];
    let made = parsed(&user.run_with(&create, fields.to_string().as_bytes()).await.good());
    let id = made["webhook_id"].as_str().expect("an id");
    let none = user.run(&["webhooks", "deliveries", id, "--json"]).await.good();
    assert_eq!(parsed(&none)["deliveries"], json!([]));

    receiver.answers(ResponseTemplate::new(500).set_body_string("out of order"));
    user.run(&["webhooks", "test", id]).await.good();
    let lost = delivery(&user, id, "exhausted", 1).await;
    let one = lost["delivery_id"].as_str().expect("an id");
    let table = user.run(&["webhooks", "deliveries", id]).await.good();
    let row = table.lines().find(|line| line.starts_with(one)).unwrap_or_else(|| panic!("{table}"));
    let cells: Vec<_> = row.split_whitespace().collect();
    assert_eq!(cells, [one, "custom.test", "exhausted", "500", "1", "-"]);
    let whole = parsed(&user.run(&["webhooks", "deliveries", id, one]).await.good());
    assert_eq!(whole["attempts"][0]["response_body"], "out of order");
    user.run(&["webhooks", "deliveries", id, "--status", "lost"]).await.complaint(2);

    receiver.answers(ResponseTemplate::new(204));
    let said = user.run(&["webhooks", "retry", id, one]).await.good();
    assert_eq!(said, format!("delivery {one} is sent once more\n"));
    assert_eq!(delivery(&user, id, "success", 1).await["attempt_count"], 2);
    let nobodys = format!("del_{}", uuid::Uuid::now_v7().simple());
    let missing = user.run(&["webhooks", "retry", id, &nobodys]).await.complaint(1);
    assert!(missing.starts_with("404 not_found: "), "{missing}");

    receiver.answers(ResponseTemplate::new(503));
    for _ in 0..3 {
        user.run(&["webhooks", "test", id]).await.good();
    }
    delivery(&user, id, "exhausted", 3).await;
    receiver.answers(ResponseTemplate::new(204));
    let since = made["created_at"].as_str().expect("a time");
    let past =
        user.run(&["webhooks", "recover", id, "--since", "2020-01-01T00:00:00Z", "--until", since]).await;
    assert_eq!(past.good(), "nothing has failed since 2020-01-01T00:00:00Z\n");
    let said = user.run(&["webhooks", "recover", id, "--since", since]).await.good();
    assert_eq!(said, format!("3 deliveries that failed since {since} are sent once more\n"));
    delivery(&user, id, "success", 4).await;
    assert_eq!(receiver.requests().await.len(), 8, "what had succeeded is not sent again");
    let wrong = user.run(&["webhooks", "recover", id, "--since", "yesterday"]).await.complaint(1);
    assert!(wrong.starts_with("422 "), "{wrong}");
}
