//! Endpoints with a token in their URL, a credential in a header and a secret to sign with: one that listens, one that
//! does not, and what is refused.

use serde_json::{Value, json};

use super::planted::{
    ENDPOINT_HEADER, ENDPOINT_TOKEN, PLATFORM_SIGNING_SECRET, PLATFORM_TOKEN, REFUSED_ENDPOINT,
    ROTATED_SIGNING_SECRET, SIGNING_SECRET,
};
use super::world::World;
use crate::harness::eventually;

fn endpoint(url: &str) -> Value {
    json!({
        "tenant_id": "without", "url": format!("{url}/hook?token={ENDPOINT_TOKEN}"), "events": ["custom.*"],
        "secret": SIGNING_SECRET, "headers": {"Authorization": format!("Bearer {ENDPOINT_HEADER}")}
    })
}

/// A receiver, and settings for the platform's own endpoint.
pub async fn receiver() -> wiremock::MockServer {
    let receiver = wiremock::MockServer::start().await;
    let takes = wiremock::Mock::given(wiremock::matchers::any());
    takes.respond_with(wiremock::ResponseTemplate::new(200)).mount(&receiver).await;
    receiver
}

/// The settings that define the platform's endpoint.
pub fn settings(receiver: &wiremock::MockServer) -> [(&'static str, String); 3] {
    [
        ("AGENTHOOK_EGRESS_ALLOW", "127.0.0.0/8".to_owned()),
        ("WEBHOOK_URL", format!("{}/ready?token={PLATFORM_TOKEN}", receiver.uri())),
        ("WEBHOOK_SECRET", PLATFORM_SIGNING_SECRET.to_owned()),
    ]
}

/// Everything that is done to endpoints. Gives back what was made up.
pub async fn endpoints(world: &mut World, receiver: &wiremock::MockServer) -> Vec<String> {
    const WEBHOOKS: &str = "/api/v1/webhooks";
    let listens = world.shown_once("POST", WEBHOOKS, Some(endpoint(&receiver.uri()))).await;
    assert_eq!(listens["secret_key"], SIGNING_SECRET, "{listens}");
    let nobody = world.shown_once("POST", WEBHOOKS, Some(endpoint("http://127.0.0.1:9"))).await;
    for webhook in [&listens, &nobody] {
        let path = format!("{WEBHOOKS}/{}", webhook["webhook_id"].as_str().expect("an id"));
        let tried = world.ask("POST", &format!("{path}/test"), Some(json!({}))).await;
        assert!(tried["event_id"].is_string(), "{tried}");
        for (method, body) in [
            ("GET", None),
            ("PATCH", Some(json!({"description": "d"}))),
            (
                "PUT",
                Some(json!({"url": webhook["url"], "events": ["custom.*"], "headers": webhook["headers"]})),
            ),
            ("PATCH", Some(json!({"url": format!("http://169.254.169.254/?key={REFUSED_ENDPOINT}")}))),
            ("PATCH", Some(json!({"url": format!("http://me:{REFUSED_ENDPOINT}@127.0.0.1/")}))),
            ("PATCH", Some(json!({"headers": {"Host": REFUSED_ENDPOINT}}))),
            ("PATCH", Some(json!({"headers": [REFUSED_ENDPOINT]}))),
            ("PATCH", Some(json!({"secret": [REFUSED_ENDPOINT]}))),
        ] {
            world.ask(method, &path, body).await;
        }
    }
    let path = format!("{WEBHOOKS}/{}", listens["webhook_id"].as_str().expect("an id"));
    let rotate = format!("{path}/secret/rotate");
    let made = world.shown_once("POST", &rotate, Some(json!({}))).await;
    world.shown_once("POST", &rotate, Some(json!({"secret": ROTATED_SIGNING_SECRET}))).await;
    let list = world.ask("GET", WEBHOOKS, None).await;
    let platform =
        list["webhooks"].as_array().and_then(|all| all.iter().find(|one| one["kind"] == "platform"));
    let platform =
        platform.unwrap_or_else(|| panic!("{list}"))["webhook_id"].as_str().expect("an id").to_owned();
    for path in [&path, &format!("{WEBHOOKS}/{platform}")] {
        world.ask("POST", &format!("{path}/test"), Some(json!({}))).await;
    }
    eventually("all that listen have heard", async || {
        let heard = receiver.received_requests().await.unwrap_or_default();
        let has = |token: &str| heard.iter().any(|request| request.url.as_str().contains(token));
        (has(ENDPOINT_TOKEN) && has(PLATFORM_TOKEN)).then_some(())
    })
    .await;
    world.ask("GET", &path, None).await;
    world.ask("GET", "/api/v1/audit?limit=200", None).await;
    vec![made["secret_key"].as_str().expect("a secret").to_owned()]
}
