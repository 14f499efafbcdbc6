//! One execution: read, and mended by buttons.

use serde_json::json;
use wiremock::ResponseTemplate;

use super::{Browser, Things};
use crate::harness::{ADMIN_KEY, Receiver, Server, completion, error, eventually};

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
        "What to do: Change the prompt, the payload or llm_config, then run the execution again.",
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

#[tokio::test(flavor = "multi_thread")]
async fn its_way_is_drawn_from_the_queue_to_the_delivery() {
    let (server, receiver) = (Server::start().await, Receiver::start().await);
    let retry = json!({"max_attempts": 2, "backoff": "exponential", "initial_delay_ms": 100});
    let agent = server.agent_with(json!({ "retry": retry })).await;
    receiver.answers(ResponseTemplate::new(500));
    let webhook = json!({"tenant_id": "acme", "url": receiver.url(), "events": ["execution.completed"]});
    let webhook = server.expect(201, "POST", "/api/v1/webhooks", Some(webhook)).await;
    server.llm.answers_in_turn([error(503, "ServiceUnavailableError", "later"), completion("done")]);
    let id = agent.run(&server, "{}").await["execution_id"].as_str().expect("an id").to_owned();
    let viewer = Browser::signed_in(&server, &server.api_key("viewer", "acme").await).await;
    let page = eventually("the delivery has failed", async || {
        let page = viewer.sees(&format!("/executions/{id}")).await;
        page.has("class=\"status is-failed\"").then_some(page)
    })
    .await;
    for label in [
        "<span>Queued</span>",
        "<span>Call 1 to gpt-4o-mini</span>",
        "<span>Wait for the next call</span>",
        "<span>Call 2 to gpt-4o-mini</span>",
        "<span>Delivery of execution.completed</span>",
    ] {
        assert!(page.has(label), "{label}: {}", page.text);
    }
    for (kind, least) in [("bar-failed", 2), ("bar-done", 1), ("bar-wait", 3)] {
        let seen = page.text.matches(&format!("<rect class=\"{kind}\"")).count();
        assert!(seen >= least, "{seen} {kind}: {}", page.text);
    }
    let path = format!("/webhooks/{}/deliveries/", webhook["webhook_id"].as_str().expect("an id"));
    let told = page.text.split("<h2 id=\"told\">").nth(1).expect("events and deliveries");
    assert!(told.contains("<code>execution.completed</code>") && told.contains(&path), "{told}");
    assert!(told.contains("attempts: 1; status: "), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prompt_is_the_one_that_the_model_got() {
    let server = Server::start().await;
    let plain = server.agent().await;
    let template =
        json!({"type": "webhook", "prompt_template": "Ticket {{ payload.ticket }} of {{ agent.name }}"});
    let fenced = server.agent_with(json!({"name": "Fenced", "trigger": template})).await;
    let viewer = Browser::signed_in(&server, &server.api_key("viewer", "acme").await).await;
    for (agent, marked) in [(&plain, "payload"), (&fenced, "data")] {
        let id = agent.run(&server, r#"{"ticket": "<T-1>"}"#).await["execution_id"]
            .as_str()
            .expect("an id")
            .to_owned();
        let calls = server.llm.bodies().await;
        let call = calls.last().expect("a call");
        let page = viewer.sees(&format!("/executions/{id}")).await;
        assert!(page.has("<details>\n<summary>What the model reads</summary>"), "{}", page.text);
        for message in call["messages"].as_array().expect("messages") {
            let sent = message["content"].as_str().expect("text");
            // The marker of that run, which nobody knows any more.
            let marker = sent.split(&format!("<{marked} ")).nth(1).and_then(|rest| rest.split('>').next());
            let sent = marker.map_or(sent.to_owned(), |marker| sent.replace(marker, "MARKER"));
            let escaped = sent.replace('&', "&#38;").replace('\'', "&#39;").replace('"', "&#34;");
            let escaped = escaped.replace('<', "&#60;").replace('>', "&#62;");
            assert!(page.has(&format!("<pre tabindex=\"0\">{escaped}</pre>")), "{escaped}: {}", page.text);
        }
    }
    let changed = json!({"trigger": {"prompt_template": "{{ payload.missing }}"}});
    server.expect(200, "PATCH", &format!("/api/v1/agents/{}", fenced.id), Some(changed)).await;
    let id = fenced.run(&server, "{}").await["execution_id"].as_str().expect("an id").to_owned();
    let page = viewer.sees(&format!("/executions/{id}")).await;
    assert!(
        page.has("No prompt can be shown: the prompt template: ") && page.has("payload.missing"),
        "{}",
        page.text
    );
}
