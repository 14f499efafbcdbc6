//! What ends deliveries and endpoints besides their schedules.

use agenthook::model::{DeliveryId, EventId};
use agenthook::store::NewDelivery;
use chrono::TimeDelta;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::{SECOND, endpoint, newest, sees, send};
use crate::harness::{Agent, Receiver, Server, eventually};
use crate::two_processes::two;

/// The deliveries of an endpoint by their events.
async fn page(server: &Server, endpoint: &str) -> Vec<Value> {
    let page = server.get(&format!("{endpoint}/deliveries")).await;
    page["deliveries"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_whose_event_is_gone_ends_alone() {
    let (server, receiver) = (Server::with_manual_clock().await, Receiver::start().await);
    let endpoint = endpoint(&server, &receiver, json!({"retry": {"schedule_seconds": [60]}})).await;
    receiver.answers(ResponseTemplate::new(500));
    for _ in 0..4 {
        send(&server, &endpoint).await;
    }
    let failed = |all: &Vec<Value>| all.len() == 4 && all.iter().all(|it| it["status"] == "failed");
    let all = eventually("all fail", async || Some(page(&server, &endpoint).await).filter(&failed)).await;
    let id = |delivery: &Value| {
        let id: EventId = delivery["event_id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        server.database.id(id.0)
    };
    for change in [
        format!("DELETE FROM events WHERE event_id = {}", id(&all[0])),
        format!("UPDATE events SET event_type = 'no.such' WHERE event_id = {}", id(&all[1])),
        format!("UPDATE events SET data = 'no JSON' WHERE event_id = {}", id(&all[2])),
    ] {
        server.database.sql(&change).await;
    }
    receiver.answers(ResponseTemplate::new(200));
    server.clock.advance(SECOND * 67);
    let ended =
        |all: &Vec<Value>| all.iter().all(|it| it["status"] == "exhausted" || it["status"] == "success");
    let now = eventually("all end", async || Some(page(&server, &endpoint).await).filter(&ended)).await;
    for (delivery, lost) in now.iter().zip([true, true, true, false]) {
        let status = if lost { "exhausted" } else { "success" };
        assert_eq!(delivery["status"], status, "{delivery}");
        assert_eq!(delivery["error"]["code"], if lost { json!("unsendable") } else { Value::Null });
        assert_eq!(delivery["attempt_count"], if lost { 1 } else { 2 }, "nothing was sent of it");
    }
    assert_eq!(server.get(&endpoint).await["status"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_endpoint_is_sent_nothing_that_waits() {
    let (server, receiver) = (Server::with_manual_clock().await, Receiver::start().await);
    let deleted = endpoint(&server, &receiver, json!({"retry": {"schedule_seconds": [60]}})).await;
    receiver.answers(ResponseTemplate::new(500));
    for _ in 0..2 {
        send(&server, &deleted).await;
    }
    let failed = |all: &Vec<Value>| all.len() == 2 && all.iter().all(|it| it["status"] == "failed");
    let all = eventually("both fail", async || Some(page(&server, &deleted).await).filter(&failed)).await;
    server.expect(204, "DELETE", &deleted, None).await;
    for delivery in &all {
        let event = format!("/api/v1/events/{}", delivery["event_id"].as_str().expect("an id"));
        let ended =
            async || (server.get(&event).await["deliveries"][0]["status"] == "exhausted").then_some(());
        eventually("it ends", ended).await;
    }
    let contents = server.database.contents().await;
    let errors = String::from_utf8_lossy(&contents["deliveries.error"]).into_owned();
    assert_eq!(errors.matches("endpoint_deleted").count(), 2, "{errors}");
    server.clock.advance(SECOND * 67);
    // What is due is due for all: when the witness has been told, it had its chance.
    let witness = Receiver::start().await;
    let body = json!({"tenant_id": "acme", "url": witness.url(), "events": ["custom.*"]});
    let made = server.expect(201, "POST", "/api/v1/webhooks", Some(body)).await;
    send(&server, &format!("/api/v1/webhooks/{}", made["webhook_id"].as_str().expect("an id"))).await;
    witness.got(1).await;
    assert_eq!(receiver.requests().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_in_vain_ends_slice_by_slice() {
    let (server, receiver) = (Server::without_worker().await, Receiver::start().await);
    let (store, now) = (&server.app.store, server.clock.now());
    let mut endpoints = vec![endpoint(&server, &receiver, json!({})).await];
    for _ in ["disabled", "well"] {
        let webhook = server.subscribe(json!(["custom.*"])).await;
        endpoints.push(format!("/api/v1/webhooks/{}", webhook["webhook_id"].as_str().expect("an id")));
    }
    let ids: Vec<&str> = endpoints.iter().filter_map(|path| path.rsplit('/').next()).collect();
    server.expect(204, "DELETE", &endpoints[0], None).await;
    server.expect(200, "POST", &format!("{}/disable", endpoints[1]), None).await;
    // As if they were dispatched in the moment before.
    for _ in 0..3 {
        let event = json!({"tenant_id": "acme", "event_type": "custom.x", "data": {}});
        let event = server.expect(202, "POST", "/api/v1/events", Some(event)).await;
        let event_id = event["event_id"].as_str().expect("an id").parse().expect("an id");
        let new = |id: &&str| NewDelivery {
            delivery_id: DeliveryId::new(),
            event_id,
            webhook_id: id.parse().expect("an id"),
            event_type: "custom.x".parse().expect("a type"),
            error: None,
        };
        let made: Vec<_> = ids.iter().map(new).collect();
        store.dispatch(&[event_id], &made, &[], now).await.expect("dispatched");
    }
    let codes = async || {
        let contents = server.database.contents().await;
        let errors = String::from_utf8_lossy(&contents["deliveries.error"]).into_owned();
        ["endpoint_deleted", "endpoint_disabled"].map(|code| errors.matches(code).count())
    };
    for (before, may_be_more, ended) in [
        (now - TimeDelta::days(1), true, [2, 0]),
        (now - TimeDelta::days(1), false, [3, 0]),
        (now + TimeDelta::days(1), true, [3, 2]),
        (now + TimeDelta::days(1), false, [3, 3]),
    ] {
        assert_eq!(store.end_vain_deliveries(2, before).await.expect("an answer"), may_be_more);
        assert_eq!(codes().await, ended);
    }
    let page = server.get(&format!("{}/deliveries?status=pending", endpoints[2])).await;
    assert_eq!(page["total"], 3, "what is well is left alone");
}

/// Whether the next accept is told as an event.
async fn tells(api: &Server, agent: &Agent) -> bool {
    let id = agent.accepted(format!("{:?}", uuid::Uuid::new_v4().to_string())).await;
    api.database.told_types(&id).await.contains(&"execution.queued".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_disables_no_process_counts_as_a_subscriber() {
    let receiver = Receiver::start().await;
    receiver.answers(ResponseTemplate::new(410));
    // On Postgres the worker is another process.
    let (api, _other) = match two(None).await {
        Some((api, other)) => (api, Some(other)),
        None => (Server::start().await, None),
    };
    let agent = api.agent().await;
    assert!(!tells(&api, &agent).await, "nobody wants to hear of it");
    let body = json!({"tenant_id": "acme", "url": receiver.url(), "events": ["execution.queued"]});
    let made = api.expect(201, "POST", "/api/v1/webhooks", Some(body)).await;
    let endpoint = format!("/api/v1/webhooks/{}", made["webhook_id"].as_str().expect("an id"));
    assert!(tells(&api, &agent).await);
    sees(&api, &endpoint, "is disabled", |it| it["disabled_reason"] == "gone").await;
    eventually("nobody counts on it", async || (!tells(&api, &agent).await).then_some(())).await;
    let first = newest(&api, &endpoint, "was its end", |it| it["status"] == "exhausted").await;
    assert!(first["error"].is_object());
}
