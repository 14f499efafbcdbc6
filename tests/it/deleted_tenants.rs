//! A tenant is deleted: what goes with it, who comes too late, and what the next tenant of the same id hears of it.

use std::time::Duration;

use agenthook::model::{Actor, AgentId, ApiKey, ApiKeyId, AuditAction, AuditEntry, KeyRole, TenantId};
use agenthook::store::{Error, SecretChange};
use serde_json::{Value, json};

use crate::harness::{ADMIN_KEY, Server};

const ACME: &str = "/api/v1/tenants/acme";

async fn log(server: &Server, key: &str, query: &str) -> Vec<Value> {
    let answer = server.ask("GET", &format!("/api/v1/audit?limit=200{query}"), Some(key), None).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["audit"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_that_goes_with_a_tenant_is_written_down() {
    let server = Server::without_worker().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    server.tenant(json!({"tenant_id": "other"})).await;
    let mut keys = Vec::new();
    for role in ["operator", "viewer"] {
        keys.push(server.key(role, "acme").await);
    }
    let stays = server.api_key("viewer", "other").await;
    server.expect(204, "DELETE", ACME, None).await;
    for key in &keys {
        let id = key["key_id"].as_str().expect("an id");
        let rows = log(&server, ADMIN_KEY, &format!("&subject={id}&action=api_key.deleted")).await;
        assert_eq!((rows.len(), &rows[0]["tenant_id"]), (1, &json!("acme")));
        assert_eq!(rows[0]["detail"], json!({"name": key["name"], "with_tenant": true}));
        assert_eq!(rows[0]["actor"]["role"], "admin");
        let refused = server.ask("GET", ACME, key["key"].as_str(), None).await;
        assert_eq!(refused.status, 401);
    }
    assert_eq!(log(&server, ADMIN_KEY, "&action=api_key.deleted").await.len(), 2);
    assert_eq!(server.ask("GET", "/api/v1/agents", Some(&stays), None).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_has_agents_keeps_its_keys_and_nothing_is_written_down() {
    let server = Server::without_worker().await;
    server.agent().await;
    let key = server.api_key("viewer", "acme").await;
    server.expect(409, "DELETE", ACME, None).await;
    assert_eq!(server.ask("GET", ACME, Some(&key), None).await.status, 200);
    assert!(log(&server, ADMIN_KEY, "&action=api_key.deleted").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_for_a_tenant_that_is_gone_is_a_conflict() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let (store, now) = (&server.app.store, server.clock.now());
    let nobody: TenantId = "nobody".parse().expect("an id");
    let entry = |action, id: String| AuditEntry::new(Actor::server(), action, id, now);

    let mut agent =
        store.agent(agent.id.parse().expect("an id")).await.expect("an answer").expect("an agent");
    (agent.agent_id, agent.tenant_id) = (AgentId::new(), nobody.clone());
    let created = entry(AuditAction::AgentCreated, agent.agent_id.to_string());
    let stored = store.insert_agent(&agent, &SecretChange::Keep, None, &created).await;
    assert!(matches!(stored, Err(Error::Conflict)), "{stored:?}");

    let key_id = ApiKeyId::new();
    let (role, tenant_id, name) = (KeyRole::Viewer, Some(nobody), "late".to_owned());
    let key = ApiKey { key_id, role, tenant_id, name, hint: None, created_at: now };
    let stored =
        store.add_api_key(&[7; 32], &key, &entry(AuditAction::ApiKeyCreated, key_id.to_string())).await;
    assert!(matches!(stored, Err(Error::Conflict)), "{stored:?}");
    for id in [agent.agent_id.to_string(), key_id.to_string()] {
        assert!(log(&server, ADMIN_KEY, &format!("&subject={id}")).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_at_the_same_time_is_told_so() {
    let server = Server::without_worker().await;
    for round in 0..20 {
        let tenant_id = format!("t{round}");
        server.tenant(json!({ "tenant_id": tenant_id })).await;
        let agent = json!({"tenant_id": tenant_id, "name": "n", "llm_config": {"model": "m"}});
        let key = json!({"tenant_id": tenant_id, "name": "n", "role": "viewer"});
        let path = format!("/api/v1/tenants/{tenant_id}");
        let (deleted, agent, key) = tokio::join!(
            server.api("DELETE", &path, None),
            server.api("POST", "/api/v1/agents", Some(agent)),
            server.api("POST", "/api/v1/keys", Some(key)),
        );
        assert!(matches!(deleted.0, 204 | 409), "{deleted:?}");
        for (status, answer) in [agent, key] {
            assert!(status == 201 || answer["errors"][0]["pointer"] == "/tenant_id", "{status}: {answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_tenant_of_the_same_id_hears_nothing_of_the_one_before() {
    let server = Server::with_manual_clock().await;
    server.tenant(json!({"tenant_id": "acme", "name": "before"})).await;
    let before = server.api_key("operator", "acme").await;
    let set = Some(json!({"key": "sk-of-the-one-before-0123456789"}).to_string());
    assert_eq!(server.ask("PUT", &format!("{ACME}/llm-key"), Some(&before), set).await.status, 200);
    server.expect(204, "DELETE", ACME, None).await;

    server.clock.advance(Duration::from_secs(1));
    server.tenant(json!({"tenant_id": "acme", "name": "after"})).await;
    let after = server.api_key("operator", "acme").await;
    let actions = |rows: &[Value]| rows.iter().map(|row| row["action"].clone()).collect::<Vec<_>>();
    let rows = log(&server, &after, "").await;
    assert_eq!(actions(&rows), ["api_key.created", "tenant.created"]);
    for query in ["&subject=acme", "&tenant_id=acme", "&from=1970-01-01T00:00:00Z", "&action=llm_key.set"] {
        let rows = log(&server, &after, query).await;
        assert!(rows.len() <= 2 && !actions(&rows).contains(&json!("llm_key.set")), "{query}: {rows:?}");
    }
    let later = "&from=2999-01-01T00:00:00Z";
    assert!(log(&server, &after, later).await.is_empty(), "what was asked for still counts");
    assert!(log(&server, ADMIN_KEY, "&tenant_id=acme").await.len() > 5, "the platform sees all of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_does_not_hear_from_where_an_admin_came() {
    let server = Server::without_worker().await;
    server.agent().await;
    let operator = server.api_key("operator", "acme").await;
    let set = Some(json!({"key": "sk-of-the-tenant-0123456789"}).to_string());
    assert_eq!(server.ask("PUT", &format!("{ACME}/llm-key"), Some(&operator), set).await.status, 200);
    for (key, of_admin) in [(&operator[..], Value::Null), (ADMIN_KEY, json!("127.0.0.1"))] {
        let rows = log(&server, key, "&tenant_id=acme").await;
        assert_eq!(rows.len(), 4);
        for row in rows {
            let actor = &row["actor"];
            let expected = if actor["role"] == "admin" { of_admin.clone() } else { json!("127.0.0.1") };
            assert_eq!(actor["address"], expected, "{row}");
        }
    }
}
