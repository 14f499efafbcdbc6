//! Events: what is published is checked, kept as it came, and told to those who want to hear of it and to nobody else.

mod catalogue;
mod forgetting;
mod heavy;
mod idempotency;
mod listing;
mod publishing;
mod received;
mod telling;

use agenthook::store::{Store, Undispatched};
use serde_json::{Value, json};

use crate::harness::{ADMIN_KEY, Answer, Server};

/// Publishes as the admin.
async fn publish(server: &Server, event: Value) -> Answer {
    server.ask("POST", "/api/v1/events", Some(ADMIN_KEY), Some(event.to_string())).await
}

/// The same for tenant `acme`, which must succeed; the event's id.
async fn published(server: &Server, event_type: &str, data: Value) -> String {
    let event = json!({"tenant_id": "acme", "event_type": event_type, "data": data});
    let answer = publish(server, event).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.body["event_id"].as_str().expect("an id").to_owned()
}

/// A server with a tenant `acme` where nothing is dispatched.
async fn idle() -> Server {
    let server = Server::without_worker().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    server
}

/// Ids of a list, in its order.
fn ids(page: &Value) -> Vec<&str> {
    page["events"].as_array().expect("a list").iter().filter_map(|event| event["event_id"].as_str()).collect()
}

/// What is still to be dispatched, up to so much of each tenant.
async fn undispatched(store: &Store, each: i64) -> Undispatched {
    let tenants = store.undispatched_tenants().await.expect("an answer");
    store.undispatched(&tenants, each).await.expect("an answer")
}
