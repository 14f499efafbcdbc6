//! Who is told: the tenant's endpoints that want to hear of it, once each, and nobody else.

use std::collections::{BTreeMap, HashSet};

use std::time::Duration;

use agenthook::clock::Clock;
use agenthook::config::SettingsArgs;
use agenthook::model::{
    Actor, AgentId, AuditAction, AuditEntry, DeliveryId, Event, EventId, EventType, WebhookId,
};
use agenthook::store::{NewDelivery, Report};
use serde_json::{Value, json};

use super::{ids, published, undispatched};
use crate::harness::{Server, Setup, eventually};

/// Nobody listens there; what matters is who is to be told.
const NOWHERE: &str = "http://127.0.0.1:9/hook";

pub(super) async fn start(worker: bool) -> Server {
    let mut args = SettingsArgs::default();
    args.outbound.egress_allow = Some("127.0.0.0/8".into());
    let server = Server::with(Setup { args, worker, ..Setup::default() }).await;
    for tenant in ["acme", "other"] {
        server.tenant(json!({ "tenant_id": tenant })).await;
    }
    server
}

/// An endpoint; what is not said is that it wants everything.
pub(super) async fn endpoint(server: &Server, tenant: &str, more: Value) -> String {
    let mut wanted =
        json!({"tenant_id": tenant, "url": NOWHERE, "events": ["*"], "retry": {"schedule_seconds": [3600]}});
    for (name, value) in more.as_object().expect("fields") {
        wanted[name] = value.clone();
    }
    let made = server.expect(201, "POST", "/api/v1/webhooks", Some(wanted)).await;
    made["webhook_id"].as_str().expect("an id").to_owned()
}

/// Whom an event was told, and how that stands, as soon as the witness is among them: all are written together.
pub(super) async fn told(server: &Server, event_id: &str, witness: &str) -> BTreeMap<String, String> {
    let path = format!("/api/v1/events/{event_id}");
    eventually("the event is dispatched", async || {
        let event = server.get(&path).await;
        let deliveries = event["deliveries"].as_array().expect("a list").clone();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let told: BTreeMap<_, _> =
            deliveries.iter().map(|one| (text(&one["webhook_id"]), text(&one["status"]))).collect();
        assert_eq!(told.len(), deliveries.len(), "once each");
        told.contains_key(witness).then_some(told)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn patterns_filters_agents_and_tenants_decide() {
    let server = start(true).await;
    let agent = server.agent().await;
    let witness = endpoint(&server, "acme", json!({})).await;
    let foreign = endpoint(&server, "other", json!({})).await;
    let family = endpoint(&server, "acme", json!({"events": ["custom.order.*"]})).await;
    let another = endpoint(&server, "acme", json!({"events": ["vision.*"]})).await;
    let large = endpoint(&server, "acme", json!({"filter": "event.data.total > 1000"})).await;
    let scoped = endpoint(&server, "acme", json!({"agent_id": agent.id})).await;
    let registered = endpoint(&server, "acme", json!({"profile": "hokusai"})).await;
    let event = published(&server, "custom.order.paid", json!({"total": 1200})).await;
    let seen = told(&server, &event, &witness).await;
    assert_eq!(seen.keys().collect::<HashSet<_>>(), HashSet::from([&witness, &family, &large]));
    let event = published(&server, "custom.order.paid", json!({"total": 12})).await;
    let seen = told(&server, &event, &witness).await;
    assert_eq!(seen.keys().collect::<HashSet<_>>(), HashSet::from([&witness, &family]));
    // What the filter cannot be evaluated on does not match.
    let event = published(&server, "vision.submitted", json!({"job_id": "j"})).await;
    let seen = told(&server, &event, &witness).await;
    assert_eq!(seen.keys().collect::<HashSet<_>>(), HashSet::from([&witness, &another]));
    let model = json!({"model_id": "m/1", "name": "m", "version": "1"});
    let event = published(&server, "model.registered", model).await;
    let seen = told(&server, &event, &witness).await;
    assert_eq!(seen.keys().collect::<HashSet<_>>(), HashSet::from([&witness, &registered]));
    let of_agent =
        own(&server, EventType::AgentUpdated, |event| event.of_agent(agent.id.parse().expect("an id"))).await;
    let seen = told(&server, &of_agent, &witness).await;
    assert_eq!(seen.keys().collect::<HashSet<_>>(), HashSet::from([&witness, &scoped]));
    let of_another = own(&server, EventType::AgentUpdated, |event| event.of_agent(AgentId::new())).await;
    let seen = told(&server, &of_another, &witness).await;
    assert_eq!(seen.keys().collect::<HashSet<_>>(), HashSet::from([&witness]));
    assert!(!seen.contains_key(&foreign));
    let first = server.get("/api/v1/events?tenant_id=other").await;
    assert_eq!(ids(&first), [""; 0]);
}

/// An event of tenant `acme` as the product writes it.
async fn own(server: &Server, kind: EventType, about: impl FnOnce(Event) -> Event) -> String {
    let now = server.clock.now();
    let event =
        about(Event::new(kind, "acme".parse().ok(), now, &json!({"agent_id": "a", "tenant_id": "acme"})));
    let entry = AuditEntry::new(Actor::server(), AuditAction::WebhookTested, "test", now);
    server.app.store.publish(&event, &entry).await.expect("written");
    server.app.events_written();
    event.event_id.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_for_one_endpoint_is_told_to_no_other() {
    let server = start(true).await;
    let bystander = endpoint(&server, "acme", json!({})).await;
    let narrow =
        endpoint(&server, "acme", json!({"events": ["vision.*"], "filter": "event.type == ''"})).await;
    let tested =
        server.expect(202, "POST", &format!("/api/v1/webhooks/{narrow}/test"), Some(json!({}))).await;
    let seen = told(&server, tested["event_id"].as_str().expect("an id"), &narrow).await;
    assert!(!seen.contains_key(&bystander), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_disabled_endpoint_misses_is_kept_for_it() {
    let server = start(true).await;
    let witness = endpoint(&server, "acme", json!({})).await;
    let disabled = endpoint(&server, "acme", json!({})).await;
    server.expect(200, "POST", &format!("/api/v1/webhooks/{disabled}/disable"), Some(json!({}))).await;
    let event = published(&server, "custom.x", json!({})).await;
    let seen = told(&server, &event, &witness).await;
    assert_eq!(seen[&disabled], "exhausted");
    let gone = endpoint(&server, "acme", json!({})).await;
    server.expect(204, "DELETE", &format!("/api/v1/webhooks/{gone}"), None).await;
    let event = published(&server, "custom.x", json!({})).await;
    assert!(!told(&server, &event, &witness).await.contains_key(&gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_before_an_endpoint_was_made_is_not_told_to_it() {
    let setup = Setup { clock: Clock::manual(), worker: false, ..Setup::default() };
    let server = Server::with(setup).await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let witness = endpoint(&server, "acme", json!({})).await;
    let before = published(&server, "custom.x", json!({})).await;
    // One step further apart than clocks of two machines are taken to be.
    server.clock.advance(Duration::from_millis(1));
    let just_before = published(&server, "custom.x", json!({})).await;
    server.clock.advance(Duration::from_secs(5));
    let late = endpoint(&server, "acme", json!({})).await;
    let after = published(&server, "custom.x", json!({})).await;
    server.start_worker();
    assert!(!told(&server, &before, &witness).await.contains_key(&late));
    assert!(told(&server, &just_before, &witness).await.contains_key(&late), "by a clock that is behind");
    assert!(told(&server, &after, &witness).await.contains_key(&late));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_read_keeps_no_other_from_being_told() {
    let server = start(false).await;
    let witness = endpoint(&server, "acme", json!({})).await;
    let mut broken = Vec::new();
    for change in ["event_type = 'no.such'", "data = '{\"half\":'", "tenant_id = 'ac me'"] {
        let id = published(&server, "custom.x", json!({})).await;
        let hex: uuid::Uuid = id.parse::<EventId>().expect("an id").0;
        server
            .database
            .sql(&format!("UPDATE events SET {change} WHERE event_id = {}", server.database.id(hex)))
            .await;
        broken.push(hex);
    }
    let after = published(&server, "custom.x", json!({})).await;
    server.start_worker();
    told(&server, &after, &witness).await;
    let left = undispatched(&server.app.store, 10).await;
    assert!(left.events.is_empty() && left.unreadable.is_empty(), "they are set aside: {left:?}");
    // Mended and handed back by hand, one is told.
    let mend = format!(
        "UPDATE events SET data = '{{}}', dispatched_at = NULL WHERE event_id = {}",
        server.database.id(broken[1])
    );
    server.database.sql(&mend).await;
    told(&server, &EventId(broken[1]).to_string(), &witness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_cannot_be_read_keeps_no_other_from_being_told() {
    let server = start(true).await;
    let broken = endpoint(&server, "acme", json!({})).await;
    let witness = endpoint(&server, "acme", json!({})).await;
    let id = broken.parse::<WebhookId>().expect("an id").0;
    server
        .database
        .sql(&format!("UPDATE webhooks SET status = 'odd' WHERE webhook_id = {}", server.database.id(id)))
        .await;
    let event = published(&server, "custom.x", json!({})).await;
    assert!(!told(&server, &event, &witness).await.contains_key(&broken));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_who_dispatch_the_same_make_each_delivery_once() {
    let server = start(false).await;
    let (store, now) = (&server.app.store, server.clock.now());
    let webhooks = [endpoint(&server, "acme", json!({})).await, endpoint(&server, "acme", json!({})).await];
    for n in 0..20 {
        published(&server, "custom.x", json!({ "n": n })).await;
    }
    let dispatch = async || {
        let events = undispatched(store, 500).await.events;
        let new = |event: &Event, webhook: &String| NewDelivery {
            delivery_id: DeliveryId::new(),
            event_id: event.event_id,
            webhook_id: webhook.parse::<WebhookId>().expect("an id"),
            event_type: event.event_type.clone(),
            error: None,
        };
        let all: Vec<_> =
            events.iter().flat_map(|event| webhooks.iter().map(|webhook| new(event, webhook))).collect();
        let ids: Vec<EventId> = events.iter().map(|event| event.event_id).collect();
        store.dispatch(&ids, &all, &[], now).await.expect("dispatched")
    };
    let made = futures_util::future::join_all((0..4).map(|_| dispatch())).await;
    assert_eq!(made.iter().map(HashSet::len).sum::<usize>(), 20, "each event is one's alone: {made:?}");
    assert!(undispatched(store, 1).await.events.is_empty());
    for event in ids(&server.get("/api/v1/events").await) {
        let event = server.get(&format!("/api/v1/events/{event}")).await;
        assert_eq!(event["deliveries"].as_array().map(Vec::len), Some(2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_events_are_dispatched_to_the_last() {
    let server = start(false).await;
    let disabled = endpoint(&server, "acme", json!({})).await;
    server.expect(200, "POST", &format!("/api/v1/webhooks/{disabled}/disable"), Some(json!({}))).await;
    let (store, key) = (&server.app.store, agenthook::model::ApiKeyId::new());
    let report = |n: u32| {
        let kind = "custom.many".parse().expect("a type");
        let event = Event::new(kind, "acme".parse().ok(), server.clock.now(), &json!({ "n": n }));
        Report { event, key: None, by: key }
    };
    for batch in 0..10 {
        let batch: Vec<_> = (batch * 500..(batch + 1) * 500).map(report).collect();
        store.report(&batch).await.expect("written");
    }
    server.start_worker();
    eventually("all are dispatched", async || undispatched(store, 1).await.events.is_empty().then_some(()))
        .await;
    let contents = server.database.contents().await;
    let deliveries = contents["deliveries.event_id"].len();
    assert!(deliveries >= 5000 * 16, "{deliveries} bytes of ids");
    let page = server.get("/api/v1/events?limit=1").await;
    let newest = told(&server, ids(&page)[0], &disabled).await;
    assert_eq!(newest[&disabled], "exhausted");
}
