//! The audit log: whoever changed something, or saw a secret, stands in it once, with nothing secret beside.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{ADMIN_KEY, Server};

async fn log(server: &Server, query: &str) -> Vec<Value> {
    let page = server.get(&format!("/api/v1/audit?limit=200{query}")).await;
    page["audit"].as_array().expect("a list").clone()
}

fn id(value: &Value) -> String {
    value.as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_and_each_reveal_is_one_row_that_says_who() {
    const LLM_KEY: &str = "sk-of-the-tenant-0123456789";
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let execution = agent.accepted(r#"{"payload":"of a customer"}"#).await;
    let operator = server.expect(
        201,
        "POST",
        "/api/v1/keys",
        Some(json!({"role": "operator", "tenant_id": "acme", "name": "Olga"})),
    );
    let operator = operator.await;
    let (key, key_id) = (id(&operator["key"]), id(&operator["key_id"]));
    let path = format!("/api/v1/agents/{}", agent.id);
    let rotate = json!({"overlap_seconds": 60, "secret": "Z2l2ZW4tZ2l2ZW4tZ2l2ZW4tZ2l2ZW4tZ2l2ZW4="});
    let mut secrets = vec![
        agent.secret.clone(),
        key.clone(),
        LLM_KEY.to_owned(),
        id(&rotate["secret"]),
        "of a customer".into(),
    ];

    // Method, path, body, what it is called, of what kind of thing; asked by the operator.
    let steps = [
        ("PUT", "/api/v1/tenants/acme/llm-key".to_owned(), json!({"key": LLM_KEY}), "llm_key.set", "tenant"),
        ("DELETE", "/api/v1/tenants/acme/llm-key".to_owned(), Value::Null, "llm_key.removed", "tenant"),
        ("PATCH", path.clone(), json!({"system_prompt": "new"}), "agent.updated", "agent"),
        ("POST", format!("{path}/webhook-secret/rotate"), rotate, "webhook_secret.rotated", "agent"),
        (
            "GET",
            format!("{path}/webhook-secret?reveal=true"),
            Value::Null,
            "webhook_secret.revealed",
            "agent",
        ),
        (
            "GET",
            format!("/api/agents/{}/webhook-secret/?reveal=true", agent.id),
            Value::Null,
            "webhook_secret.revealed",
            "agent",
        ),
        ("POST", format!("{path}/test"), json!({"payload": "of a customer"}), "agent.tested", "agent"),
        (
            "POST",
            format!("/api/v1/executions/{execution}/replay"),
            json!({}),
            "execution.replayed",
            "execution",
        ),
        (
            "POST",
            format!("/api/v1/executions/{execution}/cancel"),
            json!({}),
            "execution.cancelled",
            "execution",
        ),
        (
            "POST",
            "/api/v1/agents".to_owned(),
            json!({"name": "n", "llm_config": {"model": "m"}, "trigger": {"type": "webhook"}}),
            "agent.created",
            "agent",
        ),
        ("DELETE", path.clone(), Value::Null, "agent.deleted", "agent"),
    ];
    let mut before = log(&server, "").await.len();
    for (method, path, body, action, kind) in steps {
        let body = (!body.is_null()).then(|| body.to_string());
        let answer = server.ask(method, &path, Some(&key), body).await;
        assert!((200..300).contains(&answer.status), "{method} {path}: {}", answer.text);
        secrets.extend(answer.body["webhook_secret"].as_str().map(ToOwned::to_owned));
        let rows = log(&server, "").await;
        assert_eq!(rows.len(), before + 1, "{method} {path} is one row");
        before = rows.len();
        let row = &rows[0];
        assert_eq!((&row["action"], &row["subject"]["type"]), (&json!(action), &json!(kind)));
        assert_eq!(row["request_id"], answer.header("x-request-id"), "{row}");
        let actor = json!({"key_id": key_id, "name": "Olga", "role": "operator", "address": "127.0.0.1"});
        assert_eq!((&row["actor"], &row["tenant_id"]), (&actor, &json!("acme")), "{row}");
    }
    // What only looks, and what was refused, is none.
    for (method, path, body) in [
        ("GET", "/api/v1/agents", None),
        ("GET", "/api/v1/audit", None),
        ("PATCH", "/api/v1/tenants/acme", Some(r#"{"name":"n"}"#)),
        ("POST", "/api/v1/agents", Some(r#"{"name":""}"#)),
        ("PUT", "/api/v1/tenants/acme/llm-key", Some(r#"{"key":""}"#)),
        ("DELETE", &path, None),
    ] {
        server.ask(method, path, Some(&key), body.map(ToOwned::to_owned)).await;
    }
    assert_eq!(log(&server, "").await.len(), before);

    // The rows outlive the key and the agent.
    server.expect(204, "DELETE", &format!("/api/v1/keys/{key_id}"), None).await;
    let rows = log(&server, &format!("&key_id={key_id}")).await;
    assert_eq!(rows.len(), 11);
    assert!(rows.iter().all(|row| row["actor"]["name"] == "Olga"));
    let of_admin = log(&server, "&action=api_key.deleted").await;
    assert_eq!((of_admin.len(), &of_admin[0]["subject"]["id"]), (1, &json!(key_id)));
    let all = serde_json::to_string(&log(&server, "").await).expect("text");
    for secret in secrets {
        assert!(!all.contains(&secret), "{secret} is in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_sees_its_own_entries_and_no_others() {
    let server = Server::start().await;
    let ours = server.agent().await;
    let theirs = server.agent_with(json!({"tenant_id": "other"})).await;
    let viewer = server.api_key("viewer", "acme").await;
    let seen = async |query: &str| {
        let answer = server.ask("GET", &format!("/api/v1/audit?{query}"), Some(&viewer), None).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(!answer.text.contains(&theirs.id) && !answer.text.contains("other"), "{}", answer.text);
        answer.body["audit"].as_array().expect("a list").len()
    };
    // Its own: the tenant, the agent, the key.
    assert_eq!(seen("").await, 3);
    assert_eq!(seen("tenant_id=acme").await, 3);
    assert_eq!(seen(&format!("subject={}", ours.id)).await, 1);
    for query in
        ["tenant_id=other", &format!("subject={}", theirs.id), "tenant_id=other&action=agent.created"]
    {
        assert_eq!(seen(query).await, 0, "{query}");
    }
    assert_eq!(log(&server, "&tenant_id=other").await.len(), 2);
    for wrong in
        ["action=none", "subject=a%00", "key_id=x", "from=yesterday", "cursor=x", "limit=0", "role=admin"]
    {
        let answer = server.ask("GET", &format!("/api/v1/audit?{wrong}"), Some(&viewer), None).await;
        assert_eq!(answer.status, 422, "{wrong}: {}", answer.text);
        let parameter = wrong.split('=').next().expect("a name");
        assert_eq!(answer.body["errors"][0]["pointer"], parameter, "{wrong}: {}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_read_page_by_page_and_by_time() {
    let server = Server::with_manual_clock().await;
    let agent = server.agent().await;
    let path = format!("/api/v1/agents/{}", agent.id);
    let mut times = Vec::new();
    for n in 0..5 {
        server.clock.advance(Duration::from_secs(1));
        let shown = server.expect(200, "PATCH", &path, Some(json!({"name": n.to_string()}))).await;
        times.push(id(&shown["updated_at"]));
    }
    let of_agent = format!("&subject={}", agent.id);
    let all = log(&server, &of_agent).await;
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = server.get(&format!("/api/v1/audit?limit=2{of_agent}{cursor}")).await;
        paged.extend(page["audit"].as_array().expect("a list").clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((paged.len(), &paged), (6, &all));
    let within = log(&server, &format!("{of_agent}&from={}&to={}", times[1], times[3])).await;
    let at: Vec<_> = within.iter().map(|row| id(&row["at"])).collect();
    assert_eq!(at, [times[2].clone(), times[1].clone()], "from is in it, to is not");
    assert_eq!(log(&server, &format!("{of_agent}&action=agent.updated")).await.len(), 5);
    let admin = id(&server.get("/api/v1/keys").await["keys"][0]["key_id"]);
    assert_eq!(log(&server, &format!("{of_agent}&key_id={admin}")).await.len(), 6);
    assert_eq!(log(&server, &format!("&key_id={}", uuid::Uuid::now_v7())).await.len(), 0);
    let answer = server.ask("GET", "/api/v1/audit/", Some(ADMIN_KEY), None).await;
    assert_eq!(answer.status, 200, "a trailing slash is taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_of_a_newer_version_is_shown_as_it_is() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let of_agent = format!("&subject={}", agent.id);
    for (word, kind) in [
        ("agent.frozen", "agent"),
        ("llm_key.checked", "tenant"),
        ("moon.landed", "unknown"),
        ("", "unknown"),
    ] {
        server
            .database
            .sql(&format!("UPDATE audit SET action = '{word}' WHERE subject = '{}'", agent.id))
            .await;
        let shown = log(&server, &of_agent).await;
        assert_eq!((&shown[0]["action"], &shown[0]["subject"]["type"]), (&json!(word), &json!(kind)));
        assert!(log(&server, "").await.len() > 1, "the rest of the page is there");
    }
}
