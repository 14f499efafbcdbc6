//! Agents, tenants and their keys, from the first to the last.

use serde_json::json;

use super::{SECRET, TICKET};
use crate::harness::{Server, User, parsed};

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_life() {
    let server = Server::start().await;
    let user = User::of(&server);
    user.run(&["tenant", "create", "acme"]).await.good();
    let spec = json!({"tenant_id": "acme", "name": "A", "llm_config": {"model": "m", "temperature": 0.5},
        "trigger": {"type": "webhook", "secret": SECRET, "payload_schema": {"required": ["ticket_id"]}}});
    let created =
        user.run_with(&["agent", "create", "--json", "--file", "-"], spec.to_string().as_bytes()).await;
    let agent = parsed(&created.good());
    assert_eq!(agent["webhook_secret"], SECRET);
    let id = agent["agent_id"].as_str().expect("an id");

    assert!(user.run(&["agent", "list", "--tenant", "acme"]).await.good().contains(id));
    let masked = user.run(&["agent", "secret", id]).await.good();
    assert!(masked.contains("c2Vl…") && !masked.contains(SECRET), "{masked}");
    assert!(user.run(&["agent", "secret", id, "--reveal"]).await.good().contains(SECRET));

    // only what is named changes
    user.run(&["agent", "update", id, "--model", "m2", "--status", "paused"]).await.good();
    let changed = parsed(&user.run(&["agent", "show", id, "--json"]).await.good());
    assert_eq!(changed["llm_config"], json!({"model": "m2", "temperature": 0.5}));
    assert_eq!(changed["trigger"], agent["trigger"]);
    assert_eq!((&changed["version"], &changed["status"]), (&json!(2), &json!("paused")));

    let sender = User::nobody().with("AGENTHOOK_URL", &server.url).with("AGENTHOOK_SECRET", SECRET);
    let args = ["send", "--agent", id, "-"];
    let send = |body: &'static str| sender.run_with(&args, body.as_bytes());
    assert!(send(TICKET).await.complaint(1).starts_with("403 agent_not_active: "));
    user.run(&["agent", "update", id, "--status", "active"]).await.good();
    let mismatch = send("{}").await.complaint(1);
    assert!(mismatch.starts_with("422 schema_mismatch: ") && mismatch.contains("ticket_id"), "{mismatch}");
    assert_eq!(parsed(&send(TICKET).await.good())["status"], "queued");
    assert_eq!(parsed(&send(TICKET).await.good())["status"], "duplicate");

    assert_eq!(user.run(&["agent", "delete", id]).await.good(), format!("deleted agent {id}\n"));
    let refused = send(TICKET).await.complaint(1);
    assert!(refused.starts_with("401 Invalid signature: check the secret"), "{refused}");
    assert!(user.run(&["agent", "show", id]).await.complaint(1).starts_with("404 not_found: "));
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_and_their_keys() {
    let server = Server::start().await;
    let user = User::of(&server);
    let create = ["tenant", "create", "acme", "--key-policy", "tenant_only", "--allowed-models", "a,b"];
    user.run(&create).await.good();
    let set = ["tenant", "set-llm-key", "acme", "--key-file", "-"];
    user.run_with(&set, b"sk-tenant-0123456789wxyz\n").await.good();
    let list = user.run(&["tenant", "list"]).await.good();
    assert!(list.contains("tenant_only") && list.contains("sk-…wxyz"), "{list}");
    assert!(user.run(&["tenant", "show", "acme"]).await.good().contains("a, b"));

    let update = ["tenant", "update", "acme", "--any-model", "--fallback-on", "missing,rejected", "--json"];
    let tenant = parsed(&user.run(&update).await.good());
    assert_eq!(tenant["allowed_models"], json!(null));
    assert_eq!(tenant["fallback_on"], json!(["missing", "rejected"]));
    assert_eq!(tenant["key_policy"], "tenant_only");
    user.run(&["tenant", "remove-llm-key", "acme"]).await.good();
    let tenant = parsed(&user.run(&["tenant", "show", "acme", "--json"]).await.good());
    assert_eq!(tenant["llm_key"], json!({"configured": false}));

    assert!(user.run(&["tenant", "create", "acme"]).await.complaint(1).starts_with("409 conflict: "));
    user.run(&["tenant", "delete", "acme"]).await.good();
    assert!(user.run(&["tenant", "list"]).await.good().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_secret_and_a_leaked_key_are_replaced_by_hand() {
    let server = Server::start().await;
    let (user, agent) = (User::of(&server), server.agent().await);
    let secrets = async || user.run(&["agent", "secret", &agent.id, "--reveal"]).await.good();
    let rotated = user.run(&["agent", "rotate-secret", &agent.id]).await.good();
    let shown = secrets().await;
    assert!(shown.contains(&agent.secret) && shown.lines().count() == 3, "{shown}");
    let given =
        ["agent", "rotate-secret", &agent.id, "--overlap", "0", "--webhook-secret-file", "-", "--json"];
    let answer = parsed(&user.run_with(&given, format!("{SECRET}\n").as_bytes()).await.good());
    assert_eq!(answer["webhook_secret"], SECRET);
    assert!(!rotated.contains(SECRET) && rotated.lines().count() == 4, "{rotated}");
    let shown = secrets().await;
    assert!(shown.contains(SECRET) && shown.lines().count() == 2, "{shown}");
    let too_long =
        user.run(&["agent", "rotate-secret", &agent.id, "--overlap", "2592001"]).await.complaint(1);
    assert!(too_long.contains("30 days"), "{too_long}");

    let made =
        parsed(&user.run(&["key", "create", "--name", "pipeline", "--role", "admin", "--json"]).await.good());
    let text = |field: &str| made[field].as_str().expect("text").to_owned();
    let other = User::of(&server).with("AGENTHOOK_API_KEY", &text("key"));
    let listed = other.run(&["key", "list"]).await.good();
    assert!(listed.contains("pipeline") && listed.contains(&text("key_id")), "{listed}");
    assert!(!listed.contains(&text("key")), "{listed}");
    let deleted = user.run(&["key", "delete", &text("key_id")]).await.good();
    assert_eq!(deleted.trim_end(), format!("deleted key {}", text("key_id")));
    other.run(&["key", "list"]).await.complaint(1);
    let id = parsed(&user.run(&["key", "list", "--json"]).await.good())["keys"][0]["key_id"].clone();
    let last = user.run(&["key", "delete", id.as_str().expect("an id")]).await.complaint(1);
    assert!(last.contains("make another admin key first"), "{last}");
    let shown = user.run(&["key", "create", "--name", "last", "--role", "admin"]).await.good();
    assert!(shown.contains("ahk_") && shown.contains("shown this once"), "{shown}");
}
