//! What becomes of a delivery: outcomes, schedules, the circuit, and sending again.

mod circuit;
mod endings;
mod lost;
mod recovery;
mod schedules;
mod workers;

use std::time::Duration;

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::harness::{Receiver, Server, eventually};

const SECOND: Duration = Duration::from_secs(1);

/// An endpoint of tenant acme at this receiver, and its address.
async fn endpoint(server: &Server, receiver: &Receiver, fields: Value) -> String {
    server.tenant(json!({"tenant_id": "acme"})).await;
    let mut body = json!({"tenant_id": "acme", "url": receiver.url(), "events": ["custom.*"]});
    for (name, value) in fields.as_object().expect("fields") {
        body[name] = value.clone();
    }
    let made = server.expect(201, "POST", "/api/v1/webhooks", Some(body)).await;
    format!("/api/v1/webhooks/{}", made["webhook_id"].as_str().expect("an id"))
}

async fn send(server: &Server, endpoint: &str) {
    server.expect(202, "POST", &format!("{endpoint}/test"), None).await;
}

/// Waits until the newest delivery is as it should be.
async fn newest(server: &Server, endpoint: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let newest = async || {
        let page = server.get(&format!("{endpoint}/deliveries?limit=1")).await;
        Some(page["deliveries"][0].clone()).filter(&is)
    };
    eventually(&format!("a delivery {what}"), newest).await
}

/// Waits until the endpoint is as it should be.
async fn sees(server: &Server, endpoint: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let seen = async || Some(server.get(endpoint).await).filter(&is);
    eventually(&format!("the endpoint {what}"), seen).await
}

fn path(endpoint: &str, delivery: &Value) -> String {
    format!("{endpoint}/deliveries/{}", delivery["delivery_id"].as_str().expect("an id"))
}

async fn disabled_events(server: &Server) -> usize {
    let contents = server.database.contents().await;
    let types = String::from_utf8_lossy(&contents["events.event_type"]).into_owned();
    types.lines().filter(|line| *line == "endpoint.disabled").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_tried_to_the_end_of_its_schedule_and_recovered() {
    let (server, receiver) = (Server::with_manual_clock().await, Receiver::start().await);
    let schedule = json!({"retry": {"schedule_seconds": [60, 600]}});
    let endpoint = endpoint(&server, &receiver, schedule).await;
    receiver.answers(ResponseTemplate::new(500).set_body_string("out of order"));
    let since = server.clock.now().to_rfc3339();
    send(&server, &endpoint).await;
    for (attempts, wait) in [(1, 66), (2, 660)] {
        let failed = |it: &Value| it["status"] == "failed" && it["attempt_count"] == attempts;
        let failed = newest(&server, &endpoint, "fails", failed).await;
        assert!(failed["next_attempt_at"].is_string(), "{failed}");
        server.clock.advance(SECOND * wait);
    }
    let lost = newest(&server, &endpoint, "is exhausted", |it| it["status"] == "exhausted").await;
    assert_eq!((&lost["attempt_count"], &lost["next_attempt_at"]), (&json!(3), &Value::Null));
    assert_eq!((&lost["status_code"], &lost["error"]["code"]), (&json!(500), &json!("status")));
    let bodies = receiver.bodies().await;
    let counts: Vec<_> = bodies.iter().map(|body| body["retry_count"].clone()).collect();
    assert_eq!(counts, [0, 1, 2]);
    assert!(bodies.iter().all(|body| body["event_id"] == lost["event_id"]), "{bodies:?}");
    let detail = server.get(&path(&endpoint, &lost)).await;
    let attempts = detail["attempts"].as_array().expect("a list");
    assert_eq!(attempts.len(), 3);
    assert_eq!((&attempts[0]["number"], &attempts[0]["response_body"]), (&json!(1), &json!("out of order")));
    let disabled = server.get(&endpoint).await;
    assert_eq!(
        (&disabled["status"], &disabled["disabled_reason"]),
        (&json!("disabled"), &json!("exhausted"))
    );
    assert_eq!(disabled["stats"]["failed"], 1);
    assert_eq!(disabled_events(&server).await, 1);

    receiver.answers(ResponseTemplate::new(200));
    let recover = json!({ "since": since });
    let recovery = server.expect(202, "POST", &format!("{endpoint}/recover"), Some(recover)).await;
    assert_eq!(recovery["matched"], 1);
    server.expect(200, "POST", &format!("{endpoint}/enable"), None).await;
    newest(&server, &endpoint, "succeeds", |it| it["status"] == "success").await;
    let stats = server.get(&endpoint).await["stats"].clone();
    assert_eq!((&stats["delivered"], &stats["failed"]), (&json!(1), &json!(0)), "{stats}");
    server.expect(202, "POST", &format!("{}/retry", path(&endpoint, &lost)), None).await;
    newest(&server, &endpoint, "is sent again", |it| it["attempt_count"] == 5 && it["status"] == "success")
        .await;
    let stats = server.get(&endpoint).await["stats"].clone();
    assert_eq!((&stats["delivered"], &stats["failed"]), (&json!(1), &json!(0)), "one delivery: {stats}");
    let page = server.get(&format!("{endpoint}/deliveries?status=failed")).await;
    assert_eq!((&page["total"], &page["limit"], &page["deliveries"]), (&json!(0), &json!(50), &json!([])));
    let wrong = json!({"since": "2026-02-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"});
    server.expect(422, "POST", &format!("{endpoint}/recover"), Some(wrong)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_gone_is_disabled_and_a_busy_one_is_left_alone() {
    let (server, receiver) = (Server::with_manual_clock().await, Receiver::start().await);
    let endpoint = endpoint(&server, &receiver, json!({"retry": "fast"})).await;
    receiver.answers(ResponseTemplate::new(503).insert_header("Retry-After", "7200"));
    send(&server, &endpoint).await;
    let busy = newest(&server, &endpoint, "fails", |it| it["status"] == "failed").await;
    let due = busy["next_attempt_at"].as_str().expect("a time").parse::<chrono::DateTime<chrono::Utc>>();
    let wait = due.expect("a time") - server.clock.now();
    assert!((7200..=7920).contains(&wait.num_seconds()), "{wait}");
    receiver.answers(ResponseTemplate::new(410));
    server.expect(202, "POST", &format!("{}/retry", path(&endpoint, &busy)), None).await;
    newest(&server, &endpoint, "is exhausted", |it| it["status"] == "exhausted").await;
    assert_eq!(server.get(&endpoint).await["disabled_reason"], "gone");
    assert_eq!(disabled_events(&server).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_ends_before_the_worker_does() {
    let (server, receiver) = (Server::start().await, Receiver::start().await);
    let endpoint = endpoint(&server, &receiver, json!({})).await;
    receiver.answers(ResponseTemplate::new(200).set_delay(SECOND * 3));
    send(&server, &endpoint).await;
    receiver.got(1).await;
    let page = server.get(&format!("{endpoint}/deliveries")).await;
    let retry = format!("{}/retry", path(&endpoint, &page["deliveries"][0]));
    let refused = server.expect(409, "POST", &retry, None).await;
    assert_eq!(refused["code"], "conflict");
    server.drain().await;
    let sent = newest(&server, &endpoint, "is written down", |_| true).await;
    assert_eq!((&sent["status"], &sent["attempt_count"]), (&json!("success"), &json!(1)));
    assert_eq!(receiver.requests().await.len(), 1);
}
