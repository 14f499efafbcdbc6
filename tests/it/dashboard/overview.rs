//! The first page says what is wrong, and leads there.

use std::time::Duration;

use serde_json::json;

use super::{Browser, Things};
use crate::harness::{ADMIN_KEY, Server, Setup};
use agenthook::clock::Clock;

#[tokio::test(flavor = "multi_thread")]
async fn it_names_what_is_in_trouble_and_nothing_else() {
    let server = Server::with(Setup { clock: Clock::manual(), ..Setup::default() }).await;
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let page = browser.sees("/").await;
    for none in ["every webhook is active", "no execution that came in since then has failed", "None yet"] {
        assert!(page.has(none), "{none}: {}", page.text);
    }
    let things = Things::on(&server).await;
    let page = browser.sees("/").await;
    assert!(page.has("every webhook is active"), "one failure opens no circuit: {}", page.text);
    let failures = format!("\"/executions?agent_id={}&amp;status=failed&amp;from=", things.agent.id);
    let link = page.text.split('>').find(|tag| tag.contains(&failures)).expect("a link to what failed");
    let link = link.split('"').nth(1).expect("an address").replace("&amp;", "&");
    assert!(browser.sees(&link).await.has(&things.execution_id), "{link}");
    assert!(page.has("href=\"/errors/llm_bad_request\""), "{}", page.text);
    assert!(page.has(&format!("href=\"/executions/{}\"", things.execution_id)));
    for _ in 0..4 {
        let path = format!("/api/v1/webhooks/{}/test", things.webhook_id);
        server.expect(202, "POST", &path, None).await;
    }
    let path = format!("/api/v1/webhooks/{}", things.webhook_id);
    crate::harness::eventually("the circuit opens", async || {
        (server.get(&path).await["stats"]["circuit"] == "open").then_some(())
    })
    .await;
    let page = browser.sees("/").await;
    assert!(
        page.has(&format!("href=\"/webhooks/{}\"", things.webhook_id)) && page.has(">open<"),
        "{}",
        page.text
    );
    server.expect(200, "POST", &format!("{path}/disable"), None).await;
    let page = browser.sees("/").await;
    assert!(page.has(">disabled</span> by hand"), "{}", page.text);

    server.tenant(json!({"tenant_id": "other"})).await;
    let stranger = Browser::signed_in(&server, &server.api_key("viewer", "other").await).await;
    assert!(stranger.sees("/").await.has("every webhook is active"), "another tenant has other troubles");
    server.clock.advance(Duration::from_secs(25 * 3600));
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    assert!(browser.sees("/").await.has("no execution that came in since then has failed"), "a day later");
}
