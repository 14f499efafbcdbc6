//! Each mistake that a sender can make with a signature, made on purpose, and its name in the ledger.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::*;

/// Base64 of 32 bytes; the same text as it stands is another key.
const SECRET: &str = "c2VlZC1zZWNyZXQtMzItYnl0ZXMtMDEyMzQ1Njc4OWE=";
/// As Python's `json.dumps` writes it.
const BODY: &str = r#"{"b": "x", "a": 1}"#;

fn decoded(secret: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(secret).expect("base64")
}

/// The HMAC-SHA256 in hex.
fn hex256(key: &[u8], body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// Posts the body with these headers, which must be refused as all are, and gives what the ledger says.
async fn refused(server: &Server, agent: &Agent, body: &str, headers: &[(&str, &str)]) -> Value {
    let all = [&UNSIGNED[..], headers].concat();
    let answer = agent.post_raw(body.as_bytes(), &all).await;
    assert_eq!((answer.status, answer.text.as_str()), (401, r#"{"error":"Invalid signature"}"#));
    let told: Vec<_> = answer.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    let hit = hit(server, &answer).await;
    let code = hit["diagnosis"]["code"].as_str().unwrap_or_else(|| panic!("no diagnosis: {hit}")).to_owned();
    assert!(!told.join("\n").contains(&code), "nothing of it in the answer: {told:?}");
    let shown = hit.to_string();
    assert!(!shown.contains(&agent.secret), "the ledger tells no secret: {shown}");
    for part in headers.iter().flat_map(|(_, value)| value.split('=')).filter(|part| part.len() > 16) {
        assert!(!shown.contains(part), "nor a signature: {shown}");
    }
    hit["diagnosis"].clone()
}

fn with_secret(secret: &str, more: Value) -> Value {
    let mut trigger = json!({"type": "webhook", "secret": secret});
    for (name, value) in more.as_object().expect("fields") {
        trigger[name] = value.clone();
    }
    json!({ "trigger": trigger })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mistake_has_its_name_in_the_ledger_and_not_in_the_answer() {
    let server = Server::start().await;
    let agent = server.agent_with(with_secret(SECRET, json!({}))).await;
    let neighbor = server.agent().await;
    let key = decoded(SECRET);
    let sha1 = {
        let mut mac = Hmac::<sha1::Sha1>::new_from_slice(&key).expect("any length");
        mac.update(BODY.as_bytes());
        format!("sha1={}", hex::encode(mac.finalize().into_bytes()))
    };
    let hub = |hex: String| format!("sha256={hex}");
    for (code, signature, body) in [
        ("wrong_algorithm", sha1, BODY),
        ("bad_prefix", hub(hex256(&key, BODY).to_uppercase()), BODY),
        ("bad_prefix", BASE64_STANDARD.encode(hex::decode(hex256(&key, BODY)).expect("hex")), BODY),
        ("secret_encoding", hub(hex256(SECRET.as_bytes(), BODY)), BODY),
        ("wrong_secret_of", hub(hex256(&decoded(&neighbor.secret), BODY)), BODY),
        ("trailing_newline", hub(hex256(&key, "{}\n")), "{}"),
        ("trailing_newline", hub(hex256(&key, "{}")), "{}\n"),
        ("body_reserialized", hub(hex256(&key, r#"{"b":"x","a":1}"#)), BODY),
        ("body_reserialized", hub(hex256(&key, r#"{"a": 1, "b": "x"}"#)), BODY),
        ("unknown", hub(hex256(b"nobody's", BODY)), BODY),
    ] {
        let diagnosis = refused(&server, &agent, body, &[("x-hub-signature-256", &signature)]).await;
        assert_eq!(diagnosis["code"], code, "{diagnosis}");
        if code == "wrong_secret_of" {
            assert!(
                diagnosis["detail"].as_str().is_some_and(|text| text.contains(&neighbor.id)),
                "{diagnosis}"
            );
        }
    }
    let near = refused(&server, &agent, BODY, &[("x-hub-signature", &hex256(&key, BODY))]).await;
    assert_eq!(near["code"], "missing_header");
    assert!(near["detail"].as_str().is_some_and(|text| text.contains("x-hub-signature")), "{near}");
    let wrong = hub(hex256(b"nobody's", BODY));
    let right = hex256(SECRET.as_bytes(), BODY);
    let both = [("x-hub-signature-256", wrong.as_str()), ("x-webhook-signature", right.as_str())];
    let other = refused(&server, &agent, BODY, &both).await;
    assert_eq!(other["code"], "wrong_scheme", "{other}");
    assert!(other["detail"].as_str().is_some_and(|text| text.contains("x-webhook")), "{other}");

    let slack = server.agent_with(with_secret(SECRET, json!({"scheme": "slack"}))).await;
    let signed = server.clock.now() - Duration::from_secs(301);
    let time = signed.timestamp().to_string();
    let signature = format!("v0={}", hex256(SECRET.as_bytes(), &format!("v0:{time}:{BODY}")));
    let headers = [("x-slack-signature", signature.as_str()), ("x-slack-request-timestamp", time.as_str())];
    let skewed = refused(&server, &slack, BODY, &headers).await;
    assert_eq!(skewed["code"], "timestamp_skew", "{skewed}");
    assert!(skewed["detail"].as_str().is_some_and(|text| text.contains("30")), "{skewed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_has_ended_is_named_and_never_verifies() {
    let server = Server::with_manual_clock().await;
    let agent = server.agent_with(with_secret(SECRET, json!({}))).await;
    let path = format!("/api/v1/agents/{}/webhook-secret", agent.id);
    let id_of =
        async || server.get(&path).await["secrets"][0]["secret_id"].as_str().expect("an id").to_owned();
    let rotate = async |overlap: u32| {
        let asked = json!({ "overlap_seconds": overlap });
        let rotated = server.expect(200, "POST", &format!("{path}/rotate"), Some(asked)).await;
        agent.with_secret(&rotated["webhook_secret"])
    };
    let listed = async || server.get(&path).await["secrets"].as_array().map(Vec::len);
    let is_named = async |old: &Agent, id: &str, body: &str| {
        let signature = format!("sha256={}", hex256(&decoded(&old.secret), body));
        let diagnosis = refused(&server, old, body, &[("x-hub-signature-256", &signature)]).await;
        assert_eq!(diagnosis["code"], "wrong_secret_of", "{diagnosis}");
        assert!(diagnosis["detail"].as_str().is_some_and(|text| text.contains(id)), "{diagnosis}");
    };
    // Rotated away at once.
    let first = id_of().await;
    let second = rotate(0).await;
    is_named(&agent, &first, "1").await;
    assert_eq!(listed().await, Some(1));
    // By the end of an overlap.
    let second_id = id_of().await;
    let third = rotate(60).await;
    second.accepted("2").await;
    server.clock.advance(Duration::from_secs(60));
    is_named(&second, &second_id, "3").await;
    assert_eq!(listed().await, Some(1));
    // Revoked.
    let third_id = id_of().await;
    let fourth = rotate(3600).await;
    server.expect(204, "DELETE", &format!("{path}/{third_id}"), None).await;
    is_named(&third, &third_id, "4").await;
    // Replaced.
    let fourth_id = id_of().await;
    let change = with_secret("bmluZXRlZW4tYnl0ZXMtc2VjcmV0", json!({}));
    server.expect(200, "PATCH", &format!("/api/v1/agents/{}", agent.id), Some(change)).await;
    is_named(&fourth, &fourth_id, "5").await;
    is_named(&agent, &first, "6").await;
    assert_eq!(listed().await, Some(1));
    // Another encoding of the present secret leaves the ended ones as they were.
    let change = json!({"trigger": {"secret_encoding": "utf8"}});
    server.expect(200, "PATCH", &format!("/api/v1/agents/{}", agent.id), Some(change)).await;
    is_named(&agent, &first, "7").await;
    // They end with the trigger.
    let of_agent = async || {
        let id = agent.id.parse().expect("an id");
        let ended = server.app.store.ended_secrets(id, server.clock.now(), 100).await;
        ended.expect("read").len()
    };
    assert_eq!(of_agent().await, 4);
    server.expect(204, "DELETE", &format!("/api/v1/agents/{}", agent.id), None).await;
    assert_eq!(of_agent().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_ended_secrets_are_kept_for_ninety_days() {
    const DAY: Duration = Duration::from_secs(86_400);
    let setup = || Setup { clock: agenthook::clock::Clock::manual(), worker: false, ..Setup::default() };
    let server = Server::with(setup()).await;
    let agent = server.agent().await;
    let kept = async |server: &Server| {
        let id = agent.id.parse().expect("an id");
        server.app.store.ended_secrets(id, server.clock.now(), 100).await.expect("read").len()
    };
    let path = format!("/api/v1/agents/{}/webhook-secret/rotate", agent.id);
    for (rotations, ended) in [(9, 9), (1, 10), (1, 10)] {
        for _ in 0..rotations {
            server.clock.advance(Duration::from_millis(1));
            server.expect(200, "POST", &path, Some(json!({"overlap_seconds": 0}))).await;
        }
        assert_eq!(kept(&server).await, ended);
    }
    // The first of the ten ended nine milliseconds before the last.
    server.clock.advance(DAY * 90 - Duration::from_millis(9));
    let restarted = async |server: Server| Server::with(Setup { worker: false, ..server.stop().await }).await;
    let swept = async |server: &Server| page(server, &agent, "").await;
    let server = restarted(server).await;
    swept(&server).await;
    assert_eq!(kept(&server).await, 10, "ninety days, and no more");
    server.clock.advance(Duration::from_millis(1));
    let server = restarted(server).await;
    swept(&server).await;
    assert_eq!(kept(&server).await, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_too_large_for_every_try_is_diagnosed_within_bounds() {
    let server = Server::start().await;
    let agent = server.agent_with(with_secret(SECRET, json!({}))).await;
    let body = format!("{{\"a\": \"{}\"}}", "x".repeat(1_000_000));
    let signature = format!("sha256={}", hex256(b"nobody's", &body));
    let diagnosis = refused(&server, &agent, &body, &[("x-hub-signature-256", &signature)]).await;
    assert_eq!(diagnosis["code"], "unknown");
    assert!(diagnosis["detail"].as_str().is_some_and(|text| text.contains("too large")), "{diagnosis}");
    let right = format!("sha256={}", hex256(SECRET.as_bytes(), &body));
    let diagnosis = refused(&server, &agent, &body, &[("x-hub-signature-256", &right)]).await;
    assert_eq!(diagnosis["code"], "secret_encoding", "what is tried first is found in large bodies too");
}
