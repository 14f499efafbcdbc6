//! `q` in the list of executions: a text that stands somewhere in what they took or gave.

use serde_json::{Value, json};

use crate::harness::{Agent, Server, accept_many, completion, error};

/// A page of what is found.
async fn page(server: &Server, q: &str, more: &str) -> Value {
    let q: String = url::form_urlencoded::byte_serialize(q.as_bytes()).collect();
    server.get(&format!("/api/v1/executions?q={q}{more}")).await
}

fn ids(page: &Value) -> Vec<String> {
    let found = page["executions"].as_array().expect("a list").iter();
    found.map(|execution| execution["execution_id"].as_str().expect("an id").to_owned()).collect()
}

async fn run(server: &Server, agent: &Agent, body: &str, output: &str) -> String {
    server.llm.answers(completion(output));
    agent.run(server, body).await["execution_id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_found_wherever_it_stands_and_in_whichever_case() {
    let server = Server::start().await;
    let ours = server.agent_with(json!({"tenant_id": "ours", "retry": {"max_attempts": 1}})).await;
    let theirs = server.agent_with(json!({"tenant_id": "theirs"})).await;
    let payload = run(&server, &ours, r#"{"city":"MÜNCHEN","rate":"100%_off"}"#, "done").await;
    let output = run(&server, &ours, "{}", "He moved to München\u{0}").await;
    let foreign = run(&server, &theirs, r#"{"city":"münchen"}"#, "ok").await;
    server.llm.answers(error(400, "invalid_request_error", "no"));
    let failed = ours.run(&server, "[1]").await["execution_id"].as_str().expect("an id").to_owned();

    let found = page(&server, "münchen", "").await;
    assert_eq!(ids(&found), [foreign.as_str(), &output, &payload], "the newest first");
    assert_eq!(found["search"], json!({"looked_at": 4, "complete": true}));
    assert_eq!(found["next_cursor"], Value::Null);
    for (q, more, expected) in [
        ("MüNcHeN", "&tenant_id=ours", vec![&output, &payload]),
        ("münchen", "&tenant_id=theirs", vec![&foreign]),
        ("münchen", "&status=failed", vec![]),
        ("LLM_BAD_REQUEST", "", vec![&failed]),
        ("%_", "", vec![&payload]),
        ("100%_OFF", "", vec![&payload]),
        ("%", "&tenant_id=theirs", vec![]),
        ("_off", "", vec![&payload]),
        ("'; DROP TABLE executions; --", "", vec![]),
        ("\0", "", vec![]),
        (r#""city":"m"#, "", vec![&foreign, &payload]),
    ] {
        let found = page(&server, q, more).await;
        assert_eq!(ids(&found), expected.into_iter().cloned().collect::<Vec<_>>(), "{q}{more}");
    }
    let agent = page(&server, "münchen", &format!("&agent_id={}", ours.id)).await;
    assert_eq!((ids(&agent).len(), &agent["search"]["looked_at"]), (2, &json!(3)), "{agent}");
    assert!(!page(&server, "m", "&tenant_id=ours").await.to_string().contains("theirs"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_comes_in_pages() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let mut all = Vec::new();
    for n in 0..10 {
        let id = agent
            .accepted(json!({"n": n, "word": if n % 2 == 0 { "even" } else { "odd" }}).to_string())
            .await;
        all.extend((n % 2 == 0).then_some(id));
    }
    all.reverse();
    for limit in [1, 2, 4, 5, 200] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let found = page(&server, "EVEN", &format!("&limit={limit}{cursor}")).await;
            assert!(ids(&found).len() <= limit && found["search"]["complete"] == true, "{found}");
            seen.extend(ids(&found));
            let Some(next) = found["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, all, "by {limit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_has_its_limits() {
    let server = Server::start().await;
    for (length, status) in [(0, 422), (1, 200), (199, 200), (200, 200), (201, 422)] {
        let q = "%C3%A9".repeat(length);
        let answer = server.expect(status, "GET", &format!("/api/v1/executions?q={q}"), None).await;
        if status == 422 {
            assert_eq!(answer["errors"][0]["pointer"], "q", "{answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_after_ten_thousand_and_says_so() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let oldest = agent.accepted(r#""the needle""#).await;
    let id = agent.id.parse().expect("an id");
    let stack = async |count| accept_many(&server.app.store, "acme", id, server.clock.now(), count).await;
    stack(9_998).await;
    for looked_at in [9_999, 10_000] {
        let found = page(&server, "needle", "").await;
        assert_eq!(ids(&found), [oldest.as_str()]);
        assert_eq!(found["search"], json!({"looked_at": looked_at, "complete": true}));
        stack(1).await;
    }
    let found = page(&server, "needle", "&tenant_id=acme").await;
    assert_eq!(found["search"], json!({"looked_at": 10_000, "complete": false}));
    assert!(ids(&found).is_empty());
    let cursor = found["next_cursor"].as_str().expect("where to go on");
    let found = page(&server, "needle", &format!("&cursor={cursor}")).await;
    assert_eq!((ids(&found), &found["search"]), (vec![oldest], &json!({"looked_at": 1, "complete": true})));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_a_time_and_one_more_is_told_to_come_again() {
    let server = Server::start().await;
    let searches = &server.app.searches;
    let first = searches.turn().await.expect("a turn");
    page(&server, "x", "").await;
    let second = searches.turn().await.expect("the other turn");
    let path = "/api/v1/executions?q=x";
    let refused = server.ask("GET", path, Some(crate::harness::ADMIN_KEY), None).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!(
        refused.headers.contains_key("retry-after") && refused.text.contains("searches"),
        "{}",
        refused.text
    );
    server.get("/api/v1/executions").await;
    server.expect(422, "GET", "/api/v1/executions?q=", None).await;
    drop(second);
    page(&server, "x", "").await;
    drop(first);
}
