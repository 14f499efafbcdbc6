//! Two executions beside each other.

use serde_json::json;

use super::{Browser, Things};
use crate::harness::{ADMIN_KEY, Server, completion};

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_compared_with_its_original() {
    let server = Server::start().await;
    let agent = server.agent().await;
    server.llm.answers(completion("{\"a\": 1, \"b\": 2}"));
    let original =
        agent.run(&server, r#"{"ticket": 1}"#).await["execution_id"].as_str().expect("an id").to_owned();
    let changed = json!({"system_prompt": "You triage tickets.\nBe brief."});
    server.expect(200, "PATCH", &format!("/api/v1/agents/{}", agent.id), Some(changed)).await;
    server.llm.answers(completion("{\"a\": 1, \"b\": 3}"));
    let path = format!("/api/v1/executions/{original}/replay");
    let replay =
        server.expect(202, "POST", &path, None).await["execution_id"].as_str().expect("an id").to_owned();
    server.ended(&replay).await;

    let viewer = Browser::signed_in(&server, &server.api_key("viewer", "acme").await).await;
    let compare = format!("/executions/compare?a={original}&b={replay}");
    let link = format!("href=\"{}\"", compare.replace('&', "&#38;"));
    let page = viewer.sees(&format!("/executions/{replay}")).await;
    assert!(page.has(&format!("{link}>compare with the original</a>")), "{}", page.text);
    let page = viewer.sees(&format!("/executions/{original}")).await;
    assert!(page.has(&link) && page.has(&format!("href=\"/executions/{replay}\"")), "{}", page.text);

    let page = viewer.sees(&compare).await;
    for part in [
        "<th scope=\"row\">Model</th><td data-label=\"First\">gpt-4o-mini</td><td data-label=\"Second\">gpt-4o-mini</td>",
        "<th scope=\"row\">Version (differs)</th><td data-label=\"First\"><strong>1</strong></td>",
        "<th scope=\"row\">Status</th><td data-label=\"First\">success</td>",
        "Both are the same.",
        "<ins>+ Be brief.</ins>",
        "<del>-   &#34;b&#34;: 2</del>",
        "<ins>+   &#34;b&#34;: 3</ins>",
        "<span>    &#34;a&#34;: 1,</span>",
    ] {
        assert!(page.has(part), "{part}: {}", page.text);
    }
    assert_eq!(
        page.text.matches("Both are the same.").count(),
        1,
        "the payload, and nothing else: {}",
        page.text
    );
    assert_eq!(
        page.text.matches("<ins>").count(),
        2,
        "the markers of two prompts are no difference: {}",
        page.text
    );
    let itself = viewer.sees(&format!("/executions/compare?a={original}&b={original}")).await;
    assert_eq!(itself.text.matches("Both are the same.").count(), 3, "{}", itself.text);
    assert!(!itself.has("(differs)"), "{}", itself.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_are_picked_in_the_list() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(
            agent.run(&server, format!("{{\"n\": {n}}}")).await["execution_id"]
                .as_str()
                .expect("an id")
                .to_owned(),
        );
    }
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let list = browser.sees("/executions").await;
    assert!(list.has("<form method=\"get\" action=\"/executions/compare\">"), "{}", list.text);
    for id in &ids {
        assert!(list.has(&format!("type=\"checkbox\" name=\"pick\" value=\"{id}\"")), "{}", list.text);
    }
    let [a, b, c] = &ids[..] else { unreachable!("three") };
    let page = browser.sees(&format!("/executions/compare?pick={a}&pick={b}")).await;
    assert!(
        page.has("<del>-   &#34;n&#34;: 0</del>") && page.has("<ins>+   &#34;n&#34;: 1</ins>"),
        "{}",
        page.text
    );
    for (query, named) in [(format!("?pick={a}"), 1), (format!("?pick={a}&pick={b}&pick={c}"), 3)] {
        let page = browser.sees(&format!("/executions/compare{query}")).await;
        assert!(
            page.has(&format!("Pick two executions to compare: it was {named}."))
                && page.has(&format!("name=\"a\" value=\"{a}\""))
        );
    }
    let page = browser.sees("/executions/compare").await;
    assert!(
        page.has("name=\"b\" value=\"\"") && !page.has("Pick two executions to compare"),
        "{}",
        page.text
    );
    assert_eq!(browser.get(&format!("/executions/compare?a={a}&b=none")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_another_tenants_is_compared_with_nothing() {
    let server = Server::start().await;
    let things = Things::on(&server).await;
    let other = server.agent_with(json!({"tenant_id": "other"})).await;
    let own = other.run(&server, "{}").await["execution_id"].as_str().expect("an id").to_owned();
    let stranger = Browser::signed_in(&server, &server.api_key("operator", "other").await).await;
    let (theirs, never) = (things.execution_id.as_str(), "01a20174-af9d-764c-ac07-00a385c2f011");
    let refused = stranger.get(&format!("/executions/compare?a={own}&b={never}")).await;
    assert_eq!(refused.status, 404);
    for (a, b) in [(own.as_str(), theirs), (theirs, &own), (theirs, theirs)] {
        for query in [format!("a={a}&b={b}"), format!("pick={a}&pick={b}")] {
            let page = stranger.get(&format!("/executions/compare?{query}")).await;
            assert_eq!((page.status, &page.text), (404, &refused.text), "{query}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_said_to_be() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let large = json!({"text": "x".repeat(300_000)}).to_string();
    let large = agent.run(&server, large).await["execution_id"].as_str().expect("an id").to_owned();
    let small = agent.run(&server, "{}").await["execution_id"].as_str().expect("an id").to_owned();
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let page = browser.sees(&format!("/executions/compare?a={large}&b={small}")).await;
    assert_eq!(page.text.matches("Too large to compare: 3").count(), 2, "payload and prompt: {}", page.text);
    assert!(page.text.len() < 100_000, "{}", page.text.len());
}
