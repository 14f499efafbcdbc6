//! One secret is taken back: what it signs is refused, what the others sign is not, and one always stays.

use serde_json::{Value, json};

use crate::harness::{Agent, Server};

/// Makes a further secret that verifies beside the earlier ones; the agent that signs by it, and its id.
async fn another(server: &Server, agent: &Agent) -> (Agent, String) {
    let path = format!("/api/v1/agents/{}/webhook-secret/rotate", agent.id);
    let rotated = server.expect(200, "POST", &path, Some(json!({"overlap_seconds": 3600}))).await;
    let id = rotated["secret_id"].as_str().expect("an id").to_owned();
    (agent.with_secret(&rotated["webhook_secret"]), id)
}

async fn ids(server: &Server, agent: &Agent) -> Vec<String> {
    let shown = server.get(&format!("/api/v1/agents/{}/webhook-secret", agent.id)).await;
    let secrets = shown["secrets"].as_array().expect("a list");
    secrets.iter().map(|secret| secret["secret_id"].as_str().expect("an id").to_owned()).collect()
}

fn path(agent: &Agent, secret_id: &str) -> String {
    format!("/api/v1/agents/{}/webhook-secret/{secret_id}", agent.id)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_revoked_secret_signs_is_refused_at_once_and_the_rest_goes_on() {
    let server = Server::start().await;
    let first = server.agent().await;
    let [of_first] = ids(&server, &first).await.try_into().expect("one secret");
    let (second, of_second) = another(&server, &first).await;
    let (third, of_third) = another(&server, &first).await;
    assert_eq!(
        (first.post("1").await.status, second.post("2").await.status, third.post("3").await.status),
        (202, 202, 202)
    );

    server.expect(204, "DELETE", &path(&first, &of_second), None).await;
    let refused = second.post("4").await;
    assert_eq!((refused.status, refused.text.as_str()), (401, r#"{"error":"Invalid signature"}"#));
    assert_eq!((first.post("5").await.status, third.post("6").await.status), (202, 202));
    server.expect(404, "DELETE", &path(&first, &of_second), None).await;
    let agent = server.get(&format!("/api/v1/agents/{}", first.id)).await;
    assert_eq!(agent["version"], 4, "two rotations and a revocation");

    // The newest one may go, too, and the other address does the same.
    let as_before = path(&first, &of_third).replace("/api/v1/", "/api/") + "/";
    server.expect(204, "DELETE", &as_before, None).await;
    assert_eq!((third.post("7").await.status, first.post("8").await.status), (401, 202));
    let answer = server.expect(409, "DELETE", &path(&first, &of_first), None).await;
    assert_eq!(answer["code"], "conflict");
    assert!(answer["detail"].as_str().is_some_and(|detail| detail.contains("rotate")), "{answer}");
    assert_eq!(ids(&server, &first).await, [of_first]);
    assert_eq!(first.post("9").await.status, 202, "a refused revocation ends nothing");
    let agent = server.get(&format!("/api/v1/agents/{}", first.id)).await;
    assert_eq!(agent["version"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_has_ended_counts_for_nothing() {
    let server = Server::with_manual_clock().await;
    let first = server.agent().await;
    let [of_first] = ids(&server, &first).await.try_into().expect("one secret");
    let (second, of_second) = another(&server, &first).await;
    server.clock.advance(std::time::Duration::from_secs(3600));
    server.expect(404, "DELETE", &path(&first, &of_first), None).await;
    server.expect(409, "DELETE", &path(&first, &of_second), None).await;
    assert_eq!((first.post("1").await.status, second.post("2").await.status), (401, 202));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_all_who_revoke_at_once_one_finds_the_last_secret() {
    let server = Server::start().await;
    let agent = server.agent().await;
    for _ in 0..7 {
        another(&server, &agent).await;
    }
    let (all, address) = (ids(&server, &agent).await, |id: &String| path(&agent, id));
    let paths: Vec<_> = all.iter().map(address).collect();
    let answers =
        futures_util::future::join_all(paths.iter().map(|path| server.api("DELETE", path, None))).await;
    let mut statuses: Vec<_> = answers.iter().map(|(status, _)| *status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 204, 204, 204, 204, 204, 204, 409]);
    let left = ids(&server, &agent).await;
    let refused = answers.iter().position(|(status, _)| *status == 409).expect("one");
    assert_eq!(left, [all[refused].clone()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_another_agent_is_not_there() {
    let server = Server::start().await;
    let (ours, theirs) = (server.agent().await, server.agent_with(json!({"tenant_id": "other"})).await);
    another(&server, &ours).await;
    let (_, foreign) = another(&server, &theirs).await;
    server.expect(404, "DELETE", &path(&ours, &foreign), None).await;
    for none in [uuid::Uuid::now_v7().to_string(), "none".to_owned()] {
        server.expect(404, "DELETE", &path(&ours, &none), None).await;
    }
    server.expect(405, "DELETE", &path(&ours, "rotate"), None).await;
    server.expect(405, "GET", &path(&ours, &foreign), None).await;
    assert_eq!((ids(&server, &ours).await.len(), ids(&server, &theirs).await.len()), (2, 2));
    let agent = server.get(&format!("/api/v1/agents/{}", ours.id)).await;
    assert_eq!(agent["version"], 2, "what is not there was not changed");
}

/// A request with `If-Match`; the status.
async fn asked_if(server: &Server, method: &str, path: &str, tag: &str, body: Option<Value>) -> u16 {
    let method = method.parse().expect("a method");
    let request = server.http.request(method, format!("{}{path}", server.url)).header("if-match", tag);
    let request = request.bearer_auth(crate::harness::ADMIN_KEY);
    let request = if let Some(body) = body { request.json(&body) } else { request };
    request.send().await.expect("the server answers").status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_version_that_is_gone_is_refused() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let (own, rotate) = (format!("/api/v1/agents/{}", agent.id), path(&agent, "rotate"));
    let (_, secret) = another(&server, &agent).await;
    let revoke = path(&agent, &secret);
    let changes = [
        ("PATCH", &own, Some(json!({"name": "new"}))),
        ("POST", &rotate, Some(json!({}))),
        ("DELETE", &revoke, None),
        ("DELETE", &own, None),
    ];
    for (method, path, body) in &changes {
        for stale in ["\"1\"", "W/\"1\"", "\"22\"", "1", ""] {
            assert_eq!(asked_if(&server, method, path, stale, body.clone()).await, 412, "{method} {stale}");
        }
    }
    assert_eq!(server.get(&own).await["version"], 2, "nothing has changed");
    assert_eq!(ids(&server, &agent).await.len(), 2);
    for (version, (method, path, body)) in (2..).zip(changes) {
        let tag =
            server.ask("GET", &own, Some(crate::harness::ADMIN_KEY), None).await.header("etag").to_owned();
        assert_eq!(tag, format!("\"{version}\""));
        let status = asked_if(&server, method, path, &tag, body).await;
        assert!(matches!(status, 200 | 204), "{method} {path}: {status}");
    }
    server.expect(404, "GET", &own, None).await;
}
