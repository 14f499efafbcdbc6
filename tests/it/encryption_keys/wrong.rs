//! A wrong key: nothing is believed, nothing is paid with another's key, and everybody is told where they can look.

use std::fs;

use serde_json::json;

use super::{ALL_REASONS, NEW, OLD, first, ring, under, with};
use crate::harness::{ADMIN_KEY, Running, Server, Setup, agenthook, client, free_address, ready, terminate};

/// An agent whose tenant has a key of its own, and lets the platform pay whenever it may.
async fn agent_of(server: &Server) -> crate::harness::Agent {
    server.tenant(json!({"tenant_id": "acme", "fallback_on": ALL_REASONS})).await;
    server.set_llm_key("acme", "sk-of-the-tenant-0123456789").await;
    server.agent().await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_believes_nobody_and_shows_and_changes_nothing() {
    let server = first(OLD).await;
    let agent = agent_of(&server).await;
    assert_eq!(agent.post("1").await.status, 202);
    let server = with(NEW, server.stop().await).await;
    let agent = agent.through(&server);
    let wrong = agent.with_secret(&json!("c2VlZC1zZWNyZXQtMzItYnl0ZXMtMDEyMzQ1Njc4OWE="));
    // Whoever signs, rightly or not, hears the same.
    for (sender, body) in [(&agent, "2"), (&wrong, "2"), (&agent, "no JSON")] {
        let answer = sender.post(body).await;
        assert_eq!((answer.status, &answer.body["code"]), (503, &json!("unavailable")), "{}", answer.text);
        assert!(answer.header("retry-after").parse::<u32>().expect("seconds") > 0);
        assert!(!answer.text.contains("key") && !answer.text.contains("ENCRYPTION"), "{}", answer.text);
    }
    let mut unknown = agent.clone();
    unknown.webhook_url = agent.webhook_url.replace(&agent.id, &uuid::Uuid::now_v7().to_string());
    let answer = unknown.post("2").await;
    assert_eq!((answer.status, answer.text.as_str()), (401, r#"{"error":"Invalid signature"}"#));

    let path = format!("/api/v1/agents/{}/webhook-secret", agent.id);
    for (method, path, body) in [
        ("GET", path.clone(), None),
        ("GET", format!("{path}?reveal=true"), None),
        ("POST", format!("{path}/rotate"), Some(json!({}))),
        ("POST", format!("{path}/rotate"), Some(json!({"overlap_seconds": 0}))),
    ] {
        let answer = server.ask(method, &path, Some(ADMIN_KEY), body.map(|body| body.to_string())).await;
        assert_eq!(answer.status, 503, "{method} {path}: {}", answer.text);
        assert!(answer.header("retry-after").parse::<u32>().expect("seconds") > 0);
    }
    // A new agent is stored under the key that there is, and works.
    let made = server.agent_with(json!({"tenant_id": "other"})).await;
    assert_eq!(made.post("3").await.status, 202);

    // With both keys everything is as it was: nothing was lost.
    let server = with(&ring([OLD, NEW]), server.stop().await).await;
    for agent in [&agent, &made] {
        assert_eq!(agent.through(&server).post("4").await.status, 202);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_tenants_key_is_closed_ends_as_no_key_and_nobody_else_pays() {
    let database = std::sync::Arc::new(crate::harness::Database::create().await);
    let before = Setup { worker: false, ..super::on(&database) };
    let server = with(OLD, before).await;
    let agent = agent_of(&server).await;
    let id = agent.accepted("1").await;
    let before = server.stop().await;

    let server = with(NEW, Setup { worker: true, ..before }).await;
    let trace = server.ended(&id).await;
    assert_eq!((&trace["status"], &trace["error"]["code"]), (&json!("failed"), &json!("no_key")), "{trace}");
    assert!(trace["attempts"].as_array().is_some_and(Vec::is_empty), "{trace}");
    assert!(server.llm.calls().await.is_empty(), "nobody was called, with nobody's key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_starts_all_the_same_and_says_so_once() {
    let server = first(OLD).await;
    agent_of(&server).await;
    let before = server.stop().await;
    let (database, http) = (before.database.expect("a database"), client());
    for (keys, closed) in [(NEW.to_owned(), true), (ring([NEW, OLD]), false)] {
        let (address, directory) = (free_address(), tempfile::tempdir().expect("a directory"));
        let log = directory.path().join("log");
        let mut command = agenthook(directory.path());
        command.args(["serve", "--bind", &address.to_string()]).env("DATABASE_URL", &database.url);
        command.env("AGENTHOOK_ADMIN_KEY", ADMIN_KEY).env("AGENTHOOK_ENCRYPTION_KEYS", &keys);
        command.stderr(fs::File::create(&log).expect("a file"));
        let mut server = Running(command.spawn().expect("starts"));
        ready(&http, &format!("http://{address}"), &mut server.0).await;
        terminate(&server.0);
        assert_eq!(server.0.wait().expect("ends").code(), Some(0));
        let log = fs::read_to_string(log).expect("a log");
        let errors: Vec<_> = log.lines().filter(|line| line.contains(r#""ERROR""#)).collect();
        match closed {
            true => {
                let [error] = errors.as_slice() else { panic!("{log}") };
                assert!(error.contains("AGENTHOOK_ENCRYPTION_KEYS: 2 of the 2 newest"), "{error}");
            }
            false => assert!(errors.is_empty(), "{log}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_the_embedded_default_holds_keys_line_by_line() {
    let database = std::sync::Arc::new(crate::harness::Database::sqlite());
    let file = database.dir.path().join("encryption.key");
    fs::write(&file, format!("{OLD}\n")).expect("a file");
    let server = with("", super::on(&database)).await;
    let agent = server.agent().await;
    let before = server.stop().await;
    fs::write(&file, format!("{NEW}\n{OLD}\n")).expect("a file");
    let server = Server::with(under("", before)).await;
    assert_eq!(agent.through(&server).post("1").await.status, 202);
    let made = server.agent().await;
    let before = server.stop().await;
    fs::write(&file, format!("{NEW}\n")).expect("a file");
    let server = Server::with(under("", before)).await;
    assert_eq!(made.through(&server).post("2").await.status, 202, "the first line encrypts");
    assert_eq!(agent.through(&server).post("2").await.status, 503);
}
