//! What the product has told, as it stands in the database.

use agenthook::model::DeliveryId;
use agenthook::store::NewDelivery;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, SqliteConnection};
use uuid::Uuid;

use super::{Database, Server};

/// An event's type and what it says.
pub type Told = (String, Value);

impl Database {
    /// What was told of an execution or an agent, in order.
    pub async fn told(&self, about: &str) -> Vec<Told> {
        const TOLD: &str = "SELECT event_type, tenant_id, data FROM events
            WHERE execution_id = $1 OR agent_id = $1 AND execution_id IS NULL ORDER BY event_id";
        let about: Uuid = about.parse().expect("an id");
        let rows: Vec<(String, Option<String>, String)> = if self.is_postgres() {
            let mut connection = PgConnection::connect(&self.url).await.expect("opens");
            sqlx::query_as(TOLD).bind(about).fetch_all(&mut connection).await.expect("events")
        } else {
            let mut connection = SqliteConnection::connect(&self.url).await.expect("opens");
            sqlx::query_as(TOLD).bind(about).fetch_all(&mut connection).await.expect("events")
        };
        let told = |(event_type, tenant, data): (String, Option<String>, String)| {
            let data: Value = serde_json::from_str(&data).expect("JSON");
            assert_eq!(data["tenant_id"], json!(tenant), "whose it is");
            (event_type, data)
        };
        rows.into_iter().map(told).collect()
    }

    /// The types alone.
    pub async fn told_types(&self, about: &str) -> Vec<String> {
        self.told(about).await.into_iter().map(|(event_type, _)| event_type).collect()
    }
}

impl Server {
    /// Has an endpoint of the tenant `acme` subscribe to these events. It is never reached: nobody listens there.
    pub async fn subscribe(&self, events: Value) -> Value {
        let endpoint = json!({"tenant_id": "acme", "url": "https://receiver.invalid/", "events": events});
        self.expect(201, "POST", "/api/v1/webhooks", Some(endpoint)).await
    }

    /// Makes the delivery of an event to an endpoint, as a worker would, where there is none.
    pub async fn dispatched(&self, event_id: &str, webhook_id: &str) -> String {
        let event_id = event_id.parse().expect("an id");
        let event = self.app.store.event(event_id).await.expect("an answer").expect("the event").event;
        let delivery = NewDelivery {
            delivery_id: DeliveryId::new(),
            event_id,
            webhook_id: webhook_id.parse().expect("an id"),
            event_type: event.event_type,
            error: None,
        };
        let made = [delivery];
        self.app.store.dispatch(&[event_id], &made, &[], self.clock.now()).await.expect("dispatched");
        made[0].delivery_id.to_string()
    }
}
