//! The endpoint of `WEBHOOK_URL`: what the settings say, at every start.

use agenthook::config::{OutboundArgs, SettingsArgs};
use serde_json::{Value, json};

use super::{WEBHOOKS, path};
use crate::harness::{Server, Setup};

const URL: &str = "http://127.0.0.1:9/ready?key=planted";
const SHOWN: &str = "http://127.0.0.1:9/ready?key=***";

fn args(url: Option<&str>, secret: &str, change: impl FnOnce(&mut OutboundArgs)) -> SettingsArgs {
    let mut args = SettingsArgs::default();
    args.outbound.webhook_url = url.map(Into::into);
    args.outbound.webhook_secret = Some(secret.into());
    change(&mut args.outbound);
    args
}

async fn next(setup: Setup, args: SettingsArgs) -> Server {
    Server::with(Setup { args, worker: false, ..setup }).await
}

async fn only(server: &Server) -> Value {
    let list = server.get(WEBHOOKS).await["webhooks"].as_array().expect("a list").clone();
    assert_eq!(list.len(), 1, "{list:?}");
    list[0].clone()
}

async fn secrets(server: &Server, webhook: &Value) -> usize {
    let id = webhook["webhook_id"].as_str().expect("an id").parse().expect("an id");
    let now = server.clock.now();
    let secrets = server.app.store.signing_secrets(id).await.expect("readable");
    secrets.into_iter().filter(|secret| secret.expires_at.is_none_or(|end| now < end)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_made_kept_changed_and_removed_by_the_settings() {
    let first = "the-first-platform-secret";
    let server = next(Setup::default(), args(Some(URL), first, |_| {})).await;
    let made = only(&server).await;
    for (field, value) in [
        ("kind", json!("platform")),
        ("tenant_id", Value::Null),
        ("url", json!(SHOWN)),
        ("events", json!(["model.registered"])),
        ("profile", json!("hokusai")),
        ("retry", json!({"schedule_seconds": [2, 4, 8, 16, 32], "timeout_seconds": 30})),
        ("disable_on_exhausted", json!(false)),
        ("version", json!(1)),
    ] {
        assert_eq!(made[field], value, "{field}");
    }
    let server = next(server.stop().await, args(Some(URL), first, |_| {})).await;
    assert_eq!(only(&server).await, made, "the same settings change nothing");

    let patience = |outbound: &mut OutboundArgs| outbound.webhook_max_retries = Some("1".into());
    let server = next(server.stop().await, args(Some(URL), first, patience)).await;
    let changed = only(&server).await;
    assert_eq!((&changed["webhook_id"], &changed["version"]), (&made["webhook_id"], &json!(2)));
    assert_eq!(changed["retry"]["schedule_seconds"], json!([2]));

    let server = next(server.stop().await, args(Some(URL), "another-platform-secret", patience)).await;
    assert_eq!(only(&server).await["version"], 3);
    assert_eq!(secrets(&server, &made).await, 1, "the old one ends at once");

    let server = next(server.stop().await, args(None, first, |_| {})).await;
    assert_eq!(server.get(WEBHOOKS).await["webhooks"], json!([]));
    server.expect(404, "GET", &path(&made), None).await;
    let server = next(server.stop().await, args(Some(URL), first, |_| {})).await;
    assert_ne!(only(&server).await["webhook_id"], made["webhook_id"], "a new one");
    let log = server.get("/api/v1/audit?limit=200").await;
    let entries = log["audit"].as_array().expect("a list").iter();
    let of_webhooks: Vec<_> = entries
        .filter(|entry| entry["subject"]["type"] == "webhook")
        .map(|entry| (entry["action"].clone(), entry["actor"]["name"].clone()))
        .collect();
    let expected = ["created", "deleted", "updated", "updated", "created"]
        .map(|word| (json!(format!("webhook.{word}")), json!("the server")));
    assert_eq!(of_webhooks, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_administrator_sees_it_and_nobody_changes_it() {
    let server = next(Setup::default(), args(Some(URL), "the-platform-secret", |_| {})).await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let webhook = only(&server).await;
    for role in ["operator", "viewer"] {
        let key = server.api_key(role, "acme").await;
        let list = server.ask("GET", WEBHOOKS, Some(&key), None).await;
        assert_eq!(list.body["webhooks"], json!([]));
        for (method, action) in [("GET", ""), ("DELETE", ""), ("POST", "/test"), ("POST", "/enable")] {
            let answer = server.ask(method, &format!("{}{action}", path(&webhook)), Some(&key), None).await;
            assert_eq!(answer.status, 404, "{method} {action} as {role}: {}", answer.text);
        }
    }
    let whole = json!({"url": URL, "events": ["*"]});
    for (method, action, body) in [
        ("PATCH", "", Some(json!({"events": ["*"]}))),
        ("PUT", "", Some(whole)),
        ("DELETE", "", None),
        ("POST", "/disable", None),
        ("POST", "/secret/rotate", Some(json!({}))),
    ] {
        let refused = server.expect(409, method, &format!("{}{action}", path(&webhook)), body).await;
        assert!(refused["detail"].as_str().expect("why").contains("WEBHOOK_URL"), "{refused}");
    }
    server.expect(202, "POST", &format!("{}/test", path(&webhook)), None).await;
    server.expect(200, "POST", &format!("{}/enable", path(&webhook)), None).await;
    assert_eq!(server.get(&path(&webhook)).await["url"], SHOWN);
}
