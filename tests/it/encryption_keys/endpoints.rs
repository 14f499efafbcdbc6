//! Endpoints and the encryption keys: a wrong key shows where nothing is, and loses nothing.

use std::sync::Arc;
use std::time::Duration;

use agenthook::clock::Clock;
use serde_json::{Value, json};

use super::{NEW, OLD, first, on, ring, with};
use crate::callbacks::{HEADER, calling};
use crate::harness::{Database, Receiver, Server, Setup, eventually};

const URL: &str = "http://127.0.0.1:9/hook?token=planted";
const SHOWN: &str = "http://127.0.0.1:9/hook?token=***";

async fn ready(server: &Server, id: &str) -> bool {
    let app = &server.app;
    let id = id.parse().expect("an id");
    let version = app.store.webhook(id).await.expect("readable").expect("there").version;
    let entry = app.webhooks.get(&app.store, &app.cipher, id, version).await.expect("readable");
    entry.expect("there").recipient.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_wrong_key_they_are_listed_without_their_urls_and_nothing_is_sent() {
    let server = first(OLD).await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let new = json!({"tenant_id": "acme", "url": URL, "events": ["*"], "headers": {"X-Key": "planted"}});
    let webhook = server.expect(201, "POST", "/api/v1/webhooks", Some(new.clone())).await;
    let id = webhook["webhook_id"].as_str().expect("an id");
    let path = format!("/api/v1/webhooks/{id}");
    assert!(ready(&server, id).await);

    let server = with(NEW, server.stop().await).await;
    assert!(!ready(&server, id).await, "no request can be made of it");
    let shown = server.get(&path).await;
    assert_eq!((&shown["url"], &shown["headers"]), (&Value::Null, &json!({})));
    let warning = shown["warnings"][0].as_str().expect("why");
    assert!(warning.contains("encryption keys"), "{warning}");
    assert_eq!(server.get("/api/v1/webhooks").await["webhooks"][0], shown);
    // Nothing is put in its place, and nothing is put beside it that could be sent.
    for (method, body) in
        [("PATCH", json!({"description": "d"})), ("PUT", json!({"url": URL, "events": ["*"]}))]
    {
        let refused = server.expect(503, method, &path, Some(body)).await;
        assert_eq!(refused["code"], "unavailable");
    }
    assert_eq!(server.get(&path).await["version"], 1);
    // A new one is stored under the key that there is.
    let made = server.expect(201, "POST", "/api/v1/webhooks", Some(new)).await;
    assert!(ready(&server, made["webhook_id"].as_str().expect("an id")).await);

    let server = with(&ring([OLD, NEW]), server.stop().await).await;
    let shown = server.get(&path).await;
    assert_eq!((&shown["url"], &shown["headers"]), (&json!(SHOWN), &json!({"X-Key": "***"})));
    assert!(ready(&server, id).await, "nothing was lost");

    // And all of it is moved to the first key.
    let rekeyed =
        agenthook::app::rekey(&server.app.store, &server.app.cipher, |_, _| {}).await.expect("moved");
    assert!(rekeyed.rewritten >= 2, "{rekeyed:?}");
    let server = with(OLD, server.stop().await).await;
    assert!(ready(&server, id).await && ready(&server, made["webhook_id"].as_str().expect("an id")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_under_a_wrong_key_waits_for_the_right_one() {
    let database = Arc::new(Database::create().await);
    let before = Setup { clock: Clock::manual(), worker: false, ..on(&database) };
    let (server, receiver, calls) =
        (with(OLD, before).await, Receiver::start().await, Receiver::start().await);
    let (agent, _) = calling(&server, json!(["127.0.0.1"])).await;
    // The first attempt that fails is the last, and has it disabled.
    let new = json!({"tenant_id": "acme", "url": receiver.url(), "events": ["execution.completed"],
        "retry": {"schedule_seconds": []}});
    let made = server.expect(201, "POST", "/api/v1/webhooks", Some(new)).await;
    let rotate = format!("/api/v1/agents/{}/callback-secret/rotate", agent.id);
    let callbacks = server.expect(200, "POST", &rotate, None).await;
    let paths =
        [made, callbacks].map(|it| format!("/api/v1/webhooks/{}", it["webhook_id"].as_str().expect("an id")));
    assert_eq!(agent.post_with("1", &[(HEADER, &calls.url())]).await.status, 202);

    let server = with(NEW, server.stop().await).await;
    let newest = async |path: &String, what: &str, is: &dyn Fn(&Value) -> bool, server: &Server| {
        eventually(&format!("a delivery to {path} {what}"), async || {
            let page = server.get(&format!("{path}/deliveries")).await;
            Some(page["deliveries"][0].clone()).filter(is)
        })
        .await
    };
    let later = (server.clock.now() + chrono::TimeDelta::seconds(60))
        .to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    for path in &paths {
        let is_put_off = |it: &Value| it["next_attempt_at"] == later;
        let waits = newest(path, "is put off", &is_put_off, &server).await;
        assert_eq!((&waits["status"], &waits["attempt_count"]), (&json!("pending"), &json!(0)), "{waits}");
        let shown = server.get(path).await;
        assert_eq!((&shown["status"], &shown["stats"]["failed"]), (&json!("active"), &json!(0)), "{shown}");
    }

    let server = with(&ring([OLD, NEW]), server.stop().await).await;
    server.clock.advance(Duration::from_secs(61));
    for (path, receiver) in paths.iter().zip([&receiver, &calls]) {
        let told = newest(path, "succeeds", &|it| it["status"] == "success", &server).await;
        assert_eq!(told["attempt_count"], 1);
        assert_eq!(receiver.bodies().await[0]["event_id"], told["event_id"]);
    }
}
