//! Executions: found, read, and mended by buttons.

use serde_json::json;

use super::{Browser, Things};
use crate::harness::{ADMIN_KEY, Server, completion};

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
        ("from=2020-01-01T00%3A00&to=2020-01-02T00%3A00", 0),
        ("from=2020-01-01T00%3A00&tenant_id=other", 1),
    ] {
        let page = browser.sees(&format!("/executions?{query}")).await;
        assert_eq!(rows(&page.text), count, "{query}");
        assert_eq!(page.has("None matches"), count == 0, "{query}");
    }
    let page = browser.sees("/executions?from=2020-01-01T00%3A00").await;
    assert!(page.has("value=\"2020-01-01T00:00\""), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_read_retried_and_replayed() {
    let server = Server::start().await;
    let things = Things::on(&server).await;
    let browser = Browser::signed_in(&server, &server.api_key("operator", "acme").await).await;
    let path = things.path("/executions/{execution_id}");
    let page = browser.sees(&path).await;
    for part in [
        ">failed</span>",
        "href=\"/errors/llm_bad_request\"",
        "{\n  &#34;ticket&#34;: 1\n}",
        "<strong>received</strong>: a webhook of 13 bytes was accepted",
        "href=\"/agents/",
        "There is none.",
    ] {
        assert!(page.has(part), "{part}: {}", page.text);
    }
    server.llm.answers(completion("{\"triaged\":true}"));
    let retried = browser.press(&page, &format!("{path}/retry")).await;
    assert_eq!((retried.status, retried.header("location")), (303, format!("{path}?done=retried").as_str()));
    assert!(browser.sees(retried.header("location")).await.has("queued for another run"));
    server.sees(&things.execution_id, "succeeds", |trace| trace["status"] == "success").await;
    let page = browser.sees(&path).await;
    for part in
        ["{\n  &#34;triaged&#34;: true\n}", "$0.0000133", "53: 41 in (0 cached)", "(by operator of acme)"]
    {
        assert!(page.has(part), "{part}: {}", page.text);
    }
    assert!(!page.has(&format!("action=\"{path}/retry\"")), "it has not failed any more");
    let csrf = browser.csrf().await;
    let late = browser.post(&format!("{path}/retry"), &[("csrf", &csrf)]).await;
    assert_eq!(late.status, 409);
    assert!(late.has("replay it instead") && late.has(&format!("href=\"{path}\"")), "{}", late.text);

    let agent = format!("/api/v1/agents/{}", things.agent.id);
    server.expect(200, "PATCH", &agent, Some(json!({"name": "Renamed"}))).await;
    let page = browser.sees(&path).await;
    assert!(page.has("Replay on version 2 (the present one)") && page.has("Replay on version 1 (the same)"));
    for (fields, version) in [(&[][..], 2), (&[("agent_version", "1")], 1)] {
        let fields: Vec<_> = fields.iter().copied().chain([("csrf", csrf.as_str())]).collect();
        let replayed = browser.post(&format!("{path}/replay"), &fields).await;
        let page = browser.sees(replayed.header("location")).await;
        assert!(page.has("This is the new execution"), "{}", page.text);
        assert!(page.has(&format!("replay of <a href=\"{path}\">")), "{}", page.text);
        let id =
            replayed.header("location")["/executions/".len()..].split('?').next().expect("an id").to_owned();
        assert_eq!(server.trace(&id).await["agent_version"], version);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_cancelled_and_what_is_held_released_or_discarded() {
    let server = Server::without_worker().await;
    let hold = json!({"trigger": {"type": "webhook", "when_paused": "hold"}});
    let agent = server.agent_with(hold).await;
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let path = format!("/executions/{}", agent.accepted("1").await);
    let cancelled = browser.press(&browser.sees(&path).await, &format!("{path}/cancel")).await;
    let page = browser.sees(cancelled.header("location")).await;
    assert!(page.has("The execution is cancelled.") && page.has(">cancelled</span>"), "{}", page.text);
    let paused = Some(json!({"status": "paused"}));
    server.expect(200, "PATCH", &format!("/api/v1/agents/{}", agent.id), paused).await;
    for (payload, action, status) in [("2", "release", "queued"), ("3", "discard", "cancelled")] {
        let path = format!("/executions/{}", agent.accepted(payload).await);
        let page = browser.sees(&path).await;
        assert!(page.has("(held: paused)"), "{}", page.text);
        let done = browser.press(&page, &format!("{path}/{action}")).await;
        assert!(browser.sees(done.header("location")).await.has(&format!(">{status}</span>")));
    }
}
