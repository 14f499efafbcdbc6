//! What encrypts stored secrets: a ring of keys that is turned without a gap, and that fails closed.

mod endpoints;
mod moved;
mod rekey;
mod wrong;

use std::sync::Arc;

use agenthook::config::SettingsArgs;
use serde_json::json;

use crate::harness::{Database, ENCRYPTION_KEY, Server, Setup};

const OLD: &str = ENCRYPTION_KEY;
const NEW: &str = "YS1uZXcta2V5LW9mLXRoZS1yaW5nLW9mLTMyLWJ5dGU=";
const ALL_REASONS: [&str; 4] = ["missing", "rejected", "budget_exceeded", "rate_limited"];

/// A server with these keys, on what another one has left.
async fn with(keys: &str, before: Setup) -> Server {
    Server::with(under(keys, before)).await
}

fn under(keys: &str, before: Setup) -> Setup {
    let args = SettingsArgs { encryption_keys: Some(keys.into()), ..before.args };
    Setup { args, ..before }
}

/// On a database of its own.
async fn first(keys: &str) -> Server {
    with(keys, on(&Arc::new(Database::create().await))).await
}

fn on(database: &Arc<Database>) -> Setup {
    Setup { database: Some(database.clone()), ..Setup::default() }
}

fn ring(keys: [&str; 2]) -> String {
    keys.join(",")
}

#[tokio::test(flavor = "multi_thread")]
async fn new_before_old_reads_both_and_writes_new() {
    let server = first(OLD).await;
    let [kept, rotated] = [server.agent().await, server.agent().await];
    let other = server.agent_with(json!({"tenant_id": "other"})).await;
    server.set_llm_key("acme", "sk-acme-under-the-old-key").await;
    server.set_llm_key("other", "sk-other-under-the-old-key").await;
    let before = server.stop().await;

    let server = with(&ring([NEW, OLD]), before).await;
    let [kept, rotated, other] = [kept, rotated, other].map(|agent| agent.through(&server));
    for (agent, key) in [(&kept, "sk-acme-under-the-old-key"), (&other, "sk-other-under-the-old-key")] {
        assert_eq!(agent.run(&server, "1").await["key_source"], "tenant");
        assert_eq!(server.llm.keys().await.last().map(String::as_str), Some(key));
    }
    let path = format!("/api/v1/agents/{}/webhook-secret/rotate", rotated.id);
    let answer = server.expect(200, "POST", &path, Some(json!({"overlap_seconds": 0}))).await;
    let rotated = rotated.with_secret(&answer["webhook_secret"]);
    server.set_llm_key("other", "sk-other-under-the-new-key").await;
    let made = server.agent_with(json!({"tenant_id": "other"})).await;
    let before = server.stop().await;

    // The old key is taken away too early: what was not stored anew needs it.
    let server = with(NEW, before).await;
    for (agent, status) in [(&kept, 503), (&rotated, 202), (&other, 503), (&made, 202)] {
        assert_eq!(agent.through(&server).post("2").await.status, status);
    }
    let run = made.through(&server).run(&server, "3").await;
    assert_eq!(run["key_source"], "tenant", "{run}");
    assert_eq!(server.llm.keys().await.last().map(String::as_str), Some("sk-other-under-the-new-key"));
}
