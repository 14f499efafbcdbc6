//! How many endpoints a tenant may have.

use serde_json::json;

use super::{URL, WEBHOOKS, made, path, server};

/// As the API's page of limits has it.
const MOST: usize = 1000;

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_has_a_thousand_and_not_one_more() {
    let server = server().await;
    let first = made(&server, json!({})).await;
    let id = if server.database.is_postgres() { "gen_random_uuid()" } else { "randomblob(16)" };
    let copies = MOST - 2;
    let copy = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {copies})
        INSERT INTO webhooks (webhook_id, kind, tenant_id, version, status, events, profile, target, options, created_at,
            updated_at)
        SELECT {id}, kind, tenant_id, version, status, events, profile, target, options, created_at, updated_at
        FROM webhooks, n"
    );
    server.database.sql(&copy).await;
    // Those of others, and deleted ones, are not counted.
    server.tenant(json!({"tenant_id": "other"})).await;
    made(&server, json!({"tenant_id": "other"})).await;
    let body = json!({"tenant_id": "acme", "url": URL, "events": ["*"]});
    let asked = (0..5).map(|_| server.api("POST", WEBHOOKS, Some(body.clone())));
    let mut statuses: Vec<_> =
        futures_util::future::join_all(asked).await.into_iter().map(|(status, _)| status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409], "there was room for one");
    server.expect(204, "DELETE", &path(&first), None).await;
    server.expect(201, "POST", WEBHOOKS, Some(body.clone())).await;
    server.expect(409, "POST", WEBHOOKS, Some(body)).await;
}
