//! What a body says beyond what it may: ids, owners, versions, roles, times and secrets are not for the asker to set.

use serde_json::{Value, json};

use crate::harness::{ADMIN_KEY, Server};

/// Fields that rows or answers have and no body sets.
fn foreign() -> Vec<(&'static str, Value)> {
    vec![
        ("agent_id", json!("0198b0b0-0000-7000-8000-000000000001")),
        ("key_id", json!("0198b0b0-0000-7000-8000-000000000002")),
        ("secret_id", json!("0198b0b0-0000-7000-8000-000000000003")),
        ("execution_id", json!("0198b0b0-0000-7000-8000-000000000004")),
        ("tenant_id", json!("victim")),
        ("version", json!(99)),
        ("role", json!("admin")),
        ("created_at", json!("2000-01-01T00:00:00.000Z")),
        ("updated_at", json!("2000-01-01T00:00:00.000Z")),
        ("deleted_at", json!("2000-01-01T00:00:00.000Z")),
        ("webhook_secret", json!("c2VlZC1zZWNyZXQtMzItYnl0ZXMtMDEyMzQ1Njc4OWFi")),
        ("webhook_url", json!("http://elsewhere/")),
        ("llm_key", json!({"configured": true, "hint": "x"})),
        ("webhook_id", json!("wh_0198b0b0000070008000000000000001")),
        ("kind", json!("platform")),
        ("status", json!("disabled")),
        ("secret_key", json!("whsec_c2VlZC1zZWNyZXQtMzItYnl0ZXM=")),
        ("stats", json!({"delivered": 1})),
        ("circuit", json!({"failures": 1})),
        ("redis_fallback", json!(true)),
        ("hint", json!("ahk_…aaaa")),
        ("key_hash", json!("00")),
        ("sealed", json!("x")),
        ("actor", json!({"role": "admin"})),
        ("source", json!("webhook")),
        ("replay_of", json!(null)),
        ("request_id", json!("0198b0b0-0000-7000-8000-000000000005")),
        ("is_admin", json!(true)),
        ("__proto__", json!({"role": "admin"})),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_for_the_asker_to_set_is_refused_and_changes_nothing() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    server.tenant(json!({"tenant_id": "victim"})).await;
    let operator = server.api_key("operator", "acme").await;
    let own = format!("/api/v1/agents/{}", agent.id);
    let new = json!({"name": "n", "llm_config": {"model": "m"}});
    let key = json!({"role": "viewer", "tenant_id": "acme", "name": "n"});
    let endpoint = json!({"url": "http://127.0.0.1:9/", "events": ["*"]});
    let webhook = server.ask("POST", "/api/v1/webhooks", Some(&operator), Some(endpoint.to_string())).await;
    let webhook = format!("/api/v1/webhooks/{}", webhook.body["webhook_id"].as_str().expect("an id"));
    let execution = agent.accepted("{}").await;
    let all = json!({"action": "cancel", "filter": {"status": "running"}});
    // Who asks, where, a body that is good as it is, and the fields above that are its own.
    let targets: Vec<(&str, &str, String, Value, &[&str])> = vec![
        (&operator, "POST", "/api/v1/agents".into(), new, &[]),
        (&operator, "PATCH", own.clone(), json!({"system_prompt": "s"}), &[]),
        (&operator, "POST", format!("{own}/webhook-secret/rotate"), json!({}), &[]),
        (&operator, "POST", format!("{own}/test"), json!({"payload": {}}), &[]),
        (&operator, "PUT", "/api/v1/tenants/acme/llm-key".into(), json!({"key": "sk-0123456789"}), &[]),
        (&operator, "POST", format!("/api/v1/executions/{execution}/replay"), json!({}), &[]),
        (&operator, "POST", format!("/api/v1/executions/{execution}/cancel"), json!({}), &[]),
        (&operator, "POST", format!("/api/v1/executions/{execution}/retry"), json!({}), &[]),
        (&operator, "POST", format!("/api/v1/executions/{execution}/release"), json!({}), &[]),
        (&operator, "POST", format!("/api/v1/executions/{execution}/discard"), json!({}), &[]),
        (&operator, "POST", "/api/v1/executions/bulk".into(), all, &[]),
        (&operator, "POST", "/api/v1/webhooks".into(), endpoint.clone(), &[]),
        (&operator, "PUT", webhook.clone(), endpoint, &[]),
        (&operator, "PATCH", webhook.clone(), json!({"description": "d"}), &[]),
        (&operator, "POST", format!("{webhook}/secret/rotate"), json!({}), &[]),
        (&operator, "POST", format!("{webhook}/test"), json!({}), &[]),
        (
            &operator,
            "POST",
            "/api/v1/events".into(),
            json!({"event_type": "custom.x", "data": {}}),
            &["tenant_id"],
        ),
        (ADMIN_KEY, "POST", "/api/v1/tenants".into(), json!({"tenant_id": "third"}), &["tenant_id"]),
        (ADMIN_KEY, "PATCH", "/api/v1/tenants/acme".into(), json!({"name": "n"}), &[]),
        (ADMIN_KEY, "POST", "/api/v1/keys".into(), key, &["role", "tenant_id"]),
    ];
    let state = async || {
        let mut state = Vec::new();
        for path in [
            "/api/v1/agents",
            "/api/v1/tenants",
            "/api/v1/keys",
            "/api/v1/executions",
            "/api/v1/audit",
            "/api/v1/webhooks",
        ] {
            state.push(server.get(path).await);
        }
        state.push(server.get(&format!("{own}/webhook-secret?reveal=false")).await);
        state
    };
    let before = state().await;
    for (key, method, path, good, own_fields) in &targets {
        for (field, value) in foreign() {
            if own_fields.contains(&field) {
                continue;
            }
            let mut body = good.clone();
            body[field] = value;
            let answer = server.ask(method, path, Some(key), Some(body.to_string())).await;
            assert_eq!(answer.status, 422, "{method} {path} with {field}: {}", answer.text);
            assert_eq!(answer.body["errors"][0]["pointer"], format!("/{field}"), "{method} {path}");
        }
    }
    for nested in [
        json!({"trigger": {"secret_id": "x"}}),
        json!({"trigger": {"agent_id": "x"}}),
        json!({"llm_config": {"api_key": "sk-x"}}),
        json!({"retry": {"tries": 0}}),
        json!({"trigger": {"dedupe": {"key": "x"}}}),
    ] {
        let answer = server.ask("PATCH", &own, Some(&operator), Some(nested.to_string())).await;
        assert_eq!(answer.status, 422, "{nested}: {}", answer.text);
    }
    assert_eq!(state().await, before, "nothing has changed and nothing was written down");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_makes_agents_for_its_own_tenant_alone() {
    let server = Server::start().await;
    for tenant_id in ["acme", "victim"] {
        server.tenant(json!({"tenant_id": tenant_id})).await;
    }
    let operator = server.api_key("operator", "acme").await;
    let make = async |tenant_id: Value| {
        let mut body = json!({"name": "n", "llm_config": {"model": "m"}});
        if !tenant_id.is_null() {
            body["tenant_id"] = tenant_id;
        }
        server.ask("POST", "/api/v1/agents", Some(&operator), Some(body.to_string())).await
    };
    for own in [json!("acme"), Value::Null] {
        let made = make(own).await;
        assert_eq!((made.status, &made.body["tenant_id"]), (201, &json!("acme")), "{}", made.text);
    }
    for other in [json!("victim"), json!("nobody"), json!(""), json!(7)] {
        let refused = make(other.clone()).await;
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["pointer"]),
            (422, &json!("/tenant_id")),
            "{other}"
        );
    }
    assert_eq!(server.get("/api/v1/agents").await["agents"].as_array().map(Vec::len), Some(2));
}
