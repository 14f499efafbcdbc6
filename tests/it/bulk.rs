//! One action on all executions that match: counted first, worked through afterwards, and each as if by hand.

use serde_json::{Value, json};

use crate::harness::{ADMIN_KEY, Agent, Server, completion, error, eventually};

async fn bulk(server: &Server, status: u16, action: &str, filter: Value, dry_run: bool) -> Value {
    let body = json!({"action": action, "filter": filter, "dry_run": dry_run});
    server.expect(status, "POST", "/api/v1/executions/bulk", Some(body)).await
}

/// Begins it; its name.
async fn job(server: &Server, action: &str, filter: Value, matched: usize) -> String {
    let counted = bulk(server, 200, action, filter.clone(), true).await;
    assert_eq!(counted, json!({"matched": matched}), "a dry run");
    let begun = bulk(server, 202, action, filter, false).await;
    assert_eq!(begun["matched"], matched, "{begun}");
    begun["job_id"].as_str().expect("a job").to_owned()
}

/// An agent that is paused and holds what it gets.
async fn paused(server: &Server, tenant_id: &str) -> Agent {
    let trigger = json!({"type": "webhook", "when_paused": "hold", "schema_policy": "quarantine", "payload_schema": {"type": "integer"}});
    let agent =
        json!({"tenant_id": tenant_id, "status": "paused", "trigger": trigger, "retry": {"max_attempts": 1}});
    server.agent_with(agent).await
}

async fn hold(agent: &Agent, bodies: &[&str]) -> Vec<String> {
    let mut ids = Vec::new();
    for body in bodies {
        let answer = agent.post(*body).await;
        assert_eq!(answer.body["status"], "held", "{}", answer.text);
        ids.push(answer.execution_id());
    }
    ids
}

async fn count(server: &Server, query: &str) -> usize {
    let page = server.get(&format!("/api/v1/executions?limit=200&{query}")).await;
    page["executions"].as_array().expect("a list").len()
}

async fn all_are(server: &Server, ids: &[String], status: &str) {
    for id in ids {
        server.sees(id, status, |trace| trace["status"] == status).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_five_do_to_each_what_is_done_by_hand() {
    let server = Server::start().await;
    let (ours, theirs) = (paused(&server, "ours").await, paused(&server, "theirs").await);
    let mine = hold(&ours, &["1", "2", "3", r#""no""#]).await;
    let others = hold(&theirs, &["1", "2"]).await;
    server.llm.answers(error(400, "invalid_request_error", "no"));

    let job_id = job(&server, "release", json!({"agent_id": ours.id, "held_reason": "paused"}), 3).await;
    all_are(&server, &mine[..3], "failed").await;
    all_are(&server, &others, "held").await;
    all_are(&server, &mine[3..], "held").await;
    let log = server.get(&format!("/api/v1/audit?subject={job_id}")).await;
    let [entry] = &log["audit"].as_array().expect("a list")[..] else { panic!("one row: {log}") };
    assert_eq!((&entry["action"], &entry["subject"]["type"]), (&json!("bulk.started"), &json!("bulk_job")));
    let detail = json!({
        "action": "release", "matched": 3, "filter": {"agent_id": ours.id, "held_reason": "paused"}
    });
    assert_eq!(entry["detail"], detail);
    let log = server.get("/api/v1/audit?action=execution.released").await;
    let rows = log["audit"].as_array().expect("a list");
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row["detail"]["job_id"] == job_id.as_str() && row["tenant_id"] == "ours"));

    server.llm.answers(completion("fine"));
    job(&server, "retry", json!({"tenant_id": "ours"}), 3).await;
    all_are(&server, &mine[..3], "success").await;
    assert_eq!(server.trace(&mine[0]).await["run"], 2);
    job(&server, "replay", json!({"status": "success", "q": "fine"}), 3).await;
    eventually("three more have run", async || (count(&server, "status=success").await == 6).then_some(()))
        .await;
    job(&server, "discard", json!({"status": "held", "tenant_id": "ours"}), 1).await;
    all_are(&server, &mine[3..], "cancelled").await;
    job(&server, "cancel", json!({"from": "2020-01-01T00:00:00Z"}), 2).await;
    all_are(&server, &others, "cancelled").await;
    for action in ["release", "discard", "retry", "cancel"] {
        let nothing = bulk(&server, 200, action, json!({"from": "2020-01-01T00:00:00Z"}), false).await;
        assert_eq!(nothing, json!({"matched": 0}), "{action}: nothing to do is no job");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_says_something_and_reaches_no_other_tenant() {
    let server = Server::without_worker().await;
    let (ours, theirs) = (paused(&server, "ours").await, paused(&server, "theirs").await);
    hold(&ours, &["1"]).await;
    hold(&theirs, &["1", "2"]).await;
    for (body, pointer) in [
        (json!({"action": "release", "filter": {}}), "/filter"),
        (json!({"action": "release", "filter": {"tenant_id": null}}), "/filter"),
        (json!({"action": "release"}), "/filter"),
        (json!({"action": "delete", "filter": {"status": "held"}}), "/action"),
        (json!({"action": "release", "filter": {"status": "failed"}}), "/filter/status"),
        (json!({"action": "cancel", "filter": {"status": "success"}}), "/filter/status"),
        (
            json!({"action": "cancel", "filter": {"status": "queued", "held_reason": "paused"}}),
            "/filter/status",
        ),
        (json!({"action": "retry", "filter": {"held_reason": "paused"}}), "/filter/status"),
        (json!({"action": "cancel", "filter": {"from": "yesterday"}}), "/filter/from"),
        (json!({"action": "cancel", "filter": {"q": ""}}), "/filter/q"),
        (json!({"action": "cancel", "filter": {"limit": 1}}), "/filter/limit"),
        (json!({"action": "cancel", "filter": {"agent_id": "x"}}), "/filter/agent_id"),
    ] {
        let refused = server.expect(422, "POST", "/api/v1/executions/bulk", Some(body.clone())).await;
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{body}: {refused}");
    }
    let operator = server.api_key("operator", "ours").await;
    let ask = async |filter: Value, dry_run: bool| {
        let body = json!({"action": "discard", "filter": filter, "dry_run": dry_run}).to_string();
        let answer = server.ask("POST", "/api/v1/executions/bulk", Some(&operator), Some(body)).await;
        (answer.status, answer.body["matched"].as_u64())
    };
    for filter in
        [json!({"tenant_id": "theirs"}), json!({"agent_id": theirs.id}), json!({"tenant_id": "none"})]
    {
        assert_eq!(ask(filter, false).await, (200, Some(0)));
    }
    assert_eq!(ask(json!({"status": "held"}), true).await, (200, Some(1)));
    assert_eq!(ask(json!({"status": "held"}), false).await, (202, Some(1)));
    let left = async || (count(&server, "status=held&tenant_id=ours").await == 0).then_some(());
    eventually("ours are discarded", left).await;
    assert_eq!(count(&server, "status=held&tenant_id=theirs").await, 2);
    let log = server.get("/api/v1/audit?action=bulk.started").await;
    assert_eq!(
        (log["audit"].as_array().expect("a list").len(), &log["audit"][0]["tenant_id"]),
        (1, &json!("ours"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_are_taken_on_and_no_more() {
    let server = Server::without_worker().await;
    let agent = paused(&server, "acme").await;
    hold(&agent, &["1"]).await;
    let copies = async |count: u32| {
        let (numbers, id) = match server.database.is_postgres() {
            true => (format!("generate_series(1, {count}) AS n (i)"), "gen_random_uuid()"),
            false => ("n".to_owned(), "randomblob(16)"),
        };
        let head = match server.database.is_postgres() {
            true => String::new(),
            false => {
                format!("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) ")
            }
        };
        let columns =
            "tenant_id, agent_id, agent_version, status, payload, secret_id, request_id, dedupe_until,
            received_at, claims, tries, attempt_count, held_reason";
        let one = format!("(SELECT {columns} FROM executions WHERE dedupe_key IS NOT NULL) AS one");
        let insert = format!(
            "{head}INSERT INTO executions (execution_id, {columns}) SELECT {id}, {columns} FROM {one}, {numbers}"
        );
        server.database.sql(&insert).await;
    };
    copies(99_998).await;
    for matched in [99_999, 100_000] {
        let counted = bulk(&server, 200, "release", json!({"agent_id": agent.id}), true).await;
        assert_eq!(counted, json!({"matched": matched}));
        copies(1).await;
    }
    for dry_run in [true, false] {
        let refused = bulk(&server, 422, "release", json!({"agent_id": agent.id}), dry_run).await;
        assert!(refused["detail"].as_str().expect("text").contains("narrow it"), "{refused}");
    }
    let filter = json!({"agent_id": agent.id, "q": "1"});
    let refused = bulk(&server, 422, "release", filter, true).await;
    assert_eq!(refused["errors"][0]["pointer"], "/filter/q", "a search has a bound of its own: {refused}");
    assert_eq!(count(&server, "status=queued").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_jobs_go_at_a_time() {
    let server = Server::without_worker().await;
    let agent = paused(&server, "acme").await;
    let ids = hold(&agent, &["1"]).await;
    let filter = json!({"status": "held"});
    let first = server.app.bulk_jobs.turn().expect("a turn");
    let second = server.app.bulk_jobs.turn().expect("the other turn");
    let refused = bulk(&server, 409, "discard", filter.clone(), false).await;
    assert!(refused["detail"].as_str().expect("text").contains("2 bulk jobs"), "{refused}");
    assert_eq!(
        bulk(&server, 200, "discard", filter.clone(), true).await,
        json!({"matched": 1}),
        "only counted"
    );
    drop(second);
    bulk(&server, 202, "discard", filter, false).await;
    all_are(&server, &ids, "cancelled").await;
    drop(first);
    eventually("both turns are free", async || {
        let both = (server.app.bulk_jobs.turn(), server.app.bulk_jobs.turn());
        (both.0.is_some() && both.1.is_some()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stop_leaves_undone_is_still_matched_and_asked_for_again() {
    let server = Server::without_worker().await;
    let agent = paused(&server, "acme").await;
    let ids = hold(&agent, &["1", "2", "3"]).await;
    server.app.drain();
    job(&server, "release", json!({"agent_id": agent.id}), 3).await;
    eventually("the job has ended", async || {
        let both = (server.app.bulk_jobs.turn(), server.app.bulk_jobs.turn());
        (both.0.is_some() && both.1.is_some()).then_some(())
    })
    .await;
    all_are(&server, &ids, "held").await;
    let server = Server::with(server.stop().await).await;
    job(&server, "release", json!({"agent_id": agent.id}), 3).await;
    all_are(&server, &ids, "success").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_thousands_are_released_hooks_are_taken() {
    let server = Server::start().await;
    let agent = paused(&server, "acme").await;
    let other = server.agent().await;
    let senders = (0..2000).map(async |n: u32| agent.post(n.to_string()).await.execution_id());
    let ids: Vec<String> = futures_util::StreamExt::collect(futures_util::StreamExt::buffer_unordered(
        futures_util::stream::iter(senders),
        50,
    ))
    .await;
    assert_eq!(ids.len(), 2000);
    job(&server, "release", json!({"agent_id": agent.id}), 2000).await;
    for n in 0..20 {
        assert_eq!(other.run(&server, n.to_string()).await["status"], "success");
    }
    eventually("nothing is held", async || (count(&server, "status=held").await == 0).then_some(())).await;
    let audit =
        server.ask("GET", "/api/v1/audit?action=execution.released&limit=200", Some(ADMIN_KEY), None).await;
    assert!(audit.body["next_cursor"].is_string(), "each has its row");
}
