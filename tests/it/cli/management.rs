//! The management API from a shell: versions and tries of agents, keys with roles, the audit log, completions.

use serde_json::{Value, json};

use crate::harness::{Server, User, error, parsed};

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_listed_shown_and_guarded() {
    let server = Server::start().await;
    let (user, agent) = (User::of(&server), server.agent().await);
    let id = agent.id.as_str();
    user.run(&["agent", "update", id, "--model", "m2", "--if-version", "1"]).await.good();
    let stale = user.run(&["agent", "update", id, "--name", "lost", "--if-version", "1"]).await.complaint(1);
    assert!(stale.starts_with("412 version_mismatch: "), "{stale}");
    let table = user.run(&["agent", "versions", id]).await.good();
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(
        table.contains("m2") && table.contains("gpt-4o-mini") && table.contains("You triage tickets."),
        "{table}"
    );
    let first = parsed(&user.run(&["agent", "show", id, "--version", "1", "--json"]).await.good());
    assert_eq!(first["llm_config"]["model"], "gpt-4o-mini");
    assert!(user.run(&["agent", "show", id]).await.good().contains("m2"));
    let page = parsed(&user.run(&["agent", "versions", id, "--limit", "1", "--json"]).await.good());
    assert_eq!((&page["versions"][0]["version"], &page["next_cursor"]), (&json!(2), &json!("2")));
    assert!(
        user.run(&["agent", "show", id, "--version", "9"]).await.complaint(1).starts_with("404 not_found: ")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_revoked_by_its_id() {
    let server = Server::start().await;
    let (user, agent) = (User::of(&server), server.agent().await);
    let id = agent.id.as_str();
    let rotated = parsed(&user.run(&["agent", "rotate-secret", id, "--json"]).await.good());
    let secret = rotated["secret_id"].as_str().expect("an id");
    assert!(user.run(&["agent", "secrets", id]).await.good().contains(secret));
    let stale = user.run(&["agent", "revoke-secret", id, secret, "--if-version", "1"]).await.complaint(1);
    assert!(stale.starts_with("412 "), "{stale}");
    assert_eq!(
        user.run(&["agent", "revoke-secret", id, secret]).await.good(),
        format!("revoked secret {secret}\n")
    );
    let left = parsed(&user.run(&["agent", "secrets", id, "--reveal", "--json"]).await.good());
    assert_eq!(left["secrets"][0]["webhook_secret"], agent.secret);
    let last = left["secrets"][0]["secret_id"].as_str().expect("an id");
    let refused = user.run(&["agent", "revoke-secret", id, last]).await.complaint(1);
    assert!(refused.starts_with("409 conflict: ") && refused.contains("rotate"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_tried_from_a_shell() {
    let server = Server::start().await;
    let schema = json!({"type": "webhook", "payload_schema": {"required": ["id"]}});
    let agent = server.agent_with(json!({"trigger": schema})).await;
    let (user, id) = (User::of(&server), agent.id.as_str());
    let test = |flags: &'static [&'static str]| [&["agent", "test", id, "-"][..], flags].concat();
    let payload = br#"{"id": 12345678901234567890123}"#;

    let shown = user.run_with(&test(&["--dry-run"]), payload).await.good();
    for part in [
        "accepted",
        "platform",
        "You triage tickets.",
        r#"{"id":12345678901234567890123}"#,
        "drawn at random",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let rejected = user.run_with(&test(&["--dry-run"]), b"{}").await;
    assert!(rejected.code == 1 && rejected.out.contains("schema_mismatch"), "{rejected:?}");
    assert!(server.executions().await.is_empty());

    let trace = user.run_with(&test(&["--wait"]), payload).await.good();
    assert!(trace.contains("success") && trace.contains("12345678901234567890123"), "{trace}");
    let queued = user.run_with(&test(&[]), payload).await;
    assert!(queued.out.contains("is queued") && queued.err.contains("executions show"), "{queued:?}");
    server.llm.answers(error(400, "invalid_request_error", "no"));
    assert_eq!(user.run_with(&test(&["--wait"]), payload).await.code, 1);
    assert!(user.run_with(&test(&[]), b"{}").await.complaint(1).starts_with("422 schema_mismatch: "));
    assert!(user.run_with(&test(&[]), b"{").await.complaint(2).contains("is not JSON"));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_have_roles_and_the_log_tells_who_did_what() {
    let server = Server::start().await;
    let (user, agent) = (User::of(&server), server.agent().await);
    let make = |role: &'static str| {
        ["key", "create", "--name", "Vera", "--role", role, "--tenant", "acme", "--json"]
    };
    let viewer = parsed(&user.run(&make("viewer")).await.good());
    let operator = parsed(&user.run(&make("operator")).await.good());
    let list = user.run(&["key", "list"]).await.good();
    assert!(list.contains("TENANT") && list.contains("viewer") && list.contains("acme"), "{list}");
    let lacking = user.run(&["key", "create", "--name", "n", "--role", "viewer"]).await.complaint(2);
    assert!(lacking.contains("--tenant"), "{lacking}");

    let with = |key: &Value| User::of(&server).with("AGENTHOOK_API_KEY", key["key"].as_str().expect("a key"));
    let id = agent.id.as_str();
    let update = ["agent", "update", id, "--status", "paused"];
    assert!(with(&viewer).run(&update).await.complaint(1).starts_with("403 forbidden: "));
    assert!(with(&viewer).run(&["agent", "show", id]).await.good().contains("active"));
    with(&operator).run(&update).await.good();

    let log = user.run(&["audit", "list", "--subject", id, "--action", "agent.updated"]).await.good();
    assert_eq!(log.lines().count(), 2, "{log}");
    for part in ["Vera", "operator", "127.0.0.1", "agent.updated", &format!("agent {id}"), "version=2"] {
        assert!(log.contains(part), "{part}: {log}");
    }
    let key_id = operator["key_id"].as_str().expect("an id");
    let by_key = user.run(&["audit", "list", "--key", key_id, "--tenant", "acme", "--json"]).await.good();
    assert_eq!(parsed(&by_key)["audit"].as_array().map(Vec::len), Some(1));
    let later = user.run(&["audit", "list", "--from", "2999-01-01T00:00:00Z"]).await;
    assert!(later.out.is_empty() && later.err.contains("no audit"), "{later:?}");
    assert!(user.run(&["audit", "list", "--action", "none"]).await.complaint(1).starts_with("422 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_llm_key_is_piped_in_and_what_was_not_checked_is_told() {
    let server = Server::start().await;
    server.llm.answers_get("/key/info", error(500, "internal_server_error", "Database not connected"));
    let user = User::of(&server);
    user.run(&["tenant", "create", "acme"]).await.good();
    let set = ["tenant", "set-llm-key", "acme"];
    let run = user.run_with(&set, b"sk-tenant-0123456789wxyz\n").await;
    assert!(
        run.code == 0 && run.err.starts_with("warning: the key was saved, but could not be checked"),
        "{run:?}"
    );
    let variable = user.with("AGENTHOOK_TENANT_LLM_KEY", "sk-tenant-0123456789abcd");
    variable.run(&set).await.good();
    assert_eq!(server.get("/api/v1/tenants/acme").await["llm_key"]["hint"], "sk-…abcd");
    assert!(User::of(&server).run(&set).await.complaint(2).starts_with("no key: "));
}

#[tokio::test(flavor = "multi_thread")]
async fn shells_complete_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = User::nobody().run(&["completions", shell]).await.good();
        for command in ["revoke-secret", "set-llm-key", "audit", "completions"] {
            assert!(script.contains(command), "{shell} knows no {command}");
        }
    }
    assert_eq!(User::nobody().run(&["completions", "tcsh"]).await.code, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_the_servers_refusal_whole() {
    let server = Server::start().await;
    let run = User::of(&server).run(&["tenant", "show", "nope", "--json"]).await;
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    let problem = parsed(&run.err);
    assert_eq!((&problem["status"], &problem["code"]), (&json!(404), &json!("not_found")));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_set_shown_and_lifted() {
    let server = Server::start().await;
    let (user, agent) = (User::of(&server), server.agent().await);
    let limits = ["--rate", "600/min", "--burst", "100", "--concurrency", "20"];
    let made = user.run(&[&["tenant", "create", "few", "--json"][..], &limits].concat()).await.good();
    let of = |limited: &Value| (limited["rate_limit"].clone(), limited["concurrency"].clone());
    let set = (json!({"per_minute": 600, "burst": 100}), json!(20));
    assert_eq!(of(&parsed(&made)), set);
    for shown in
        [user.run(&["tenant", "list"]).await.good(), user.run(&["tenant", "show", "few"]).await.good()]
    {
        assert!(shown.contains("600/min, 100 at once") && shown.contains("20"), "{shown}");
    }
    let lift = ["--no-rate", "--no-concurrency", "--json"];
    let lifted = user.run(&[&["tenant", "update", "few"][..], &lift].concat()).await.good();
    assert_eq!(of(&parsed(&lifted)), (Value::Null, Value::Null));
    let id = agent.id.as_str();
    let shown = user.run(&[&["agent", "update", id][..], &limits].concat()).await.good();
    assert!(shown.contains("600/min, 100 at once"), "{shown}");
    let seen = parsed(&user.run(&["agent", "show", id, "--json"]).await.good());
    assert_eq!(of(&seen["trigger"]), set);
    let lifted = user.run(&[&["agent", "update", id][..], &lift].concat()).await.good();
    assert_eq!(of(&parsed(&lifted)["trigger"]), (Value::Null, Value::Null));
    let wrong = user.run(&["tenant", "update", "few", "--rate", "600/min"]).await;
    assert_eq!(wrong.code, 2, "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_looked_at_released_and_discarded_from_a_shell() {
    let server = Server::start().await;
    let (user, agent) = (User::of(&server), server.agent().await);
    let id = agent.id.as_str();
    let flags = ["--status", "paused", "--when-paused", "hold", "--schema-policy", "quarantine"];
    let schema = server.database.dir.path().join("schema.json");
    std::fs::write(&schema, r#"{"type":"integer"}"#).expect("written");
    let schema = schema.to_str().expect("a path");
    user.run(&[&["agent", "update", id, "--schema", schema][..], &flags].concat()).await.good();
    let mut held = Vec::new();
    for body in ["1", "2", "3", "4", r#""no""#] {
        held.push(agent.accepted(body).await);
    }
    let list = user.run(&["executions", "list", "--held-reason", "paused"]).await.good();
    assert!(list.lines().count() == 5 && list.contains("held (paused)"), "{list}");
    let shown = user.run(&["executions", "show", &held[4]]).await.good();
    assert!(shown.contains("does not match the schema") && shown.contains("quarantine"), "{shown}");

    let shown = user.run(&["executions", "release", &held[0], "--wait"]).await.good();
    assert!(shown.contains("success") && shown.contains("released"), "{shown}");
    let told = user.run(&["executions", "discard", &held[4]]).await.good();
    assert_eq!(told, format!("discarded {}\n", held[4]));
    let refused = user.run(&["executions", "release", &held[4]]).await.complaint(1);
    assert!(refused.starts_with("409 conflict: "), "{refused}");

    let bulk = |flags: &[&'static str]| [&["executions", "bulk", "release", "--agent", id], flags].concat();
    assert_eq!(user.run(&bulk(&["--dry-run"])).await.good(), "3 match\n");
    let unasked = user.run(&bulk(&[])).await.complaint(2);
    assert!(unasked.contains("--yes"), "{unasked}");
    assert_eq!(
        server.get("/api/v1/executions?status=held").await["executions"].as_array().map(Vec::len),
        Some(3)
    );
    let begun = user.run(&bulk(&["--yes", "--wait"])).await;
    assert!(
        begun.out.starts_with("release of 3 begun, job ") && begun.err.ends_with("0 left\n"),
        "{begun:?}"
    );
    for id in &held[1..4] {
        assert_eq!(server.ended(id).await["status"], "success");
    }
    assert_eq!(user.run(&bulk(&["--yes"])).await.good(), "none match: there is nothing to do\n");
    let replay = ["executions", "bulk", "replay", "--agent", id, "--wait", "--yes"];
    assert!(user.run(&replay).await.complaint(2).contains("replay"));
}
