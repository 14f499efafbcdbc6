//! Whatever senders, models, receivers and customers write is text on every page, and never markup.

use serde_json::json;
use wiremock::ResponseTemplate;

use super::{Browser, failed_delivery};
use crate::harness::{Receiver, Server, completion};

/// Breaks out of text, attributes and elements, if anything does. The browser of these stories fails at any element of it.
const MARKUP: &str = r#"'"></pre></title><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}"#;
/// The same, escaped.
const ESCAPED: &str = "&#39;&#34;&#62;&#60;/pre&#62;&#60;/title&#62;&#60;script&#62;alert(1)&#60;/script&#62;&#60;img src=x \
                       onerror=alert(1)&#62;{{7*7}}";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_shown_is_markup() {
    let server = Server::start().await;
    let trigger = json!({
        "type": "webhook", "prompt_template": format!("{{% raw %}}{MARKUP}{{% endraw %}}"),
        "filter": format!("payload.text != {}", json!("<script>alert(2)</script>")),
        "payload_schema": {"type": "object", "title": MARKUP, "default": {"text": MARKUP}},
    });
    let agent =
        json!({"name": MARKUP, "system_prompt": MARKUP, "trigger": trigger, "llm_config": {"model": MARKUP}});
    let agent = server.agent_with(agent).await;
    server.llm.answers(completion(MARKUP));
    let payload = json!({"text": MARKUP, (MARKUP): 1}).to_string();
    let done = agent.post_with(&payload, &[("x-evil", MARKUP)]).await.execution_id();
    server.ended(&done).await;
    server.llm.answers(completion(&json!({"text": MARKUP}).to_string()));
    let json_output = agent.run(&server, json!({"text": "<!--"}).to_string()).await["execution_id"].clone();
    let refused = agent.with_secret(&json!("d3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmc="));
    let refused = refused.post_with(MARKUP, &[("x-evil", MARKUP)]).await.header("x-request-id").to_owned();
    let receiver = Receiver::start().await;
    receiver.answers(ResponseTemplate::new(500).set_body_string(MARKUP));
    let fields = json!({"description": MARKUP, "filter": "event.data.x != '<script>'"});
    let (webhook_id, delivery_id) = failed_delivery(&server, &receiver, fields).await;
    let key = json!({"role": "admin", "name": MARKUP});
    let key = server.expect(201, "POST", "/api/v1/keys", Some(key)).await;
    let key_id = key["key_id"].as_str().expect("an id");
    let event =
        json!({"tenant_id": "acme", "event_type": "custom.evil", "data": {(MARKUP): MARKUP, "text": "<!--"}});
    let event = server.expect(202, "POST", "/api/v1/events", Some(event)).await;
    let event_id = event["event_id"].as_str().expect("an id");
    let tenant = json!({"name": MARKUP, "allowed_models": [MARKUP]});
    server.expect(200, "PATCH", "/api/v1/tenants/acme", Some(tenant)).await;
    let browser = Browser::signed_in(&server, key["key"].as_str().expect("a key")).await;

    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", MARKUP).finish();
    let evil_id = format!("/executions?{}", query.replace("q=", "agent_id="));
    for (path, times) in [
        ("/", 2),
        ("/executions", 2),
        // The key's name, the field and the finds.
        (&format!("/executions?{query}"), 3),
        // With the prompt.
        (&format!("/executions/{done}"), 5),
        (&format!("/executions/compare?a={done}&b={}", json_output.as_str().expect("an id")), 4),
        (&format!("/executions/compare?{}", query.replace("q=", "a=")), 2),
        ("/agents", 3),
        (&format!("/agents/{}", agent.id), 5),
        (&format!("/hits/{refused}"), 3),
        (&format!("/agents/{}/edit", agent.id), 5),
        (&format!("/agents/{}/test", agent.id), 2),
        (&format!("/agents/{}/versions", agent.id), 4),
        (&format!("/agents/{}/versions/1", agent.id), 4),
        ("/webhooks", 1),
        (&format!("/webhooks/{webhook_id}"), 2),
        (&format!("/webhooks/{webhook_id}/deliveries/{delivery_id}"), 2),
        // Each page has the key's name once.
        (&format!("/webhooks/{webhook_id}/edit"), 2),
        ("/tenants", 2),
        ("/tenants/acme", 3),
        ("/tenants/acme/edit", 2),
        ("/keys", 4),
        (&format!("/keys/{key_id}/delete"), 2),
        ("/audit", 2),
    ] {
        let page = browser.sees(path).await;
        let seen = page.text.matches(ESCAPED).count();
        assert!(seen >= times, "{path} has it {seen} times: {}", page.text);
    }
    let (edit, test) = (format!("/agents/{}/edit", agent.id), format!("/agents/{}/test", agent.id));
    let form = browser.sees(&edit).await;
    for field in ["payload_schema", "filter", "llm_config", "custom", "max_attempts", "callback_hosts"] {
        let page = browser.fill(&form, &edit, &[(field, MARKUP)]).await;
        assert!(page.status == 422 && page.has(ESCAPED), "{field}: {} {}", page.status, page.text);
        assert_eq!(page.field(&edit, field), MARKUP, "{field}");
    }
    let form = browser.sees(&test).await;
    for dry_run in ["true", "false"] {
        let wish = [("dry_run", dry_run), ("payload", MARKUP), ("headers", MARKUP)];
        let page = browser.fill(&form, &test, &wish).await;
        assert!(page.status == 400 && page.field(&test, "headers") == MARKUP, "{}", page.text);
    }
    let payload = json!({"text": MARKUP}).to_string();
    let page = browser.fill(&form, &test, &[("dry_run", "true"), ("payload", &payload)]).await;
    assert!(page.has("What the model would read") && page.has(ESCAPED), "{}", page.text);
    let page = browser.sees(&format!("/executions/{done}")).await;
    assert_eq!(page.text.matches("&#39;\\&#34;&#62;&#60;/pre&#62;").count(), 2, "in JSON: {}", page.text);
    let page = browser.sees(&format!("/executions/{}", json_output.as_str().expect("an id"))).await;
    assert!(page.has("&#60;!--") && page.has("{\n  &#34;text&#34;: "), "{}", page.text);
    let page = browser.sees(&format!("/events/{event_id}")).await;
    let times = page.text.matches("&#39;\\&#34;&#62;&#60;/pre&#62;").count();
    assert!(times == 2 && page.has("&#60;!--"), "it is there {times} times: {}", page.text);
    assert_eq!(browser.get(&evil_id).await.status, 422);
    let evil = |name: &str| query.replace("q=", &format!("{name}="));
    assert!(browser.sees(&format!("/audit?{}", evil("subject"))).await.has(ESCAPED));
    assert!(browser.sees(&format!("/webhooks/new?{}", evil("agent_id"))).await.has(ESCAPED));
    // What is not taken comes back as it was typed.
    for (form, action, fields) in [
        (
            "/webhooks/new",
            "/webhooks",
            &[
                "tenant_id",
                "url",
                "events",
                "filter",
                "description",
                "headers",
                "agent_id",
                "schedule_seconds",
                "timeout_seconds",
                "per_minute",
                "burst",
            ][..],
        ),
        ("/events/new", "/events", &["tenant_id", "event_type", "data", "idempotency_key"]),
        (
            "/new-tenant",
            "/tenants",
            &["tenant_id", "name", "allowed_models", "per_minute", "burst", "concurrency"],
        ),
        ("/tenants/acme/edit", "/tenants/acme", &["name", "per_minute", "concurrency"]),
        ("/keys/new", "/keys", &["name", "tenant_id"]),
    ] {
        let typed: Vec<_> = fields.iter().map(|field| (*field, MARKUP)).collect();
        let refused = browser.fill(&browser.sees(form).await, action, &typed).await;
        let seen = refused.text.matches(ESCAPED).count();
        assert!(refused.status == 422 && seen > fields.len(), "{form} {seen}: {}", refused.text);
    }
    for path in [format!("/{query}"), format!("/sign-in/{query}"), format!("/executions/{query}")] {
        assert_eq!(browser.get(&path).await.status, 404);
    }
    let next = Browser::new(&server).sees(&format!("/sign-in?{}", query.replace("q=", "next="))).await;
    assert!(next.has(ESCAPED), "{}", next.text);
    assert_eq!(Browser::new(&server).sign_in(MARKUP, MARKUP).await.status, 401);
}
