//! The audit log, read by whoever wants to know who did what.

use serde_json::json;

use super::Browser;
use crate::harness::{ADMIN_KEY, Server};

#[tokio::test(flavor = "multi_thread")]
async fn it_is_filtered_and_paged_and_leads_to_its_subjects() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let operator = server.key("operator", "acme").await;
    let (key, key_id) =
        (operator["key"].as_str().expect("a key"), operator["key_id"].as_str().expect("an id"));
    let patch = json!({"name": "Other"}).to_string();
    let path = format!("/api/v1/agents/{}", agent.id);
    assert_eq!(server.ask("PATCH", &path, Some(key), Some(patch)).await.status, 200);
    server.tenant(json!({"tenant_id": "other"})).await;
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let page = browser.sees("/audit").await;
    assert!(
        page.has(&format!("href=\"/agents/{}\"", agent.id)) && page.has("href=\"/tenants/other\""),
        "{}",
        page.text
    );
    assert!(
        page.has("&#34;changed&#34;: [\n    &#34;name&#34;") && page.has("<dt>Request</dt>"),
        "{}",
        page.text
    );
    let row = |word: &str| format!("<td data-label=\"Action\"><code>{word}</code></td>");
    for (query, sees, not) in [
        ("action=agent.updated", "agent.updated", "tenant.created"),
        (&format!("key_id={key_id}"), "agent.updated", "tenant.created"),
        ("subject=other", "tenant.created", "agent.updated"),
        ("tenant_id=acme", "agent.updated", "api_key.signed_in"),
        ("from=2020-01-01T00:00", "agent.updated", "agent.deleted"),
    ] {
        let page = browser.sees(&format!("/audit?{query}")).await;
        assert!(page.has(&row(sees)) && !page.has(&row(not)), "{query}: {}", page.text);
    }
    assert!(browser.sees("/audit?to=2020-01-01T00:00").await.has("None matches."));
    assert_eq!(browser.get("/audit?action=none").await.status, 422);
    for n in 0..50 {
        server.expect(200, "PATCH", &path, Some(json!({"name": format!("n{n}")}))).await;
    }
    let page = browser.sees("/audit?subject=other").await;
    assert!(!page.has("rel=\"next\""));
    let page = browser.sees(&format!("/audit?subject={}", agent.id)).await;
    let next = page.text.split("rel=\"next\" href=\"").nth(1).and_then(|rest| rest.split('"').next());
    let older = browser.sees(&next.expect("a second page").replace("&#38;", "&")).await;
    assert!(older.has(&row("agent.created")) && !older.has("rel=\"next\""), "{}", older.text);
    let mine = Browser::signed_in(&server, key).await.sees("/audit").await;
    assert!(
        mine.has(&row("agent.updated")) && !mine.has("other"),
        "another tenant's are not there: {}",
        mine.text
    );
}
