//! `ENABLE_REDIS_FALLBACK`: what the platform's endpoint is sent is heard on Redis too, for as long as somebody listens there.

use std::pin::Pin;

use agenthook::config::SettingsArgs;
use futures_util::{Stream, StreamExt};
use serde_json::{Value, json};

use super::WEBHOOKS;
use crate::harness::{Receiver, RedisServer, Server, Setup, eventually};

/// Whoever has not yet moved to webhooks.
struct Consumer(Pin<Box<dyn Stream<Item = redis::Msg> + Send>>);

impl Consumer {
    async fn of(redis: &RedisServer) -> Self {
        let client = redis::Client::open(redis.url()).expect("a URL");
        let mut listening = client.get_async_pubsub().await.expect("it can be reached");
        listening.subscribe("model_ready").await.expect("subscribed");
        Self(Box::pin(listening.into_on_message()))
    }

    /// The next message's bytes.
    async fn hears(&mut self) -> Vec<u8> {
        self.0.next().await.expect("a message").get_payload().expect("bytes")
    }
}

async fn next(setup: Setup, redis: &RedisServer, receiver: &Receiver, fallback: &str) -> Server {
    let mut args = SettingsArgs { redis_url: Some(redis.url().into()), ..SettingsArgs::default() };
    args.outbound.webhook_url = Some(receiver.url().into());
    args.outbound.webhook_secret = Some("the-platform-secret".into());
    args.outbound.enable_redis_fallback = Some(fallback.into());
    Server::with(Setup { args, ..setup }).await
}

async fn registered(server: &Server, version: &str) {
    let data = json!({
        "model_id": format!("Zähler/{version}"), "name": "Zähler", "version": version, "mlflow_run_id": "abc123",
        "token_id": "LSCOR", "metric_name": "accuracy", "baseline_value": 0.92, "tags": {"b": 1, "a": "ä"}
    });
    let event = json!({"event_type": "model.registered", "tenant_id": "acme", "data": data});
    server.expect(202, "POST", "/api/v1/events", Some(event)).await;
}

/// What the receiver got, as the bytes that they were.
async fn bytes(receiver: &Receiver) -> Vec<Vec<u8>> {
    receiver.requests().await.into_iter().map(|request| request.body).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_on_redis_gets_the_bytes_that_the_endpoint_gets() {
    let (redis, receiver) = (RedisServer::start().await, Receiver::start().await);
    let server = next(Setup::default(), &redis, &receiver, "false").await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let mut consumer = Consumer::of(&redis).await;
    registered(&server, "1").await;
    receiver.got(1).await;

    // Dispatched together: a test is the endpoint's alone, and other events are not for it.
    let server = next(Setup { worker: false, ..server.stop().await }, &redis, &receiver, "true").await;
    let webhooks = server.get(WEBHOOKS).await;
    let id = webhooks["webhooks"][0]["webhook_id"].as_str().expect("an id");
    server.expect(202, "POST", &format!("{WEBHOOKS}/{id}/test"), None).await;
    let custom = json!({"event_type": "custom.x", "tenant_id": "acme", "data": {}});
    server.expect(202, "POST", "/api/v1/events", Some(custom)).await;
    registered(&server, "2").await;
    server.start_worker();
    receiver.got(3).await;
    let heard = consumer.hears().await;
    assert!(bytes(&receiver).await[1..].contains(&heard), "the very bytes, and the first since it is wanted");
    assert_eq!(
        (&of(&heard)["registered_version"], &of(&heard)["token_symbol"]),
        (&json!("2"), &json!("LSCOR"))
    );

    // A delivery that fails is published all the same, once.
    receiver.answers(wiremock::ResponseTemplate::new(500));
    registered(&server, "3").await;
    receiver.got(4).await;
    assert_eq!(consumer.hears().await, bytes(&receiver).await[3]);
    receiver.answers(wiremock::ResponseTemplate::new(204));
    receiver.got(5).await;
    registered(&server, "4").await;
    assert_eq!(of(&consumer.hears().await)["registered_version"], "4", "a retry is not published again");
}

fn of(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_away_holds_no_delivery_up_and_is_heard_again_when_it_is_back() {
    let (redis, receiver) = (RedisServer::start().await, Receiver::start().await);
    let server = next(Setup::default(), &redis, &receiver, "true").await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let mut consumer = Consumer::of(&redis).await;
    registered(&server, "1").await;
    consumer.hears().await;
    redis.kill();
    for version in ["2", "3", "4"] {
        registered(&server, version).await;
    }
    receiver.got(4).await;
    redis.start_again().await;
    let consumer = tokio::sync::Mutex::new(Consumer::of(&redis).await);
    eventually("it is heard again", async || {
        registered(&server, "5").await;
        let mut consumer = consumer.lock().await;
        let heard = tokio::time::timeout(std::time::Duration::from_secs(1), consumer.hears()).await.ok()?;
        String::from_utf8_lossy(&heard).contains(r#""registered_version":"5""#).then_some(())
    })
    .await;
    let before = receiver.requests().await.len();
    redis.stall();
    for version in ["6", "7", "8"] {
        registered(&server, version).await;
    }
    receiver.got(before + 3).await;
    redis.go_on();
}
