//! What is another tenant's is not there, and looks like what never was.

use serde_json::json;

use super::{Browser, Things, routes};
use crate::harness::Server;

#[tokio::test(flavor = "multi_thread")]
async fn things_of_another_tenant_are_not_there() {
    let server = Server::start().await;
    let things = Things::on(&server).await;
    server.tenant(json!({"tenant_id": "other"})).await;
    let stranger = Browser::signed_in(&server, &server.api_key("operator", "other").await).await;
    let csrf = stranger.csrf().await;
    let none = Things {
        agent: things.agent.to_another("01a20174-af9d-764c-ac07-00a385c2f011"),
        execution_id: "01a20174-af9d-764c-ac07-00a385c2f012".into(),
        refused_hit: "01a20174-af9d-764c-ac07-00a385c2f013".into(),
        webhook_id: format!("wh_{}", "0".repeat(32)),
        delivery_id: format!("del_{}", "0".repeat(32)),
        secret_id: "01a20174-af9d-764c-ac07-00a385c2f014".into(),
        event_id: format!("evt_{}", "0".repeat(32)),
        tenant_id: "nobody".into(),
        key_id: "01a20174-af9d-764c-ac07-00a385c2f014".into(),
    };
    for pattern in routes("get") {
        let page = stranger.get(&things.path(pattern)).await;
        if pattern.contains('{') {
            let never = stranger.get(&none.path(pattern)).await;
            assert_eq!((page.status, never.status), (404, 404), "{pattern}");
            assert_eq!(page.text, never.text, "{pattern}");
        }
        let theirs =
            [&things.agent.id, &things.execution_id, &things.webhook_id, &things.event_id, &things.key_id];
        for theirs in theirs.into_iter().map(String::as_str).chain(["Triage", "acme"]) {
            // The catalogue's examples are of an `acme` too, but of nobody's.
            if pattern == "/events/types" {
                continue;
            }
            assert!(!page.has(theirs), "{pattern} {theirs}: {}", page.text);
        }
    }
    for pattern in routes("post").into_iter().filter(|path| path.contains('{')) {
        let fields = match pattern.ends_with("/recover") {
            true => &[("csrf", csrf.as_str()), ("since", "2026-01-01T00:00"), ("until", "")][..],
            false => &[("csrf", csrf.as_str())],
        };
        let page = stranger.post(&things.path(pattern), fields).await;
        assert_eq!(page.status, 404, "{pattern}: {}", page.text);
    }
    for list in [
        "/executions?tenant_id=acme",
        "/agents?tenant_id=acme",
        "/webhooks?tenant_id=acme",
        "/webhooks?tenant_id=acme&unwell=only",
        "/events?tenant_id=acme",
        "/audit?tenant_id=acme",
    ] {
        let page = stranger.sees(list).await;
        assert!(page.has("None matches") && !page.has(&things.agent.id), "{list}: {}", page.text);
    }
    assert_eq!(server.executions().await.len(), 1, "nothing has happened");
}
