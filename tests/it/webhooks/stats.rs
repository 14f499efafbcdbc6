//! How endpoints are: each in the list as it is by itself.

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::{WEBHOOKS, path};
use crate::harness::{Receiver, Server, eventually};

/// An endpoint of tenant acme at this receiver, tried so often.
async fn tried(server: &Server, receiver: &Receiver, times: usize) -> Value {
    let body = json!({"tenant_id": "acme", "url": receiver.url(), "events": ["custom.*"], "retry": {"schedule_seconds": [3600]}});
    let webhook = server.expect(201, "POST", WEBHOOKS, Some(body)).await;
    for _ in 0..times {
        server.expect(202, "POST", &format!("{}/test", path(&webhook)), None).await;
    }
    eventually("all attempts are counted", async || {
        let stats = server.get(&path(&webhook)).await["stats"].clone();
        let counted = stats["delivered"].as_u64().zip(stats["failed"].as_u64());
        (counted == Some((times as u64, 0)) || counted == Some((0, times as u64))).then_some(())
    })
    .await;
    webhook
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_each_endpoint_as_it_is() {
    let server = Server::with_manual_clock().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let (well, ill) = (Receiver::start().await, Receiver::start().await);
    ill.answers(ResponseTemplate::new(500));
    let quiet = tried(&server, &well, 0).await;
    let delivered = tried(&server, &well, 3).await;
    let failed = tried(&server, &ill, 5).await;
    let list = server.get(WEBHOOKS).await["webhooks"].as_array().expect("a list").clone();
    let mut each = Vec::new();
    for webhook in [&failed, &delivered, &quiet] {
        each.push(server.get(&path(webhook)).await);
    }
    assert_eq!(list, each);
    let stats = |n: usize| {
        (&list[n]["stats"]["delivered"], &list[n]["stats"]["failed"], &list[n]["stats"]["circuit"])
    };
    assert_eq!(stats(0), (&json!(0), &json!(5), &json!("open")));
    assert_eq!(stats(1), (&json!(3), &json!(0), &json!("closed")));
    assert_eq!(stats(2), (&json!(0), &json!(0), &json!("closed")));
}
