//! A tenant whose events take long to dispatch, or become many deliveries, keeps no other waiting.

use serde_json::json;

use super::telling::{endpoint, start, told};
use super::{publish, published, undispatched};
use crate::harness::eventually;

/// Endpoints of the heavy tenant.
const MANY: usize = 1000;

#[tokio::test(flavor = "multi_thread")]
async fn whose_filters_take_long_waits_alone() {
    let server = start(true).await;
    let witness = endpoint(&server, "acme", json!({})).await;
    // As costly as a filter may be: each is given up when it has taken all its steps.
    let filter = "event.data.n.all(x, event.data.n == event.data.n)";
    for _ in 0..60 {
        endpoint(&server, "other", json!({ "filter": filter })).await;
    }
    let data = json!({"n": vec![1; 30_000]});
    let event = json!({"tenant_id": "other", "event_type": "custom.x", "data": data});
    assert_eq!(publish(&server, event).await.status, 202);
    for n in 0..5 {
        let event = published(&server, "custom.x", json!({ "n": n })).await;
        told(&server, &event, &witness).await;
    }
    let waiting = server.app.store.undispatched_tenants().await.expect("an answer");
    assert_eq!(waiting, ["other"], "it is still at it");
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_deliveries_are_many_has_them_all_made_once() {
    let server = start(true).await;
    let (first, witness) =
        (endpoint(&server, "other", json!({})).await, endpoint(&server, "acme", json!({})).await);
    // Nothing is sent to them, and a delivery is made for each.
    server.expect(200, "POST", &format!("/api/v1/webhooks/{first}/disable"), None).await;
    let id = if server.database.is_postgres() { "gen_random_uuid()" } else { "randomblob(16)" };
    let copies = MANY - 1;
    let copy = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {copies})
        INSERT INTO webhooks (webhook_id, kind, tenant_id, version, status, events, profile, target, options, created_at,
            updated_at)
        SELECT {id}, kind, tenant_id, version, status, events, profile, target, options, created_at, updated_at
        FROM webhooks, n WHERE tenant_id = 'other'"
    );
    server.database.sql(&copy).await;
    for n in 0..7 {
        let event = json!({"tenant_id": "other", "event_type": "custom.x", "data": {"n": n}});
        assert_eq!(publish(&server, event).await.status, 202);
    }
    let event = published(&server, "custom.x", json!({})).await;
    told(&server, &event, &witness).await;
    let store = &server.app.store;
    let none = async || undispatched(store, 1).await.events.is_empty().then_some(());
    eventually("all are dispatched", none).await;
    let made = server.database.contents().await["deliveries.created_at"].clone();
    let made = String::from_utf8_lossy(&made).lines().count();
    assert!(made >= 7 * MANY, "{made}");
}
