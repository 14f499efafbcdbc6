//! The hit ledger: what became of every POST to an agent, who may see it, and how much of it is kept.

mod bounds;
mod command;
mod diagnoses;

use serde_json::{Value, json};

use crate::harness::{Agent, Answer, Server, Setup};

/// A page of an agent's hits.
async fn page(server: &Server, agent: &Agent, query: &str) -> Value {
    server.get(&format!("/api/v1/agents/{}/hits?{query}", agent.id)).await
}

/// All of them, the newest first.
async fn hits(server: &Server, agent: &Agent) -> Vec<Value> {
    page(server, agent, "limit=200").await["hits"].as_array().expect("a list").clone()
}

/// The hit that was answered so.
async fn hit(server: &Server, answer: &Answer) -> Value {
    server.get(&format!("/api/v1/hits/{}", answer.header("x-request-id"))).await
}

/// How many there were, by verdict and reason.
async fn counts(server: &Server, agent: &Agent) -> Vec<(String, u64)> {
    let page = page(server, agent, "limit=1").await;
    let by_reason = page["counts"]["by_reason"].as_array().expect("a list").clone();
    let text = |value: &Value| value.as_str().expect("a word").to_owned();
    by_reason
        .iter()
        .map(|count| {
            let what = format!("{} {}", text(&count["verdict"]), text(&count["reason"]));
            (what, count["hits"].as_u64().expect("a number"))
        })
        .collect()
}

const UNSIGNED: [(&str, &str); 1] = [("content-type", "application/json")];

#[tokio::test(flavor = "multi_thread")]
async fn every_hit_is_there_with_its_verdict_and_its_reason() {
    let server = Server::start().await;
    let schema = json!({"type": "object", "required": ["n"]});
    let agent = server.agent_with(json!({"trigger": {"type": "webhook", "payload_schema": schema}})).await;
    let path = format!("/api/v1/agents/{}", agent.id);
    let accepted = agent.post(r#"{"n":1}"#).await;
    let duplicate = agent.post(r#"{"n":1}"#).await;
    let unsigned = agent.post_raw(br#"{"n":1}"#, &UNSIGNED).await;
    let broken = agent.post("{").await;
    let mismatch = agent.post("{}").await;
    let named = agent.post_with(r#"{"n":2}"#, &[("idempotency-key", "k")]).await;
    let renamed = agent.post_with(r#"{"n":3}"#, &[("idempotency-key", "k")]).await;
    let form = agent.post_raw(b"n=1", &[("content-type", "text/plain")]).await;
    server.expect(200, "PATCH", &path, Some(json!({"status": "paused"}))).await;
    let paused = agent.post(r#"{"n":4}"#).await;
    let expected = [
        (&accepted, "accepted", "queued", json!(null)),
        (&duplicate, "duplicate", "same_delivery", json!(200)),
        (&unsigned, "rejected", "invalid_signature", json!(401)),
        (&broken, "rejected", "malformed_json", json!(400)),
        (&mismatch, "rejected", "schema_mismatch", json!(422)),
        (&named, "accepted", "queued", json!(null)),
        (&renamed, "rejected", "idempotency_mismatch", json!(422)),
        (&form, "rejected", "unsupported_media_type", json!(415)),
        (&paused, "rejected", "agent_not_active", json!(403)),
    ];
    let listed = hits(&server, &agent).await;
    assert_eq!(listed.len(), expected.len(), "{listed:#?}");
    for ((answer, verdict, reason, status), listed) in expected.iter().zip(listed.iter().rev()) {
        let shown = hit(&server, answer).await;
        assert_eq!(shown["hit_id"], answer.header("x-request-id"));
        assert_eq!((&shown["verdict"], &shown["reason"]), (&json!(verdict), &json!(reason)), "{shown}");
        assert_eq!(&shown["status_code"], status, "{shown}");
        assert_eq!(shown["tenant_id"], "acme");
        for (name, value) in listed.as_object().expect("an object") {
            assert_eq!(&shown[name], value, "the list and the page say the same");
        }
    }
    let id = accepted.execution_id();
    assert_eq!(accepted.header("x-request-id"), id, "an accepted hit is its execution");
    assert_eq!(hit(&server, &accepted).await["execution_id"], json!(id));
    assert_eq!(hit(&server, &duplicate).await["execution_id"], json!(id));
    assert_eq!(hit(&server, &unsigned).await["execution_id"], json!(null));
    assert_eq!(hit(&server, &form).await["body_bytes"], json!(null), "it was not read");
    let counted = [
        ("accepted queued", 2),
        ("duplicate same_delivery", 1),
        ("rejected agent_not_active", 1),
        ("rejected idempotency_mismatch", 1),
        ("rejected invalid_signature", 1),
        ("rejected malformed_json", 1),
        ("rejected schema_mismatch", 1),
        ("rejected unsupported_media_type", 1),
    ];
    let counted: Vec<_> = counted.map(|(what, hits)| (what.to_owned(), hits)).into();
    assert_eq!(counts(&server, &agent).await, counted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hit_shows_what_came_in_and_no_secret() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let headers = [
        ("content-type", "application/json"),
        ("x-hub-signature-256", "sha256=planted-1"),
        ("authorization", "Bearer planted-2"),
        ("cookie", "planted-3"),
        ("x-api-key", "planted-4"),
        // another sender's: this agent is told to change its scheme, and the hook must not be good for it then
        ("x-shopify-hmac-sha256", "planted-5"),
        ("x-client-assertion", "planted-6"),
        ("x-github-event", "push"),
    ];
    for answer in [agent.post_raw(b"{\"a\": 1}", &headers).await, {
        let mut signed = headers.to_vec();
        signed.retain(|(name, _)| !matches!(*name, "content-type" | "x-hub-signature-256"));
        agent.post_with("{\"a\": 1}", &signed).await
    }] {
        let shown = hit(&server, &answer).await;
        assert_eq!(shown["headers"]["x-github-event"], "push", "{shown}");
        assert_eq!(shown["headers"]["authorization"], "…");
        assert_eq!(shown["headers"]["x-hub-signature-256"], "…");
        assert_eq!(shown["headers"]["x-shopify-hmac-sha256"], "…");
        assert!(!shown.to_string().contains("planted"), "{shown}");
        assert_eq!(shown["body"], json!({"text": "{\"a\": 1}", "cut": false, "utf8": true}));
        assert_eq!(shown["body_bytes"], 8);
    }
    let binary = agent.post_raw(b"\xff{", &UNSIGNED).await;
    assert_eq!(
        hit(&server, &binary).await["body"],
        json!({"text": "\u{fffd}{", "cut": false, "utf8": false})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_through_executions_and_the_others_in_one_order() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let other = server.agent().await;
    let mut posted = Vec::new();
    for n in 0..9 {
        let answer = match n % 3 {
            0 => agent.post(n.to_string()).await,
            1 => agent.post_raw(b"{}", &UNSIGNED).await,
            _ => agent.post((n - 2).to_string()).await,
        };
        posted.push(answer.header("x-request-id").to_owned());
        other.post_raw(b"{}", &UNSIGNED).await;
    }
    posted.reverse();
    for limit in [1, 2, 9, 10] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = page(&server, &agent, &format!("limit={limit}{cursor}")).await;
            let ids = page["hits"].as_array().expect("a list").iter().map(|hit| hit["hit_id"].clone());
            seen.extend(ids);
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(json!(seen), json!(posted), "pages of {limit}");
    }
    for (verdict, count) in [("accepted", 3), ("duplicate", 3), ("rejected", 3), ("held", 0), ("ignored", 0)]
    {
        let page = page(&server, &agent, &format!("verdict={verdict}")).await;
        let listed = page["hits"].as_array().expect("a list");
        assert_eq!(listed.len(), count, "{verdict}: {page}");
        assert!(listed.iter().all(|hit| hit["verdict"] == verdict));
    }
    for wrong in ["verdict=wrong", "cursor=x", "limit=0", "limit=201", "from=2026-01-01T00:00:00Z"] {
        server.expect(422, "GET", &format!("/api/v1/agents/{}/hits?{wrong}", agent.id), None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_to_agents_that_take_no_webhooks_are_noted_and_others_are_not() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let silent = server.agent_with(json!({"trigger": null})).await;
    let url = |id: &str| agent.webhook_url.replace(&agent.id, id);
    for id in [uuid::Uuid::now_v7().to_string(), "no-id".to_owned()] {
        for body in ["{}".to_owned(), "x".repeat(1_048_577)] {
            let request = server.http.post(url(&id)).body(body).header("content-type", "application/json");
            let answer = request.send().await.expect("an answer");
            let hit = answer.headers()["x-request-id"].to_str().expect("text").to_owned();
            server.expect(404, "GET", &format!("/api/v1/hits/{hit}"), None).await;
        }
    }
    let silent = agent.to_another(&silent.id);
    let answer = silent.post_raw(b"{}", &UNSIGNED).await;
    assert_eq!((answer.status, answer.text.as_str()), (401, r#"{"error":"Invalid signature"}"#));
    let hit = server.get(&format!("/api/v1/hits/{}", answer.header("x-request-id"))).await;
    assert_eq!((&hit["reason"], &hit["diagnosis"]["code"]), (&json!("invalid_signature"), &json!("unknown")));
    assert!(hit["diagnosis"]["detail"].as_str().is_some_and(|detail| detail.contains("no trigger")), "{hit}");
    assert_eq!(counts(&server, &silent).await, [("rejected invalid_signature".to_owned(), 1)]);
    // Executions that no webhook began are no hits.
    let test = format!("/api/v1/agents/{}/test", agent.id);
    let tried = server.expect(202, "POST", &test, Some(json!({"payload": {}}))).await;
    let id = tried["execution_id"].as_str().expect("an id").to_owned();
    server.expect(404, "GET", &format!("/api/v1/hits/{id}"), None).await;
    assert!(hits(&server, &agent).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_survive_a_restart() {
    let server = Server::start().await;
    let agent = server.agent().await;
    agent.post("1").await;
    agent.post_raw(b"2", &UNSIGNED).await;
    let server = Server::with(server.stop().await).await;
    let agent = agent.through(&server);
    agent.post_raw(b"2", &UNSIGNED).await;
    let counted = [("accepted queued".to_owned(), 1), ("rejected invalid_signature".to_owned(), 2)];
    assert_eq!(counts(&server, &agent).await, counted);
    assert_eq!(hits(&server, &agent).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_hits_are_not_there() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let refused = agent.post_raw(b"{}", &UNSIGNED).await;
    let accepted = agent.post("{}").await;
    server.tenant(json!({"tenant_id": "other"})).await;
    let (own, others) = (server.api_key("viewer", "acme").await, server.api_key("viewer", "other").await);
    for answer in [refused, accepted] {
        let path = format!("/api/v1/hits/{}", answer.header("x-request-id"));
        assert_eq!(server.ask("GET", &path, Some(&own), None).await.status, 200);
        assert_eq!(server.ask("GET", &path, Some(&others), None).await.status, 404);
        assert_eq!(server.ask("GET", &path, None, None).await.status, 401);
    }
}
