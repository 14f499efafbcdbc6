//! Events are kept for some time, and those that are still to be told for longer.

use std::time::Duration;

use agenthook::model::{Actor, AuditAction, AuditEntry, DeliveryId, WebhookId};
use agenthook::store::{NewDelivery, Result};
use serde_json::json;
use uuid::Uuid;

use super::{ids, published, undispatched};
use crate::harness::{Server, Setup, eventually};

/// How many each slice forgets.
async fn in_slices(forget: impl AsyncFn(Option<Uuid>) -> Result<(u64, Option<Uuid>)>) -> Vec<u64> {
    let (mut slices, mut after) = (Vec::new(), None);
    loop {
        let (forgotten, next) = forget(after).await.expect("an answer");
        slices.push(forgotten);
        after = next;
        if after.is_none() {
            return slices;
        }
    }
}

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_is_forgotten_but_not_what_is_still_to_be_told() {
    let clock = agenthook::clock::Clock::manual();
    let server = Server::with(Setup { clock, worker: false, ..Setup::default() }).await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let store = &server.app.store;
    let mut old = Vec::new();
    for n in 0..5 {
        old.push(published(&server, "custom.old", json!({ "n": n })).await);
    }
    // Ids tell the machine's time, and the rows the manual clock's, which stands at a day of its own.
    let now = server.clock.now();
    let events = undispatched(store, 10).await.events;
    let dispatched: Vec<_> = events.iter().take(4).map(|event| event.event_id).collect();
    let webhook_id = WebhookId::new();
    let pending = NewDelivery {
        delivery_id: DeliveryId::new(),
        event_id: dispatched[0],
        webhook_id,
        event_type: events[0].event_type.clone(),
        error: None,
    };
    store.dispatch(&dispatched, &[pending], &[], now).await.expect("dispatched");
    let far = now + chrono::TimeDelta::days(1);
    let early = store.forget_events(None, 2, now).await.expect("an answer");
    assert_eq!(early, (0, None), "nothing is older than that");
    let slices = in_slices(async |after| store.forget_events(after, 2, far).await).await;
    assert_eq!(slices.iter().sum::<u64>(), 3, "{slices:?}");
    assert!(slices.len() > 1, "slice by slice: {slices:?}");
    let mut left =
        ids(&server.get("/api/v1/events").await).into_iter().map(str::to_owned).collect::<Vec<_>>();
    left.sort();
    assert_eq!(left, [old[0].clone(), old[4].clone()], "one is pending, one was not dispatched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_forgets_by_itself_and_the_key_names_a_new_event_then() {
    let mut args = agenthook::config::SettingsArgs::default();
    args.outbound.events_days = Some("2".into());
    let clock = agenthook::clock::Clock::manual();
    let server = Server::with(Setup { args, clock, ..Setup::default() }).await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let event = json!({"tenant_id": "acme", "event_type": "custom.x", "data": {}, "idempotency_key": "k"});
    let first = super::publish(&server, event.clone()).await.body["event_id"].to_string();
    server.clock.advance(DAY * 2 - Duration::from_secs(1));
    let again = super::publish(&server, event.clone()).await.body["event_id"].to_string();
    assert_eq!(again, first);
    server.clock.advance(Duration::from_secs(2));
    eventually("it is forgotten", async || {
        let id = super::publish(&server, event.clone()).await.body["event_id"].to_string();
        (id != first).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_forgotten_so_many_at_a_time_and_one_that_is_asked_for_again_stays_with_its_event() {
    let clock = agenthook::clock::Clock::manual();
    let server = Server::with(Setup { clock, worker: false, ..Setup::default() }).await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let (store, now) = (&server.app.store, server.clock.now());
    let event = published(&server, "custom.old", json!({})).await;
    let event_id = event.parse().expect("an id");
    let delivery = |_| NewDelivery {
        delivery_id: DeliveryId::new(),
        event_id,
        webhook_id: WebhookId::new(),
        event_type: "custom.old".parse().expect("a type"),
        error: None,
    };
    let deliveries: Vec<_> = (0..5).map(delivery).collect();
    store.dispatch(&[event_id], &deliveries, &[], now).await.expect("dispatched");
    server.database.sql("UPDATE deliveries SET status = 'exhausted', due_at = NULL").await;
    let far = now + chrono::TimeDelta::days(1);
    let entry = AuditEntry::new(Actor::server(), AuditAction::DeliveryRetried, "x", now);
    let kept = &deliveries[2];
    store.retry_delivery(kept.delivery_id, kept.webhook_id, &entry).await.expect("an answer");
    // Whose event somebody has deleted by hand goes as well.
    let slices = in_slices(async |after| store.forget_ended_deliveries(after, 2, far).await).await;
    assert_eq!(slices, [2, 2, 0], "one event, and no more than two rows at once");
    assert_eq!(in_slices(async |after| store.forget_events(after, 2, far).await).await, [0]);
    let left = server.get(&format!("/api/v1/events/{event}")).await;
    assert_eq!(left["deliveries"].as_array().map(Vec::len), Some(1), "{left}");

    server.database.sql("UPDATE deliveries SET status = 'success', due_at = NULL").await;
    server.database.sql("DELETE FROM events").await;
    let slices = in_slices(async |after| store.forget_ended_deliveries(after, 2, far).await).await;
    assert_eq!(slices, [1], "nobody needs it without its event");
}
