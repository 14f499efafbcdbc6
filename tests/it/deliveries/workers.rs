//! Several workers on one database: each delivery is sent by one of them, once.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use wiremock::ResponseTemplate;

use crate::harness::{Receiver, eventually};
use crate::two_processes::two;

/// Events, each told to every endpoint.
const EVENTS: usize = 150;

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_never_send_one_delivery_both() {
    // SQLite belongs to one process, which has one worker.
    let Some((one, other)) = two(None).await else { return };
    let receiver = Receiver::start().await;
    receiver.answers(ResponseTemplate::new(204).set_delay(std::time::Duration::from_millis(30)));
    one.tenant(json!({"tenant_id": "acme"})).await;
    let mut endpoints = Vec::new();
    for n in 0..3 {
        let url = format!("{}/{n}", receiver.url());
        let body = json!({"tenant_id": "acme", "url": url, "events": ["custom.*"]});
        let made = one.expect(201, "POST", "/api/v1/webhooks", Some(body)).await;
        endpoints.push(format!("/api/v1/webhooks/{}", made["webhook_id"].as_str().expect("an id")));
    }
    one.start_worker();
    let publish = (0..EVENTS).map(async |n| {
        let event = json!({"tenant_id": "acme", "event_type": "custom.x", "data": {"n": n}});
        let at = if n % 2 == 0 { &one } else { &other };
        at.expect(202, "POST", "/api/v1/events", Some(event)).await;
    });
    let both = async {
        let mut connection = PgConnection::connect(&one.database.url).await.expect("opens");
        let mut owners = std::collections::HashSet::new();
        while owners.len() < 2 {
            const OWNERS: &str = "SELECT DISTINCT lease_owner FROM deliveries WHERE lease_owner IS NOT NULL";
            let now: Vec<uuid::Uuid> =
                sqlx::query_scalar(OWNERS).fetch_all(&mut connection).await.expect("ids");
            owners.extend(now);
            tokio::task::yield_now().await;
        }
    };
    let all = futures_util::future::join_all(publish);
    tokio::join!(all, async {
        tokio::time::timeout(std::time::Duration::from_secs(60), both).await.expect("both take part");
    });
    for endpoint in &endpoints {
        let told = async || {
            let stats = one.get(endpoint).await["stats"].clone();
            (stats["delivered"] == EVENTS).then_some(stats)
        };
        let stats = eventually("all is told", told).await;
        assert_eq!(stats["failed"], 0);
    }
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    for request in receiver.requests().await {
        let body: Value = request.body_json().expect("JSON");
        let event = body["event_id"].as_str().expect("an id").to_owned();
        *seen.entry((request.url.path().to_owned(), event)).or_default() += 1;
    }
    assert_eq!(seen.len(), EVENTS * endpoints.len());
    let twice: Vec<_> = seen.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "sent more than once: {twice:?}");
}
