//! A filter says which hooks run: the others are answered, and nothing comes of them.

use std::collections::BTreeMap;

use agenthook::filter::{Filter, MAX_FILTER_BYTES};
use agenthook::model::{AgentFacts, AgentId, Headers, TenantId};
use serde_json::{Value, json};

use crate::harness::{ADMIN_KEY, Agent, Server};
use crate::harness::{User, parsed};

async fn filtered(server: &Server, filter: &str) -> Agent {
    server.agent_with(json!({"trigger": {"type": "webhook", "filter": filter}})).await
}

async fn changed(server: &Server, agent: &Agent, trigger: Value) {
    let change = Some(json!({ "trigger": trigger }));
    server.expect(200, "PATCH", &format!("/api/v1/agents/{}", agent.id), change).await;
}

async fn rehearsed(server: &Server, agent: &Agent, body: Value) -> Value {
    server.expect(200, "POST", &format!("/api/v1/agents/{}/test", agent.id), Some(body)).await
}

const IGNORED: &str = r#"{"status":"ignored","reason":"filter"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_filter_leaves_out_is_answered_and_nothing_comes_of_it() {
    let server = Server::start().await;
    let agent = filtered(&server, "payload.action == 'opened'").await;
    for left_out in
        [r#"{"action":"closed"}"#, "{}", "[]", "null", r#"{"action":null}"#, r#"{"action":{"x":1}}"#]
    {
        let answer = agent.post(left_out).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, IGNORED), "{left_out}");
    }
    assert!(server.executions().await.is_empty());
    assert_eq!(agent.run(&server, r#"{"action":"opened"}"#).await["status"], "success");
    assert_eq!(agent.run(&server, r#"{"action":"closed","action":"opened"}"#).await["status"], "success");

    // What was ignored is no delivery: under another filter it runs.
    let key = [("idempotency-key", "a")];
    assert_eq!(agent.post_with(r#"{"action":"closed"}"#, &key).await.text, IGNORED);
    changed(&server, &agent, json!({"filter": "payload.action == 'closed'"})).await;
    assert_eq!(agent.post_with(r#"{"action":"closed"}"#, &key).await.status, 202);
    assert_eq!(agent.post(r#"{"action":"opened"}"#).await.text, IGNORED);
    changed(&server, &agent, json!({"filter": null})).await;
    assert_eq!(agent.post("[1]").await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_is_asked_after_the_signature_and_before_the_schema() {
    let server = Server::without_worker().await;
    let trigger = json!({"type": "webhook", "filter": "has(payload.n)", "payload_schema": {"properties": {"n": {"type": "integer"}}}});
    let agent = server.agent_with(json!({ "trigger": trigger })).await;
    let mut stranger = agent.clone();
    stranger.secret = "c2VlZC1zZWNyZXQtMzItYnl0ZXMtMDEyMzQ1Njc4OWFi".into();
    assert_eq!(stranger.post("{}").await.status, 401);
    assert_eq!(agent.post("{").await.status, 400);
    assert_eq!(agent.post(r#"{"m":1}"#).await.text, IGNORED);
    assert_eq!(agent.post(r#"{"n":"x"}"#).await.body["code"], "schema_mismatch");
    assert_eq!(agent.post(r#"{"n":1}"#).await.status, 202);
    server
        .expect(200, "PATCH", &format!("/api/v1/agents/{}", agent.id), Some(json!({"status": "paused"})))
        .await;
    assert_eq!(agent.post(r#"{"m":1}"#).await.body["code"], "agent_not_active");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_sees_headers_without_their_secrets_and_the_agent() {
    let server = Server::without_worker().await;
    let filter = "headers['x-github-event'] == 'issues' && headers['x-hub-signature-256'] == '…' && headers.authorization == '…' \
        && agent.name == 'Triage' && agent.tenant_id == 'acme' && agent.version == 1 && size(agent.id) == 36";
    let agent = filtered(&server, filter).await;
    let headers = [("X-GitHub-Event", "issues"), ("Authorization", "Bearer planted")];
    assert_eq!(agent.post_with("1", &headers).await.status, 202);
    assert_eq!(agent.post_with("2", &[("X-GitHub-Event", "push"), headers[1]]).await.text, IGNORED);
    assert_eq!(agent.post("3").await.text, IGNORED);

    // The same, tried.
    let given = json!({"X-GitHub-Event": "issues", "authorization": "Bearer planted", "x-hub-signature-256": "sha256=00"});
    let shown = rehearsed(&server, &agent, json!({"payload": 1, "headers": given, "dry_run": true})).await;
    assert_eq!(shown["verdict"], "accepted", "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_is_refused_where_it_is_wrong() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let path = format!("/api/v1/agents/{}", agent.id);
    let refused = async |filter: Value| {
        let body = json!({"trigger": {"filter": filter}});
        server.expect(422, "PATCH", &path, Some(body)).await
    };
    let problem = refused(json!("payload.a == 1 &&\n  body.b")).await;
    assert_eq!(problem["code"], "invalid_filter");
    let expected = json!([{"pointer": "/trigger/filter", "line": 2, "column": 3,
        "message": "there is no `body`: the names are payload, headers and agent"}]);
    assert_eq!(problem["errors"], expected);
    let whole = "x".repeat(MAX_FILTER_BYTES + 1);
    let problem = refused(json!(whole)).await;
    assert_eq!(problem["errors"][0].as_object().expect("an error").len(), 2, "no place: {problem}");
    assert_eq!(refused(json!(1)).await["code"], "invalid_request");

    // What would end the process if it were compiled or walked as it comes.
    let full = |part: &str| part.repeat(MAX_FILTER_BYTES / part.len() - 2);
    for filter in [
        format!("{}1", full("1+")),
        format!("payload{}", full(".b")),
        format!("{}1{} == 1", "(".repeat(500), ")".repeat(500)),
        full("["),
        full("payload.a.all(x,"),
        "payload.a.all(x, x.all(y, y.all(z, z)))".to_owned(),
        "payload.a.map(x, x).map(x, x).all(x, x)".to_owned(),
        "payload.a.matches('(a*)*b')".to_owned(),
    ] {
        let problem = refused(json!(filter)).await;
        assert_eq!(problem["code"], "invalid_filter", "{filter}: {problem}");
    }
    let create = json!({"tenant_id": "acme", "name": "n", "llm_config": {"model": "m"}, "trigger": {"type": "webhook", "filter": "1"}});
    assert_eq!(server.expect(422, "POST", "/api/v1/agents", Some(create)).await["code"], "invalid_filter");
    assert_eq!(server.get(&path).await["version"], 1);
    server.expect(200, "GET", "/healthz", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_payloads_are_answered_within_bounds() {
    let server = Server::without_worker().await;
    let many = format!(r#"{{"list":[{}],"s":"{}"}}"#, vec!["1"; 99_000].join(","), "x".repeat(500_000));
    for (filter, status) in [
        ("payload.list.exists(x, x == 2)", 200),
        ("payload.list.all(x, x == 1)", 202),
        ("payload.list.all(x, payload.list == payload.list)", 200),
        ("payload.list.exists(x, payload.s.contains('y'))", 200),
        ("size(payload.list.map(x, payload.s + payload.s)) > 0", 200),
        ("payload.s.contains('x')", 202),
    ] {
        let agent = filtered(&server, filter).await;
        // Others are answered meanwhile.
        let (answer, _) = tokio::join!(agent.post(&many), server.expect(200, "GET", "/healthz", None));
        assert_eq!(answer.status, status, "{filter}: {}", answer.text);
        if status == 200 {
            assert_eq!(answer.text, IGNORED);
        }
    }
    let agent = filtered(&server, "payload.list.exists(x, payload.s.contains('y'))").await;
    let body = format!(r#"{{"payload":{many},"dry_run":true}}"#);
    let shown =
        server.ask("POST", &format!("/api/v1/agents/{}/test", agent.id), Some(ADMIN_KEY), Some(body)).await;
    assert!(
        shown.body["filter"]["error"].as_str().expect("a reason").contains("too many steps"),
        "{}",
        shown.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_tried_without_running_anything() {
    let server = Server::start().await;
    let trigger =
        json!({"type": "webhook", "filter": "payload.n > 1", "payload_schema": {"required": ["id"]}});
    let agent = server.agent_with(json!({ "trigger": trigger })).await;
    for (payload, verdict, matched, valid, error) in [
        (json!({"n": 2, "id": 1}), "accepted", json!(true), true, Value::Null),
        (json!({"n": 2}), "rejected", json!(true), false, Value::Null),
        (json!({"n": 1}), "ignored", json!(false), false, Value::Null),
        (
            json!({"id": 1}),
            "ignored",
            json!(false),
            true,
            json!("there is no `n`: has(…) asks whether there is one"),
        ),
    ] {
        let shown = rehearsed(&server, &agent, json!({"payload": payload, "dry_run": true})).await;
        let expected = json!({"configured": true, "matched": matched, "error": error});
        assert_eq!((&shown["verdict"], &shown["filter"]), (&json!(verdict), &expected), "{payload}: {shown}");
        assert_eq!(shown["schema"]["valid"], valid, "the schema's verdict is shown anyway: {shown}");
        assert!(shown["prompt"].is_object(), "and so is the prompt: {shown}");
    }
    // A test that is no rehearsal is filtered like a hook.
    let ignored = rehearsed(&server, &agent, json!({"payload": {"id": 1}})).await;
    let reason = "there is no `n`: has(…) asks whether there is one";
    assert_eq!(ignored, json!({"status": "ignored", "reason": "filter", "error": reason}));
    assert!(server.executions().await.is_empty());

    let path = format!("/api/v1/agents/{}/test", agent.id);
    let sized = |bytes: usize| json!({"x-a": ".".repeat(bytes)});
    let named = |count: usize| (0..count).map(|n| (format!("x-{n}"), "v")).collect::<BTreeMap<_, _>>();
    let total = |last: usize| {
        let mut headers: BTreeMap<_, _> = (0..8).map(|n| (format!("x-{n}"), ".".repeat(1000))).collect();
        headers.insert("last".into(), ".".repeat(last));
        headers
    };
    for (headers, status, pointer) in [
        (sized(1024), 200, ""),
        (sized(1025), 422, "/headers/x-a"),
        (json!(named(64)), 200, ""),
        (json!(named(65)), 422, "/headers"),
        // 8 × 1,003 bytes, and four for the name
        (json!(total(8192 - 8028)), 200, ""),
        (json!(total(8193 - 8028)), 422, "/headers"),
        (json!({"a b": "x"}), 422, "/headers/a b"),
        (json!({"a": "x\ny"}), 422, "/headers/a"),
        (json!({"a": "x", "A": "y"}), 422, "/headers/a"),
        (json!({"a": 1}), 422, "/headers/a"),
        (json!({"Content-Type": "application/x-www-form-urlencoded"}), 422, "/headers/Content-Type"),
        (json!({"Content-Type": "application/json"}), 200, ""),
        (json!([]), 422, "/headers"),
    ] {
        let body = json!({"payload": {"n": 2, "id": 1}, "headers": headers, "dry_run": true});
        let answer = server.ask("POST", &path, Some(ADMIN_KEY), Some(body.to_string())).await;
        assert_eq!(answer.status, status, "{:.80}: {}", headers.to_string(), answer.text);
        if status == 422 {
            assert_eq!(answer.body["errors"][0]["pointer"], pointer, "{}", answer.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_tried_from_a_shell() {
    let server = Server::start().await;
    let (user, agent) = (User::of(&server), server.agent().await);
    let id = agent.id.as_str();
    let set = ["agent", "update", id, "--filter", "headers['x-event'] == payload.kind"];
    assert!(user.run(&set).await.good().contains("headers['x-event'] == payload.kind"));
    let attempt = |header: &'static str| ["agent", "try", id, "-", "--header", header];
    let good = user.run_with(&attempt("X-Event: a"), br#"{"kind": "a"}"#).await.good();
    assert!(
        good.contains("accepted") && good.contains("filter   matches") && good.contains("You triage"),
        "{good}"
    );
    let not = user.run_with(&attempt("X-Event: b"), br#"{"kind": "a"}"#).await;
    assert!(
        not.code == 1 && not.out.contains("ignored: filter") && not.out.contains("does not match"),
        "{not:?}"
    );
    let json = user.run_with(&[&attempt("X-Event: b")[..], &["--json"]].concat(), b"{}").await;
    let shown = parsed(&json.out);
    assert_eq!((json.code, &shown["filter"]["matched"]), (1, &json!(false)));
    let tested = user.run_with(&["agent", "test", id, "-"], b"{}").await;
    assert!(tested.code == 1 && tested.out.contains("nothing runs"), "{tested:?}");
    let refused = user.run_with(&attempt("no header"), b"{}").await.complaint(2);
    assert!(refused.contains("must be written 'Name: value'"), "{refused}");
    user.run(&["agent", "update", id, "--no-filter"]).await.good();
    assert!(server.get(&format!("/api/v1/agents/{id}")).await["trigger"]["filter"].is_null());
    assert!(server.executions().await.is_empty());

    // Without a server.
    let here = |filter: &'static str| ["agent", "try", "-", "--filter", filter];
    assert!(user.run_with(&here("payload.a == 1"), br#"{"a": 1}"#).await.good().contains("matches"));
    let not = user.run_with(&here("payload.a == 1"), b"{}").await;
    assert!(not.code == 1 && not.out.contains("there is no `a`"), "{not:?}");
    let wrong = user.run_with(&here("payload.a == "), b"{}").await.complaint(2);
    assert!(wrong.contains("--filter: line 1, column 14"), "{wrong}");
    let both = user.run_with(&["agent", "try", id, "-", "--filter", "true"], b"{}").await.complaint(2);
    assert!(both.contains("without a server"), "{both}");
}

#[test]
fn the_examples_of_the_page_do_what_they_say() {
    let page = include_str!("../../docs/filters-and-prompts.md");
    let examples = page.split("```cel\n").nth(1).and_then(|rest| rest.split("```").next()).expect("examples");
    let payload = json!({
        "action": "opened", "sender": {"type": "User", "login": "ann"},
        "issue": {"title": "A CRASH on start", "comments": 3, "author_association": "OWNER",
                  "labels": [{"name": "bug"}, {"name": "area/ui"}, {"name": "area/db"}]},
    });
    let headers = Headers(BTreeMap::from([("x-github-event".to_owned(), "issues".to_owned())]));
    let tenant_id: TenantId = "acme".parse().expect("an id");
    let agent = AgentFacts { id: AgentId::new(), tenant_id: &tenant_id, name: "n", version: 1 };
    let expected = [true, true, false, true, true, true, true, true, true, true];
    let examples: Vec<_> = examples.lines().collect();
    assert_eq!(examples.len(), expected.len());
    for (example, expected) in examples.into_iter().zip(expected) {
        let filter = Filter::compile(example, agenthook::filter::Names::Hook)
            .unwrap_or_else(|fault| panic!("{example}: {fault}"));
        assert_eq!(filter.matches(&payload, &headers, agent), Ok(expected), "{example}");
        assert_ne!(filter.matches(&json!({}), &headers, agent), Ok(true), "{example}: not for anything");
    }
}
