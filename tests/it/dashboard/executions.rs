//! Executions: found.

use serde_json::json;

use super::Browser;
use crate::harness::{ADMIN_KEY, Server};

#[tokio::test(flavor = "multi_thread")]
async fn they_are_filtered_and_paged() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let other = server.agent_with(json!({"tenant_id": "other", "name": "Another"})).await;
    let mut ids = Vec::new();
    for n in 0..52 {
        ids.push(agent.accepted(format!("{{\"n\": {n}}}")).await);
    }
    let theirs = other.accepted("{\"needle\": true}").await;
    for id in ids.iter().chain([&theirs]) {
        server.ended(id).await;
    }
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let rows = |text: &str| text.matches("data-label=\"Execution\"").count();
    let first = browser.sees("/executions?tenant_id=acme&agent_id=&status=success&from=&to=&q=").await;
    assert_eq!(rows(&first.text), 50);
    assert!(
        first.has(" selected>success<") && first.has("name=\"tenant_id\" value=\"acme\""),
        "{}",
        first.text
    );
    let next = first.text.split("rel=\"next\" href=\"").nth(1).and_then(|rest| rest.split('"').next());
    let next = next.expect("a link").replace("&#38;", "&");
    let last = browser.sees(&next).await;
    assert_eq!(rows(&last.text), 2, "{}", last.text);
    assert!(last.has(&ids[0]) && !last.has("rel=\"next\""));
    for (query, count) in [
        ("status=failed", 0),
        ("tenant_id=other", 1),
        ("tenant_id=nobody", 0),
        (&format!("agent_id={}", other.id), 1),
        ("q=needle", 1),
        ("held_reason=paused", 0),
        (&format!("agent_id={}&status=success&tenant_id=other", other.id), 1),
        ("from=2020-01-01T00%3A00&to=2020-01-02T00%3A00", 0),
        ("from=2020-01-01T00%3A00&tenant_id=other", 1),
    ] {
        let page = browser.sees(&format!("/executions?{query}")).await;
        assert_eq!(rows(&page.text), count, "{query}");
        assert_eq!(page.has("None matches"), count == 0, "{query}");
    }
    let page = browser.sees("/executions?from=2020-01-01T00%3A00").await;
    assert!(page.has("value=\"2020-01-01T00:00\""), "{}", page.text);
    let page = browser.sees("/executions?q=needle").await;
    assert!(page.has("53 executions were searched."), "{}", page.text);
    assert_eq!(browser.get("/executions?held_reason=paused&status=failed").await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_chosen_by_name_while_they_are_few() {
    let server = Server::without_worker().await;
    let agent = server.agent_with(json!({"name": "Zebra"})).await;
    server.agent_with(json!({"tenant_id": "other", "name": "Another"})).await;
    let admin = Browser::signed_in(&server, ADMIN_KEY).await;
    let operator = Browser::signed_in(&server, &server.api_key("operator", "acme").await).await;
    let option = format!("<option value=\"{}\">Zebra</option>", agent.id);
    let page = admin.sees("/executions").await;
    assert!(page.has(&option) && page.has(">Another</option>"), "{}", page.text);
    for page in [admin.sees("/executions?tenant_id=acme").await, operator.sees("/executions").await] {
        assert!(page.has(&option) && !page.has("Another"), "{}", page.text);
    }
    let page = operator.sees(&format!("/executions?agent_id={}", agent.id)).await;
    assert!(page.has(&format!("<option value=\"{}\" selected>Zebra</option>", agent.id)), "{}", page.text);
    let gone = "01a20174-af9d-764c-ac07-00a385c2f011";
    let page = operator.sees(&format!("/executions?agent_id={gone}")).await;
    assert!(page.has(&format!("<option value=\"{gone}\" selected>{gone}</option>")), "{}", page.text);
    for n in 0..50 {
        server.agent_with(json!({"name": format!("Agent {n}")})).await;
    }
    let page = operator.sees(&format!("/executions?agent_id={}", agent.id)).await;
    assert!(
        page.has(&format!("<input id=\"agent_id\" name=\"agent_id\" value=\"{}\">", agent.id)),
        "{}",
        page.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_says_what_to_do() {
    let server = Server::start().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let key = server.api_key("operator", "acme").await;
    let operator = Browser::signed_in(&server, &key).await;
    let viewer = Browser::signed_in(&server, &server.api_key("viewer", "acme").await).await;
    let page = operator.sees("/executions").await;
    assert!(page.has("It takes an agent") && !page.has("curl"), "{}", page.text);
    let agent = server.agent().await;
    let page = operator.sees("/executions").await;
    let path = format!("/api/v1/agents/{}/test", agent.id);
    assert!(page.has("curl -X POST http") && page.has(&path), "{}", page.text);
    let page = viewer.sees("/executions").await;
    assert!(page.has("None yet") && !page.has("curl"), "{}", page.text);
    // What it says works.
    let body = json!({"payload": {"ticket_id": "TKT-123"}}).to_string();
    assert_eq!(server.ask("POST", &path, Some(&key), Some(body)).await.status, 202);
    assert!(operator.sees("/executions").await.has("data-label=\"Execution\""));
    let none = operator.sees("/executions?status=held").await;
    assert!(none.has("None matches") && !none.has("curl"), "{}", none.text);
}
