//! A sender names a URL with a token in it, to be told the end of its run: well, where nobody listens, and where it may
//! not.

use agenthook::model::SecretEncoding;
use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::planted::{CALLBACK_TOKEN, PAYLOAD};
use super::world::{World, agent};
use crate::harness::{eventually, free_address, sign};

/// Executions that this makes.
pub const RUNS: usize = 2;

/// Gives back the secrets that the server made up.
pub async fn called(world: &mut World) -> Vec<String> {
    let receiver = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&receiver).await;
    let mut calling = agent("without", "good", None);
    calling["trigger"]["callback_hosts"] = json!(["127.0.0.1"]);
    let made = world.shown_once("POST", "/api/v1/agents", Some(calling)).await;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned();
    let (id, secret, first) =
        (text(&made["agent_id"]), text(&made["webhook_secret"]), text(&made["callback_secret"]));
    let rotate = format!("/api/v1/agents/{id}/callback-secret/rotate");
    let rotated = world.shown_once("POST", &rotate, Some(json!({}))).await;
    let second = text(&rotated["callback_secret"]);

    let nobody = free_address();
    let mut executions = Vec::new();
    for (n, url) in [
        format!("{}/{CALLBACK_TOKEN}?token={CALLBACK_TOKEN}", receiver.uri()),
        format!("http://{nobody}/{CALLBACK_TOKEN}?token={CALLBACK_TOKEN}"),
        format!("http://elsewhere.example/{CALLBACK_TOKEN}"),
        format!("http://{CALLBACK_TOKEN}@127.0.0.1/"),
        format!("{CALLBACK_TOKEN}://127.0.0.1/"),
        CALLBACK_TOKEN.to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({"text": PAYLOAD, "n": n}).to_string();
        let signature = sign(&secret, SecretEncoding::Base64, body.as_bytes());
        let accepted = world.hook_with(&id, body, signature, &[("agenthook-callback-url", &url)]).await;
        match n {
            0 | 1 => executions.push(text(&accepted["execution_id"])),
            _ => assert_eq!(accepted["code"], "callback_not_allowed", "{accepted}"),
        }
    }
    let callback = eventually("the callback comes", async || {
        receiver.received_requests().await.and_then(|requests| requests.into_iter().next())
    })
    .await;
    assert!(callback.url.as_str().contains(CALLBACK_TOKEN), "the token went where it belongs");
    for (id, event) in executions.iter().zip(["delivery_succeeded", "delivery_failed"]) {
        let timeline = format!("/api/v1/executions/{id}/timeline");
        loop {
            let told = world.ask("GET", &timeline, None).await;
            if told["timeline"].as_array().is_some_and(|all| all.iter().any(|entry| entry["event"] == event))
            {
                break;
            }
            world.answers.pop();
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        world.ask("GET", &format!("/api/v1/executions/{id}"), None).await;
    }
    let hits = world.ask("GET", &format!("/api/v1/agents/{id}/hits"), None).await;
    for hit in hits["hits"].as_array().expect("a list") {
        world.ask("GET", &format!("/api/v1/hits/{}", text(&hit["hit_id"])), None).await;
    }
    world.ask("GET", &format!("/api/v1/webhooks/{}", text(&rotated["webhook_id"])), None).await;
    vec![first, second]
}
