//! What every answer of the API has in common: a request id, a problem document for each refusal, nothing for
//! those without a key.

use std::time::Duration;

use serde_json::json;

use crate::harness::{ADMIN_KEY, Answer, Server};

/// It is a problem document with this status and code, whole in all its parts.
fn problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{}", answer.text);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.body["status"], status);
    for field in ["type", "title", "detail"] {
        assert!(answer.body[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {}", answer.text);
    }
    assert_eq!(answer.body["request_id"], answer.header("x-request-id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_get_without_the_body() {
    let server = Server::start().await;
    for (path, key, status) in [
        ("/healthz", None, 200),
        ("/readyz", None, 200),
        ("/docs", None, 200),
        ("/api/v1/tenants", Some(ADMIN_KEY), 200),
        ("/api/v1/tenants", None, 401),
        ("/nowhere", None, 404),
    ] {
        let request = server.http.head(format!("{}{path}", server.url));
        let request = if let Some(key) = key { request.bearer_auth(key) } else { request };
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert!(
            answer.headers().contains_key("x-request-id") && answer.headers().contains_key("content-type")
        );
        assert_eq!(answer.text().await.expect("no body"), "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_right_key_there_is_nothing_to_see() {
    let server = Server::with_manual_clock().await;
    let agent = server.agent().await;
    let trace = agent.run(&server, "{}").await;
    let execution = trace["execution_id"].as_str().expect("an id");
    let routes = [
        ("GET", "/api/v1/tenants".to_owned()),
        ("POST", "/api/v1/tenants".to_owned()),
        ("GET", "/api/v1/tenants/acme".to_owned()),
        ("PATCH", "/api/v1/tenants/acme".to_owned()),
        ("DELETE", "/api/v1/tenants/acme".to_owned()),
        ("PUT", "/api/v1/tenants/acme/llm-key".to_owned()),
        ("DELETE", "/api/v1/tenants/acme/llm-key".to_owned()),
        ("GET", "/api/v1/agents".to_owned()),
        ("POST", "/api/v1/agents".to_owned()),
        ("GET", format!("/api/v1/agents/{}", agent.id)),
        ("PATCH", format!("/api/v1/agents/{}", agent.id)),
        ("DELETE", format!("/api/v1/agents/{}", agent.id)),
        ("GET", format!("/api/v1/agents/{}/webhook-secret?reveal=true", agent.id)),
        ("GET", format!("/api/agents/{}/webhook-secret?reveal=true", agent.id)),
        ("GET", "/api/v1/executions".to_owned()),
        ("GET", format!("/api/v1/executions/{execution}")),
        // What is wrong besides is for those with a key to know.
        ("GET", "/api/v1/executions?limit=none".to_owned()),
        ("GET", "/api/v1/agents?cursor=x".to_owned()),
        ("GET", "/api/v1/agents/none".to_owned()),
        ("GET", "/api/v1/nowhere".to_owned()),
        ("POST", "/%61pi/v1//tenants/".to_owned()),
    ];
    let wrong = ADMIN_KEY.replace("0123", "3210");
    let longer = format!("{ADMIN_KEY}0");
    let keys = [None, Some(""), Some("ahk_"), Some(&wrong[..]), Some(&longer[..]), Some(&ADMIN_KEY[..20])];
    for (method, path) in &routes {
        // So many wrong keys in a minute would be refused for that.
        server.clock.advance(Duration::from_secs(60));
        for key in keys {
            for body in
                [None, Some("{}"), Some("no JSON")].into_iter().take(if *method == "GET" { 1 } else { 3 })
            {
                problem(&server.ask(method, path, key, body.map(str::to_owned)).await, 401, "unauthorized");
            }
        }
    }
    for scheme in ["Basic", "bearer2", ""] {
        let request = server.http.get(format!("{}/api/v1/tenants", server.url));
        let answer =
            request.header("authorization", format!("{scheme} {ADMIN_KEY}")).send().await.expect("an answer");
        assert_eq!(answer.status(), 401, "{scheme}");
    }
    let request = server.http.get(format!("{}/api/v1/tenants", server.url));
    let answer =
        request.header("authorization", format!("bEARER {ADMIN_KEY}")).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(agent.post("[]").await.status, 202, "nothing was changed or deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_and_methods_that_do_not_exist_say_so() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let ask = async |method: &str, path: &str| server.ask(method, path, Some(ADMIN_KEY), None).await;
    for path in [
        "/nowhere",
        "/api",
        "/api/v1",
        "/api/v2/tenants",
        "/api/tenants",
        "/webhook",
        "/webhook/agents/x",
        "/api/v1/agents/x/y",
    ] {
        problem(&ask("GET", path).await, 404, "not_found");
    }
    for path in
        ["/api/v1/agents/none", "/api/v1/executions/none", "/api/v1/tenants/no+body", "/api/v1/tenants/a%00b"]
    {
        problem(&ask("GET", path).await, 404, "not_found");
    }
    for (path, allow) in [
        ("/api/v1/tenants", "GET, POST"),
        ("/api/v1/tenants/acme", "GET, PATCH, DELETE"),
        ("/api/v1/tenants/acme/llm-key", "PUT, DELETE"),
        ("/api/v1/agents", "GET, POST"),
        (&format!("/api/v1/agents/{}", agent.id), "GET, PATCH, DELETE"),
        (&format!("/api/v1/agents/{}/webhook-secret", agent.id), "GET"),
        ("/api/v1/executions", "GET"),
        ("/api/v1/executions/x", "GET"),
        (&format!("/webhook/agents/{}/webhook", agent.id), "POST"),
        ("/webhook/agents/nobody/webhook", "POST"),
        ("/healthz", "GET"),
        ("/readyz", "GET"),
    ] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            if allow.split(", ").all(|allowed| allowed != method) {
                let answer = ask(method, path).await;
                problem(&answer, 405, "method_not_allowed");
                assert_eq!(answer.header("allow"), allow, "{method} {path}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_has_an_id_of_its_own_and_never_the_senders() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let mut ids = std::collections::BTreeSet::new();
    let mut asked = 0;
    for (method, path) in [
        ("GET", "/healthz".to_owned()),
        ("GET", "/readyz/".to_owned()),
        ("GET", "/api/v1/tenants/".to_owned()),
        ("GET", "/api/v1/tenants".to_owned()),
        ("DELETE", "/api/v1/tenants/nobody".to_owned()),
        ("GET", "/nowhere".to_owned()),
        ("PUT", "/healthz".to_owned()),
        ("POST", format!("/webhook/agents/{}/webhook", agent.id)),
    ] {
        let url = format!("{}{path}", server.url);
        let request = server.http.request(method.parse().expect("a method"), url).bearer_auth(ADMIN_KEY);
        let answer = request.header("x-request-id", "the-senders-own").send().await.expect("an answer");
        let all: Vec<_> = answer.headers().get_all("x-request-id").iter().collect();
        let [id] = all[..] else { panic!("{method} {path}: {all:?}") };
        let id: uuid::Uuid = id.to_str().expect("text").parse().expect("a UUID");
        assert!(ids.insert(id), "{method} {path}");
        asked += 1;
    }
    assert_eq!(ids.len(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_json_is_told_apart_from_one_that_is_wrong() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let agent = format!("/api/v1/agents/{}", agent.id);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let routes = [
        ("POST", "/api/v1/tenants"),
        ("PATCH", "/api/v1/tenants/acme"),
        ("PUT", "/api/v1/tenants/acme/llm-key"),
        ("POST", "/api/v1/agents"),
        ("PATCH", agent.as_str()),
    ];
    for (method, path) in routes {
        let ask = async |body: &str| server.ask(method, path, Some(ADMIN_KEY), Some(body.to_owned())).await;
        for body in ["", "{", "{} {}", "{'a': 1}", "\"\\ud800\"", "nul", &deep] {
            problem(&ask(body).await, 400, "malformed_json");
        }
        for body in [
            "[]",
            "1",
            "\"text\"",
            "null",
            "{\"unknown\": 1}",
            "{\"name\": \"a\\u0000\"}",
            "{\"a\\u0000\": 1}",
        ] {
            let answer = ask(body).await;
            problem(&answer, 422, "invalid_request");
            assert!(
                answer.body["errors"][0]["pointer"].is_string(),
                "{method} {path} {body}: {}",
                answer.text
            );
        }
        let huge = json!({"name": "x".repeat(1_048_576)}).to_string();
        problem(&ask(&huge).await, 413, "payload_too_large");
    }
}
