//! Somebody writes to the database: a ciphertext is moved to another row, or damaged. It opens for nobody.

use serde_json::json;

use super::{ALL_REASONS, OLD, first, with};
use crate::harness::{ADMIN_KEY, Agent, Server, agenthook};

/// The text of a ciphertext with one bit of its middle changed.
fn damaged(column: &str) -> String {
    let other = format!("CASE WHEN substr({column}, 61, 1) = 'A' THEN 'B' ELSE 'A' END");
    format!("substr({column}, 1, 60) || {other} || substr({column}, 62)")
}

struct Two {
    server: Server,
    a: Agent,
    b: Agent,
}

/// Two tenants with a key, an agent and an execution each, and the server that was there before somebody did this.
async fn after(statements: &[String]) -> Two {
    let server = first(OLD).await;
    for tenant in ["a", "b"] {
        server.tenant(json!({"tenant_id": tenant, "fallback_on": ALL_REASONS})).await;
        server.set_llm_key(tenant, &format!("sk-of-tenant-{tenant}-0123456789")).await;
    }
    let a = server.agent_with(json!({"tenant_id": "a"})).await;
    let b = server.agent_with(json!({"tenant_id": "b"})).await;
    let before = server.stop().await;
    let database = before.database.clone().expect("a database");
    for statement in statements {
        database.sql(statement).await;
    }
    let server = with(OLD, before).await;
    let (a, b) = (a.through(&server), b.through(&server));
    Two { server, a, b }
}

/// Of the tenant's only agent.
fn secret_of(tenant: &str) -> String {
    format!("agent_id = (SELECT agent_id FROM agents WHERE tenant_id = '{tenant}')")
}

/// Re-encryption must not make its own what is not: it names the row and leaves it.
async fn rekey_names(two: &Two, kind: &str, reason: &str) {
    let database = &two.server.database;
    let rows = database.contents().await;
    let mut command = agenthook(database.dir.path());
    command.args(["rekey", "--json"]).env("DATABASE_URL", &database.url);
    command.env("AGENTHOOK_ENCRYPTION_KEYS", super::ring([super::NEW, OLD]));
    let run = tokio::task::spawn_blocking(move || command.output().expect("it runs")).await.expect("it ends");
    let told: serde_json::Value = serde_json::from_slice(&run.stdout).expect("JSON");
    let closed = told["closed"].as_array().expect("a list");
    let said = String::from_utf8_lossy(&run.stderr);
    assert_eq!((run.status.code(), closed.len(), said.lines().count()), (Some(1), 1, 1), "{told} {said}");
    assert_eq!((&closed[0]["kind"], &closed[0]["reason"]), (&json!(kind), &json!(reason)), "{told}");
    assert_eq!((&told["rewritten"], &told["under_first_key"]), (&json!(3), &json!(3)), "{told}");
    let after = database.contents().await;
    let column = if kind == "llm-key" { "tenants.llm_key" } else { "webhook_secrets.sealed" };
    let lines = |contents: &[u8]| {
        let text = String::from_utf8_lossy(contents).into_owned();
        text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
    };
    let [before, after] = [&rows, &after].map(|contents| lines(&contents[column]));
    assert!(before.intersection(&after).count() >= 1, "what is closed stays as it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_agents_secret_in_the_row_of_mine_verifies_nothing() {
    let [of_a, of_b] = ["a", "b"].map(secret_of);
    let two = after(&[format!(
        "UPDATE webhook_secrets SET sealed = (SELECT sealed FROM webhook_secrets WHERE {of_a}) WHERE {of_b}"
    )])
    .await;
    let forged = two.b.with_secret(&json!(two.a.secret));
    for sender in [&two.b, &forged] {
        assert_eq!(sender.post("1").await.status, 503);
    }
    assert_eq!(two.a.post("1").await.status, 202, "nobody else is concerned");
    let reveal = format!("/api/v1/agents/{}/webhook-secret?reveal=true", two.b.id);
    let answer = two.server.ask("GET", &reveal, Some(ADMIN_KEY), None).await;
    assert_eq!(answer.status, 503);
    assert!(!answer.text.contains(&two.a.secret));
    rekey_names(&two, "webhook-secret", "wrong_owner").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_secret_verifies_nothing() {
    let damage =
        format!("UPDATE webhook_secrets SET sealed = {} WHERE {}", damaged("sealed"), secret_of("b"));
    let two = after(&[damage]).await;
    assert_eq!((two.a.post("1").await.status, two.b.post("1").await.status), (202, 503));
    // Its owner mends it: the one change that needs nothing of what is stored.
    let secret = "c2VlZC1zZWNyZXQtMzItYnl0ZXMtMDEyMzQ1Njc4OWE=";
    rekey_names(&two, "webhook-secret", "no_key").await;
    let change = json!({"trigger": {"secret": secret}});
    two.server.expect(200, "PATCH", &format!("/api/v1/agents/{}", two.b.id), Some(change)).await;
    assert_eq!(two.b.with_secret(&json!(secret)).post("1").await.status, 202);
}

/// The run of tenant a ends without a call; that of b pays with its own key.
async fn nobody_pays_for_a(two: &Two) {
    let trace = two.a.run(&two.server, "1").await;
    assert_eq!((&trace["status"], &trace["error"]["code"]), (&json!("failed"), &json!("no_key")), "{trace}");
    assert!(two.server.llm.calls().await.is_empty());
    assert_eq!(two.b.run(&two.server, "1").await["key_source"], "tenant");
    assert_eq!(two.server.llm.keys().await, ["sk-of-tenant-b-0123456789"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_llm_key_in_the_row_of_mine_pays_nothing() {
    let of_b = "SELECT llm_key FROM tenants WHERE tenant_id = 'b'";
    let two = after(&[format!("UPDATE tenants SET llm_key = ({of_b}) WHERE tenant_id = 'a'")]).await;
    nobody_pays_for_a(&two).await;
    rekey_names(&two, "llm-key", "wrong_owner").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_secret_is_no_llm_key() {
    let secret = format!("SELECT sealed FROM webhook_secrets WHERE {}", secret_of("a"));
    let two = after(&[format!("UPDATE tenants SET llm_key = ({secret}) WHERE tenant_id = 'a'")]).await;
    nobody_pays_for_a(&two).await;
    rekey_names(&two, "llm-key", "wrong_owner").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_llm_key_pays_nothing() {
    let damage = format!("UPDATE tenants SET llm_key = {} WHERE tenant_id = 'a'", damaged("llm_key"));
    let two = after(&[damage]).await;
    nobody_pays_for_a(&two).await;
    rekey_names(&two, "llm-key", "no_key").await;
}
