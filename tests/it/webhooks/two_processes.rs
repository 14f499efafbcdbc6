//! Endpoints that are changed through one process and told through another.

use agenthook::model::WebhookId;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use super::{WEBHOOKS, made, path};
use crate::harness::{Receiver, Server, eventually};
use crate::two_processes::{holds_within_a_second, two};

/// Publishes an event through this process, and waits until it was delivered to somebody.
async fn tell(through: &Server) -> String {
    let event = json!({"tenant_id": "acme", "event_type": "custom.x", "data": {}});
    let event = through.expect(202, "POST", "/api/v1/events", Some(event)).await;
    let id = event["event_id"].as_str().expect("an id").to_owned();
    let at = format!("/api/v1/events/{id}");
    eventually("the event is delivered", async || {
        let event = through.get(&at).await;
        (event["deliveries"][0]["status"] == "success").then_some(())
    })
    .await;
    id
}

/// The delivery of this event, if it came here.
async fn came(receiver: &Receiver, event_id: &str) -> Option<wiremock::Request> {
    let requests = receiver.requests().await;
    requests.into_iter().find(|request| request.body_json::<Value>().expect("JSON")["event_id"] == event_id)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_through_one_is_told_so_by_the_other_within_a_second() {
    let Some((one, other)) = two(None).await else { return };
    one.tenant(json!({"tenant_id": "acme"})).await;
    let (first, second) = (Receiver::start().await, Receiver::start().await);
    let secret = "the-secret-before-the-change";
    let new = json!({"tenant_id": "acme", "url": first.url(), "events": ["custom.*"], "secret": secret});
    let webhook = one.expect(201, "POST", WEBHOOKS, Some(new)).await;
    let delivery = came(&first, &tell(&other).await).await.expect("delivered here");
    assert!(first.is_signed(&delivery, secret));

    one.expect(200, "PATCH", &path(&webhook), Some(json!({"url": second.url()}))).await;
    holds_within_a_second("another URL", async || came(&second, &tell(&other).await).await.is_some()).await;

    let rotate = format!("{}/secret/rotate", path(&webhook));
    let rotated = one.expect(200, "POST", &rotate, Some(json!({"overlap_seconds": 0}))).await;
    let secret = rotated["secret_key"].as_str().expect("a secret");
    let signed = async || {
        let delivery = came(&second, &tell(&other).await).await.expect("delivered here");
        second.is_signed(&delivery, secret)
    };
    holds_within_a_second("a rotation", signed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_wanted_to_hear_of_is_written_within_a_second_of_the_wish() {
    let Some((one, other)) = two(None).await else { return };
    let agent = one.agent().await.through(&other);
    let receiver = Receiver::start().await;
    let new = json!({"tenant_id": "acme", "url": receiver.url(), "events": ["custom.*"]});
    let webhook = one.expect(201, "POST", WEBHOOKS, Some(new)).await;
    let told = async |n: &str| {
        let id = agent.accepted(n).await;
        other.ended(&id).await;
        other.database.told_types(&id).await.contains(&"execution.queued".to_owned())
    };
    assert!(!told("0").await, "nobody wants to hear of it");
    one.expect(200, "PATCH", &path(&webhook), Some(json!({"events": ["execution.queued"]}))).await;
    let count = std::sync::atomic::AtomicU32::new(1);
    let next = || count.fetch_add(1, std::sync::atomic::Ordering::SeqCst).to_string();
    holds_within_a_second("a wish", async || told(&next()).await).await;
    one.expect(200, "POST", &format!("{}/disable", path(&webhook)), None).await;
    holds_within_a_second("its end", async || !told(&next()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_disables_one_and_who_writes_an_outcome_never_wait_in_a_circle() {
    let server = super::server().await;
    // SQLite has one writer.
    if !server.database.is_postgres() {
        return;
    }
    let webhook = made(&server, json!({})).await;
    let id: WebhookId = webhook["webhook_id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    let health = "INSERT INTO webhook_health (webhook_id, delivered, failed, failures) VALUES ($1, 0, 0, 0)";
    let mut outcome = PgConnection::connect(&server.database.url).await.expect("opens");
    sqlx::query(health).bind(id.0).execute(&mut outcome).await.expect("written");
    let mut outcome = outcome.begin().await.expect("begins");
    let run = "UPDATE webhook_health SET failures = 1 WHERE webhook_id = $1";
    sqlx::query(run).bind(id.0).execute(&mut *outcome).await.expect("written");
    let disable = format!("{}/disable", path(&webhook));
    let goes_on = async {
        eventually("the other waits", async || {
            let waiting = "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event_type = 'Lock'";
            let mut looker = PgConnection::connect(&server.database.url).await.expect("opens");
            let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&mut looker).await.expect("a number");
            (waiting > 0).then_some(())
        })
        .await;
        let disable = "UPDATE webhooks SET version = version WHERE webhook_id = $1";
        sqlx::query(disable)
            .bind(id.0)
            .execute(&mut *outcome)
            .await
            .expect("nobody waits for us who holds it");
        outcome.commit().await.expect("committed");
    };
    let (disabled, ()) = tokio::join!(server.expect(200, "POST", &disable, None), goes_on);
    assert_eq!(disabled["status"], "disabled");
}
