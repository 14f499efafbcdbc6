//! Events: what there may be, what there was, one of it, and one that somebody reports.

use serde_json::json;

use super::{Browser, Things};
use crate::harness::{ADMIN_KEY, Receiver, Server, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_filtered_and_leads_to_everything() {
    let server = Server::start().await;
    let things = Things::on(&server).await;
    server.tenant(json!({"tenant_id": "other"})).await;
    let mut many = Vec::new();
    for n in 0..55 {
        let event = json!({"tenant_id": "other", "event_type": "custom.many", "data": {"n": n}});
        many.push(server.expect(202, "POST", "/api/v1/events", Some(event)).await["event_id"].clone());
    }
    let first = format!("/events/{}", many[0].as_str().expect("an id"));
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let execution = format!("href=\"/executions/{}\"", things.execution_id);
    let of_execution = format!("/events?execution_id={}", things.execution_id);
    eventually("the execution has failed in the log", async || {
        browser.sees(&of_execution).await.has("execution.failed").then_some(())
    })
    .await;
    let page = browser.sees(&of_execution).await;
    assert!(page.has(&execution) && page.has("execution.queued") && !page.has("custom."), "{}", page.text);
    let page = browser.sees(&format!("/events?agent_id={}", things.agent.id)).await;
    assert!(page.has(&execution) && page.has("<code>agent.created</code>"), "{}", page.text);
    assert!(!page.has("<code>custom."), "{}", page.text);
    let page = browser.sees("/events?event_type=custom.test").await;
    assert!(page.has(&format!("href=\"/events/{}\"", things.event_id)) && !page.has(&execution));
    for (query, sees) in [
        ("tenant_id=acme", [true, false]),
        ("tenant_id=other", [false, true]),
        ("from=2020-01-01T00:00&to=2020-01-02T00:00", [false, false]),
    ] {
        let page = browser.sees(&format!("/events?{query}")).await;
        assert_eq!(
            [page.has(&execution), page.has("<code>custom.many</code>")],
            sees,
            "{query}: {}",
            page.text
        );
    }
    let page = browser.sees("/events?tenant_id=other").await;
    let next = page.text.split("rel=\"next\" href=\"").nth(1).and_then(|rest| rest.split('"').next());
    let older = browser.sees(&next.expect("a second page").replace("&#38;", "&")).await;
    assert!(older.has(&format!("href=\"{first}\"")) && !older.has("rel=\"next\""), "{}", older.text);
    assert!(
        !older.has("&#34;n&#34;: 0") && browser.sees(&first).await.has("&#34;n&#34;: 0\n"),
        "on its own page"
    );
    assert_eq!(browser.get("/events?event_type=none").await.status, 422);

    let page = browser.sees(&format!("/events/{}", things.event_id)).await;
    let delivery = format!("/webhooks/{}/deliveries/{}", things.webhook_id, things.delivery_id);
    assert!(page.has(&format!("href=\"{delivery}\"")) && page.has(">failed</span>"), "{}", page.text);
    assert!(browser.sees(&delivery).await.has(&format!("href=\"/events/{}\"", things.event_id)));
    let types = browser.sees("/events/types").await;
    for part in [
        "<code>model.registered</code>",
        "<code>custom.*</code>",
        "Reported by agenthook alone",
        "JSON Schema",
        "&#34;properties&#34;",
    ] {
        assert!(types.has(part), "{part}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_reported_to_the_letter() {
    let (server, receiver) = (Server::start().await, Receiver::start().await);
    server.tenant(json!({"tenant_id": "acme"})).await;
    let webhook = json!({"tenant_id": "acme", "url": receiver.url(), "events": ["*"]});
    server.expect(201, "POST", "/api/v1/webhooks", Some(webhook)).await;
    let admin = Browser::signed_in(&server, ADMIN_KEY).await;
    let operator = Browser::signed_in(&server, &server.api_key("operator", "acme").await).await;
    assert!(admin.sees("/events").await.has("href=\"/events/new\""));
    let form = admin.sees("/events/new").await;
    for (typed, says) in [
        ([("tenant_id", "none"), ("event_type", "custom.x"), ("data", "{}")], "names no tenant"),
        (
            [("tenant_id", "acme"), ("event_type", "execution.failed"), ("data", "{}")],
            "reported by agenthook itself",
        ),
        ([("tenant_id", "acme"), ("event_type", "none.such"), ("data", "{}")], "event_type"),
        ([("tenant_id", "acme"), ("event_type", "custom.x"), ("data", "{\"a\":")], "is no JSON"),
        ([("tenant_id", "acme"), ("event_type", "custom.x"), ("data", "[1]")], "must be a JSON object"),
        ([("tenant_id", "acme"), ("event_type", "training.started"), ("data", "{\"kept\":1}")], "job_id"),
    ] {
        let refused = admin.fill(&form, "/events", &typed).await;
        assert_eq!(refused.status, 422, "{typed:?}: {}", refused.text);
        assert!(refused.has(says), "{typed:?}: {}", refused.text);
        let kept = refused.form("/events").fields;
        assert_eq!((kept["data"].as_str(), kept["event_type"].as_str()), (typed[2].1, typed[1].1));
    }
    assert!(receiver.requests().await.is_empty());
    let data = "{\"z\": 9007199254740993, \"a\": \"<b>\"}";
    let form = operator.sees("/events/new").await;
    assert!(!form.has("name=\"tenant_id\""), "a key of one tenant reports its own");
    let done = operator.fill(&form, "/events", &[("event_type", "custom.order.paid"), ("data", data)]).await;
    assert_eq!(done.status, 303, "{}", done.text);
    let page = operator.sees(done.header("location")).await;
    assert!(page.has("The event is written") && page.has("custom.order.paid"), "{}", page.text);
    assert!(
        page.has("{\n  &#34;z&#34;: 9007199254740993,\n  &#34;a&#34;: &#34;&#60;b&#62;&#34;\n}"),
        "{}",
        page.text
    );
    receiver.got(1).await;
    assert_eq!(receiver.bodies().await[0]["data"]["a"], "<b>");
}
