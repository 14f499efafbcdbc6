//! Agents: listed, and one with its webhook and its hits.

use serde_json::json;

use super::{Browser, Things};
use crate::harness::{ADMIN_KEY, Server};

#[tokio::test(flavor = "multi_thread")]
async fn one_shows_how_it_is_called_and_why_a_hit_was_refused() {
    let server = Server::start().await;
    let things = Things::on(&server).await;
    let path = format!("/api/v1/agents/{}", things.agent.id);
    let schema = json!({"trigger": {"payload_schema": {"type": "object"}, "filter": "payload != 7"}});
    server.expect(200, "PATCH", &path, Some(schema)).await;
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let list = browser.sees("/agents").await;
    assert!(list.has(&format!("href=\"/agents/{}\">Triage</a>", things.agent.id)), "{}", list.text);
    assert!(list.has("webhook, hub") && list.has("gpt-4o-mini"));
    let page = browser.sees(&things.path("/agents/{agent_id}")).await;
    let hit = server.get(&format!("/api/v1/hits/{}", things.refused_hit)).await;
    let sentence = hit["diagnosis"]["detail"].as_str().expect("a sentence");
    let escaped = sentence.replace('&', "&#38;").replace('\'', "&#39;").replace('"', "&#34;");
    let escaped = escaped.replace('<', "&#60;").replace('>', "&#62;");
    for part in [
        things.agent.webhook_url.as_str(),
        "hub; the secret is base64",
        &format!("{}…", &things.agent.secret[..4]),
        "&#34;type&#34;: &#34;object&#34;",
        "payload != 7",
        "You triage tickets.",
        "1 accepted (queued)",
        "1 rejected (invalid signature)",
        &format!("invalid signature: {escaped}"),
        &format!("href=\"/hits/{}\"", things.refused_hit),
        &format!("href=\"/agents/{}/versions/2\"", things.agent.id),
        "Compare the secret that the sender has with the agent&#39;s",
        &format!("href=\"/agents/{}#secrets\">The secrets</a>", things.agent.id),
    ] {
        assert!(page.has(part), "{part}: {}", page.text);
    }
    let only = browser.sees(&format!("{}?verdict=accepted", things.path("/agents/{agent_id}"))).await;
    assert!(!only.has(&things.refused_hit) && only.has(&things.execution_id), "{}", only.text);
    let hit = browser.sees(&format!("/hits/{}", things.refused_hit)).await;
    assert!(hit.has(&escaped) && hit.has("x-hub-signature-256"), "{}", hit.text);
    assert!(hit.has("#secrets\">The secrets</a>"), "what to do: {}", hit.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_paged() {
    let server = Server::without_worker().await;
    for n in 0..21 {
        server.agent_with(json!({"name": format!("Agent {n}.")})).await;
    }
    server.agent_with(json!({"tenant_id": "other", "name": "Another"})).await;
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let first = browser.sees("/agents?tenant_id=acme").await;
    assert!(
        first.has(">Agent 20.<")
            && first.has(">Agent 1.<")
            && !first.has(">Agent 0.<")
            && !first.has("Another")
    );
    let next = first.text.split("rel=\"next\" href=\"").nth(1).and_then(|rest| rest.split('"').next());
    let last = browser.sees(&next.expect("a link").replace("&#38;", "&")).await;
    assert!(last.has(">Agent 0.<") && !last.has(">Agent 1.<") && !last.has("rel=\"next\""), "{}", last.text);
}
