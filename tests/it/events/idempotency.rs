//! One key, one event.

use std::collections::HashSet;

use agenthook::model::{ApiKeyId, Event, EventId, TenantId};
use agenthook::store::{Published, Report};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{idle, publish};
use crate::harness::Server;

fn event(tenant: &str, key: &str, event_type: &str, data: Value) -> Value {
    json!({"tenant_id": tenant, "event_type": event_type, "data": data, "idempotency_key": key})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_names_one_event_of_its_tenant() {
    let server = idle().await;
    server.tenant(json!({"tenant_id": "other"})).await;
    let first = publish(&server, event("acme", "k", "custom.x", json!({"n": 1.0}))).await;
    assert_eq!(first.status, 202, "{}", first.text);
    let again = publish(&server, event("acme", "k", "custom.x", json!({"n": 1}))).await;
    assert_eq!((again.status, &again.body), (202, &first.body), "the same in JavaScript's form");
    for wrong in
        [event("acme", "k", "custom.x", json!({"n": 2})), event("acme", "k", "custom.y", json!({"n": 1}))]
    {
        let answer = publish(&server, wrong).await;
        assert_eq!((answer.status, &answer.body["code"]), (422, &json!("idempotency_mismatch")));
    }
    let elsewhere = publish(&server, event("other", "k", "custom.x", json!({"n": 2}))).await;
    assert_eq!(elsewhere.status, 202);
    assert_ne!(elsewhere.body, first.body);
    assert_eq!(super::ids(&server.get("/api/v1/events").await).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_copies_at_once_one_is_written() {
    let server = idle().await;
    for key in ["a", "b"] {
        let copies = (0..50).map(|_| publish(&server, event("acme", key, "custom.x", json!({"key": key}))));
        let answers = join_all(copies).await;
        assert!(answers.iter().all(|answer| answer.status == 202));
        let ids: HashSet<_> = answers.iter().map(|answer| answer.body["event_id"].to_string()).collect();
        assert_eq!(ids.len(), 1, "{key}: {ids:?}");
    }
    let others = (0..50).map(|n| publish(&server, event("acme", "c", "custom.x", json!({"n": n}))));
    let answers = join_all(others).await;
    let taken = answers.iter().filter(|answer| answer.status == 202).count();
    assert_eq!(taken, 1, "the others say something else");
    assert_eq!(super::ids(&server.get("/api/v1/events").await).len(), 3);
}

/// What somebody reports of this tenant, or of none.
fn report(server: &Server, tenant: Option<&str>, key: Option<&str>, n: u32) -> Report {
    let tenant: Option<TenantId> = tenant.map(|id| id.parse().expect("an id"));
    let kind = "custom.x".parse().expect("a type");
    let event = Event::new(kind, tenant, server.clock.now(), &json!({ "n": n }));
    Report { event, key: key.map(Into::into), by: ApiKeyId::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_no_tenant_names_one_event_too() {
    let server = idle().await;
    // By the API everybody names a tenant. The database holds it all the same.
    let refused =
        publish(&server, json!({"event_type": "custom.x", "data": {}, "idempotency_key": "k"})).await;
    assert_eq!((refused.status, &refused.body["errors"][0]["pointer"]), (422, &json!("/tenant_id")));
    let copies = (0..20).map(async |_| {
        let copy = report(&server, None, Some("k"), 1);
        let id = copy.event.event_id;
        (id, server.app.store.report(&[copy]).await.expect("an answer")[0])
    });
    let outcomes = join_all(copies).await;
    let new: Vec<EventId> =
        outcomes.iter().filter(|(_, outcome)| *outcome == Published::New).map(|(id, _)| *id).collect();
    let [first] = new[..] else { panic!("{outcomes:?}") };
    let repeats = outcomes.iter().filter(|(_, outcome)| *outcome == Published::Earlier(first)).count();
    assert_eq!(repeats, 19, "{outcomes:?}");
    let other = report(&server, None, Some("k"), 2);
    assert_eq!(server.app.store.report(&[other]).await.expect("an answer"), [Published::Mismatch]);
    let of_tenant = report(&server, Some("acme"), Some("k"), 2);
    assert_eq!(server.app.store.report(&[of_tenant]).await.expect("an answer"), [Published::New]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_together_has_each_its_own_outcome() {
    let server = idle().await;
    let batch = [
        report(&server, Some("acme"), None, 1),
        report(&server, Some("acme"), Some("b"), 1),
        report(&server, Some("acme"), Some("a"), 1),
        report(&server, Some("acme"), Some("b"), 1),
        report(&server, Some("acme"), Some("b"), 2),
        report(&server, None, Some("b"), 2),
        report(&server, Some("acme"), None, 1),
    ];
    let outcomes = server.app.store.report(&batch).await.expect("an answer");
    // Which one of the same key is the first is the database's to say.
    let of_b: Vec<_> = [1, 3, 4].map(|n| (batch[n].event.event_id, outcomes[n])).into();
    let first = of_b.iter().find(|(_, outcome)| *outcome == Published::New).expect("one").0;
    assert_eq!(of_b.iter().filter(|(_, outcome)| *outcome == Published::New).count(), 1, "{of_b:?}");
    for (n, outcome) in outcomes.iter().enumerate() {
        let expected = match n {
            1 | 3 | 4 if batch[n].event.event_id != first => continue,
            _ => Published::New,
        };
        assert_eq!(*outcome, expected, "{n}");
    }
    // An answer that was lost: to write it all again changes nothing, and says the same.
    assert_eq!(server.app.store.report(&batch).await.expect("an answer"), outcomes);
    assert_eq!(super::ids(&server.get("/api/v1/events").await).len(), 5);
}
