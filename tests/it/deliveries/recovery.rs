//! Sending again what failed, where that is more than is done at once.

use std::collections::HashSet;

use agenthook::model::{ApiKeyId, Event};
use agenthook::store::Report;
use serde_json::json;
use wiremock::ResponseTemplate;

use super::{endpoint, newest, sees, send};
use crate::harness::{Receiver, Server, eventually};

/// More than two slices.
const MISSED: usize = 1100;

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_slice_is_recovered_to_the_last_and_each_once() {
    let (server, receiver) = (Server::start().await, Receiver::start().await);
    let endpoint = endpoint(&server, &receiver, json!({})).await;
    let since = server.clock.now().to_rfc3339();
    server.expect(200, "POST", &format!("{endpoint}/disable"), None).await;
    let report = |n| {
        let kind = "custom.missed".parse().expect("a type");
        let event = Event::new(kind, "acme".parse().ok(), server.clock.now(), &json!({ "n": n }));
        Report { event, key: None, by: ApiKeyId::new() }
    };
    server.app.store.report(&(0..MISSED).map(report).collect::<Vec<_>>()).await.expect("written");
    let missed = format!("{endpoint}/deliveries?status=exhausted&limit=1");
    let all = async || (server.get(&missed).await["total"] == MISSED).then_some(());
    eventually("all are missed", all).await;
    let recover = format!("{endpoint}/recover");
    let recovery = server.expect(202, "POST", &recover, Some(json!({ "since": since }))).await;
    assert_eq!(recovery["matched"], MISSED);
    server.expect(200, "POST", &format!("{endpoint}/enable"), None).await;
    let delivered = |it: &serde_json::Value| it["stats"]["delivered"] == MISSED;
    sees(&server, &endpoint, "was told all", delivered).await;
    let bodies = receiver.bodies().await;
    // The disabling and the enabling are told to those who subscribe to it, which this one does not.
    let told: HashSet<String> = bodies.iter().map(|body| body["event_id"].to_string()).collect();
    assert_eq!((bodies.len(), told.len()), (MISSED, MISSED));
    let done = async || {
        let contents = server.database.contents().await;
        contents["recoveries.recovery_id"].is_empty().then_some(())
    };
    eventually("the wish is done", done).await;
}

/// As the documents say.
const WISHES: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_has_a_few_wishes_and_a_disabled_one_keeps_no_other_waiting() {
    let (server, receiver) = (Server::start().await, Receiver::start().await);
    let disabled = endpoint(&server, &receiver, json!({})).await;
    let body = json!({"tenant_id": "acme", "url": receiver.url(), "events": ["custom.*"],
        "retry": {"schedule_seconds": [36_000]}});
    let other = server.expect(201, "POST", "/api/v1/webhooks", Some(body)).await;
    let other = format!("/api/v1/webhooks/{}", other["webhook_id"].as_str().expect("an id"));
    server.expect(200, "POST", &format!("{disabled}/disable"), None).await;
    let wish = Some(json!({"since": "2026-01-01T00:00:00Z"}));
    let recover = format!("{disabled}/recover");
    for _ in 0..WISHES - 1 {
        server.expect(202, "POST", &recover, wish.clone()).await;
    }
    let at_once = (0..5).map(|_| server.api("POST", &recover, wish.clone()));
    let mut statuses: Vec<_> =
        futures_util::future::join_all(at_once).await.into_iter().map(|(status, _)| status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 409, 409, 409, 409], "there was room for one");
    let refused = server.expect(409, "POST", &recover, wish.clone()).await;
    assert_eq!(refused["code"], "conflict");
    // Those of another are its own, and are not behind them.
    receiver.answers(ResponseTemplate::new(500));
    send(&server, &other).await;
    newest(&server, &other, "fails", |it| it["status"] == "failed").await;
    receiver.answers(ResponseTemplate::new(200));
    server.expect(202, "POST", &format!("{other}/recover"), wish.clone()).await;
    newest(&server, &other, "is recovered", |it| it["status"] == "success").await;
    let open = async || {
        let made = server.database.contents().await["recoveries.created_at"].clone();
        String::from_utf8_lossy(&made).lines().count()
    };
    eventually("those of the disabled one wait", async || (open().await == WISHES).then_some(())).await;
    server.expect(200, "POST", &format!("{disabled}/enable"), None).await;
    eventually("all are done", async || (open().await == 0).then_some(())).await;
    server.expect(202, "POST", &recover, wish).await;
}
