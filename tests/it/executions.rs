//! The list of executions: filters, pages, and nobody's but those that were asked for.

use std::time::Duration;

use chrono::SecondsFormat;
use serde_json::{Value, json};

use crate::harness::{Server, completion, error};

/// The executions that a query finds, read page by page.
async fn find(server: &Server, query: &str, limit: usize) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/api/v1/executions?{query}&limit={limit}{cursor}")).await;
        let shown = page["executions"].as_array().expect("a list");
        assert!(shown.len() <= limit);
        found.extend(shown.iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { return found };
        cursor = format!("&cursor={next}");
    }
}

fn ids(executions: &[Value]) -> Vec<&str> {
    executions.iter().map(|execution| execution["execution_id"].as_str().expect("an id")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_find_what_they_name_the_newest_first() {
    const STEP: Duration = Duration::from_secs(30);
    let server = Server::with_manual_clock().await;
    let start = server.clock.now();
    let agents = [
        server.agent_with(json!({"tenant_id": "one"})).await,
        server.agent_with(json!({"tenant_id": "one"})).await,
        server.agent_with(json!({"tenant_id": "two"})).await,
    ];
    // Every half minute one for each agent in turn; every fourth fails. In all less than ids may be off by.
    let mut all = Vec::new();
    for n in 0..12_usize {
        let bad = n % 4 == 3;
        server.llm.answers(if bad { error(400, "invalid_request_error", "no") } else { completion("yes") });
        let trace = agents[n % 3].run(&server, json!(n).to_string()).await;
        assert_eq!(trace["status"], if bad { "failed" } else { "success" });
        all.push(trace["execution_id"].as_str().expect("an id").to_owned());
        server.clock.advance(STEP);
    }
    let then = |n: u32| (start + STEP * n).to_rfc3339_opts(SecondsFormat::Millis, true);
    let pick = |is: &dyn Fn(usize) -> bool| -> Vec<&str> {
        (0..12).rev().filter(|n| is(*n)).map(|n| all[n].as_str()).collect()
    };
    let cases: Vec<(String, Vec<&str>)> = vec![
        ("".into(), pick(&|_| true)),
        ("tenant_id=one".into(), pick(&|n| n % 3 < 2)),
        ("tenant_id=two".into(), pick(&|n| n % 3 == 2)),
        ("tenant_id=three".into(), vec![]),
        (format!("agent_id={}", agents[1].id), pick(&|n| n % 3 == 1)),
        (format!("agent_id={}&tenant_id=two", agents[1].id), vec![]),
        ("status=failed".into(), pick(&|n| n % 4 == 3)),
        ("status=success&tenant_id=two".into(), pick(&|n| n % 4 != 3 && n % 3 == 2)),
        ("status=queued".into(), vec![]),
        (format!("from={}", then(5)), pick(&|n| n >= 5)),
        (format!("to={}", then(5)), pick(&|n| n < 5)),
        (format!("from={}&to={}", then(3), then(7)), pick(&|n| (3..7).contains(&n))),
        (format!("from={}&status=failed&tenant_id=one", then(1)), pick(&|n| n % 4 == 3 && n % 3 < 2)),
        (format!("from={}", then(20)), vec![]),
    ];
    for (query, expected) in cases {
        for limit in [1, 2, 5, 200] {
            assert_eq!(ids(&find(&server, &query, limit).await), expected, "{query} by {limit}");
        }
    }
    let plus = (start + STEP * 5).format("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string();
    for offset in [plus.clone(), plus.replace('+', "%2B"), plus.replace("+00:00", "-00:00")] {
        assert_eq!(find(&server, &format!("from={offset}"), 200).await.len(), 7, "{offset}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_stays_right_while_new_ones_come_in() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let mut all = Vec::new();
    for n in 0..4 {
        all.push(agent.accepted(n.to_string()).await);
    }
    let page = server.get("/api/v1/executions?limit=2").await;
    agent.accepted("[]").await;
    let next = page["next_cursor"].as_str().expect("there is more");
    let rest = server.get(&format!("/api/v1/executions?limit=2&cursor={next}")).await;
    let (mut seen, rest) = (page["executions"].as_array().expect("a list").clone(), &rest["executions"]);
    seen.extend(rest.as_array().expect("a list").iter().cloned());
    all.reverse();
    assert_eq!(ids(&seen), all);
    assert!(
        seen.iter()
            .all(|execution| execution["status"] == "queued" && execution["timing"]["started_at"].is_null())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_means_nothing_is_refused() {
    let server = Server::start().await;
    let (time, uuid) = ("must be an RFC 3339 time such as 2026-01-31T12:00:00Z", "must be a UUID");
    let era = "must be a time of the years 0000 to 9999 in UTC";
    let status = "must be one of: queued, held, running, success, failed, cancelled";
    let long = format!("q={}", "x".repeat(201));
    for (query, parameter, wanted) in [
        ("limit=0", "limit", "must be between 1 and 200"),
        ("limit=201", "limit", "must be between 1 and 200"),
        ("status=done", "status", status),
        ("status=", "status", status),
        ("tenant_id=a%20b", "tenant_id", "must be 1 to 100 characters of A-Z a-z 0-9 . _ -"),
        ("agent_id=x", "agent_id", uuid),
        ("from=yesterday", "from", time),
        ("from=", "from", time),
        ("to=2026-01-01", "to", time),
        ("from=-9999-01-01T00:00:00Z", "from", time),
        ("from=0000-01-01T00:00:00+00:01", "from", era),
        ("to=9999-12-31T23:59:59-00:01", "to", era),
        ("cursor=2", "cursor", uuid),
        ("q=", "q", "must have between 1 and 200 characters"),
        (&long, "q", "must have between 1 and 200 characters"),
    ] {
        let answer = server.expect(422, "GET", &format!("/api/v1/executions?{query}"), None).await;
        let error = &answer["errors"][0];
        assert_eq!((&error["pointer"], &error["message"]), (&json!(parameter), &json!(wanted)), "{query}");
    }
    server.get("/api/v1/executions?from=0000-01-01T00:00:00Z&to=9999-12-31T23:59:59Z").await;
    server.get(&format!("/api/v1/executions?q={}", "x".repeat(200))).await;
    // Searched for like any other text, and in none.
    let found = server.get("/api/v1/executions?q=%00").await;
    assert_eq!((&found["executions"], &found["search"]["complete"]), (&json!([]), &json!(true)), "{found}");
    let tenants = server.expect(422, "GET", "/api/v1/tenants?cursor=a%2Fb", None).await;
    assert_eq!(tenants["errors"][0]["pointer"], "cursor", "{tenants}");
    for query in ["colour=red", "limit=1&limit=2", "limit=x"] {
        server.expect(422, "GET", &format!("/api/v1/executions?{query}"), None).await;
    }
    assert_eq!(server.get("/api/v1/executions").await, json!({"executions": [], "next_cursor": null}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_one_tenant_never_shows_another() {
    let server = Server::start().await;
    let (ours, theirs) = (
        server.agent_with(json!({"tenant_id": "ours"})).await,
        server.agent_with(json!({"tenant_id": "theirs", "name": "their-plan"})).await,
    );
    let mut foreign = Vec::new();
    for n in 0..6 {
        server.llm.answers(completion("our output"));
        ours.run(&server, json!({ "ours": n }).to_string()).await;
        server.llm.answers(completion("their-output"));
        foreign.push(theirs.run(&server, json!({"their-payload": n}).to_string()).await);
    }
    let mut queries = vec![format!("agent_id={}", theirs.id)];
    for trace in &foreign {
        let text = |pointer: &str| trace.pointer(pointer).and_then(Value::as_str).expect("text").to_owned();
        queries.push(format!("cursor={}", text("/execution_id")));
        queries.push(format!("status=success&from={}", text("/timing/received_at")));
    }
    let mut shown = find(&server, "tenant_id=ours", 1).await;
    for query in queries {
        shown.push(server.get(&format!("/api/v1/executions?tenant_id=ours&{query}")).await);
    }
    shown.push(server.get("/api/v1/agents?tenant_id=ours").await);
    shown.push(server.get(&format!("/api/v1/agents?tenant_id=ours&cursor={}", theirs.id)).await);
    assert!(shown.len() > 20, "there is something to see: {}", shown.len());
    for text in shown.iter().map(Value::to_string) {
        assert!(!text.contains("their") && !text.contains(&theirs.id), "{text}");
        assert!(foreign.iter().all(|trace| !text.contains(trace["execution_id"].as_str().expect("an id"))));
    }
    for (name, agent) in [("ours", &ours), ("theirs", &theirs)] {
        let found = find(&server, &format!("tenant_id={name}"), 200).await;
        assert_eq!(found.len(), 6);
        assert!(found.iter().all(|execution| execution["agent_id"] == agent.id.as_str() && execution["tenant_id"] == name));
    }
}
