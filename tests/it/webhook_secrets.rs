//! An agent's webhook secret: made or given, shown once, masked, revealed, read another way.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Agent, Server, sign};
use agenthook::model::SecretEncoding::{self, Base64, Hex, Utf8, Whsec};

/// The same 32 bytes in two spellings.
const IN_BASE64: &str = "c2VlZC1zZWNyZXQtMzItYnl0ZXMtMDEyMzQ1Njc4OWE=";
const IN_HEX: &str = "736565642d7365637265742d33322d62797465732d3031323334353637383961";

fn trigger(secret: Value, encoding: &str) -> Value {
    json!({"trigger": {"type": "webhook", "secret": secret, "secret_encoding": encoding}})
}

/// The status that a hook gets when its body is signed under this reading of this secret.
async fn signed(agent: &Agent, secret: &str, encoding: SecretEncoding, body: &str) -> u16 {
    let signature = sign(secret, encoding, body.as_bytes());
    let headers = [("content-type", "application/json"), ("x-hub-signature-256", signature.as_str())];
    agent.post_raw(body.as_bytes(), &headers).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn every_encoding_makes_takes_and_reads_its_own() {
    let server = Server::start().await;
    let whsec = format!("whsec_{IN_BASE64}");
    let encodings = [
        ("base64", Base64, IN_BASE64),
        ("utf8", Utf8, "sixteen letters!"),
        ("hex", Hex, IN_HEX),
        ("whsec", Whsec, &whsec),
    ];
    for (name, encoding, given) in encodings {
        let made = server.agent_with(trigger(json!(null), name)).await;
        assert!(made.secret.len() >= 44, "{name}: 32 bytes, written out");
        assert_eq!(made.secret.starts_with("whsec_"), name == "whsec");
        assert_eq!(signed(&made, &made.secret, encoding, "1").await, 202, "{name}");
        let taken = server.agent_with(trigger(json!(given), name)).await;
        assert_eq!(taken.secret, given, "{name}");
        assert_eq!(signed(&taken, given, encoding, "1").await, 202, "{name}");
        assert_eq!(signed(&taken, &made.secret, encoding, "2").await, 401, "{name}: another agent's");
    }
    let (one, two) = (server.agent().await, server.agent().await);
    assert_ne!(one.secret, two.secret);
    assert_eq!(one.secret.len(), 44, "base64 of 32 bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_none_is_refused() {
    let server = Server::start().await;
    server.agent().await;
    let sixteen_zeros = "AAAAAAAAAAAAAAAAAAAAAA==";
    for (encoding, secret) in [
        ("base64", json!("")),
        ("base64", json!("c2hvcnQ=")),
        ("base64", json!("MTIzNDU2Nzg5MDEyMzQ1")),
        ("base64", json!(sixteen_zeros)),
        ("base64", json!("not base64 at all, but long enough!")),
        ("base64", json!("c2VlZC1zZWNyZXQtMzItYnl0ZXMtMDEyMzQ1Njc4OW-_")),
        ("base64", json!(format!("{IN_BASE64}\n"))),
        ("base64", json!(format!("whsec_{IN_BASE64}"))),
        ("utf8", json!("fifteen letters")),
        ("utf8", json!("\0".repeat(20))),
        ("hex", json!(&IN_HEX[1..])),
        ("hex", json!(IN_BASE64)),
        ("whsec", json!("whsec_")),
        ("whsec", json!("whsec_c2hvcnQ=")),
        ("utf8", json!("x".repeat(1025))),
        ("utf8", json!(["a", "list"])),
    ] {
        let mut agent = json!({"tenant_id": "acme", "name": "a", "llm_config": {"model": "m"}});
        agent["trigger"] = trigger(secret.clone(), encoding)["trigger"].clone();
        let answer = server.expect(422, "POST", "/api/v1/agents", Some(agent)).await;
        assert_eq!(answer["errors"][0]["pointer"], "/trigger/secret", "{encoding} {secret}: {answer}");
        let text = secret.as_str().unwrap_or("a list").trim();
        assert!(text.len() < 6 || !answer.to_string().contains(text), "it is not repeated: {answer}");
    }
    assert_eq!(server.get("/api/v1/agents").await["agents"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_masked_until_somebody_asks_for_it() {
    let server = Server::start().await;
    let agent = server.agent_with(trigger(json!(IN_BASE64), "base64")).await;
    for root in ["/api/v1/agents", "/api/agents"] {
        for slash in ["", "/"] {
            let path = format!("{root}/{}/webhook-secret{slash}", agent.id);
            for path in [path.clone(), format!("{path}?reveal=false")] {
                let masked = server.get(&path).await;
                assert!(!masked.to_string().contains(&IN_BASE64[5..]), "{masked}");
                let shown = masked["secrets"][0]["webhook_secret"].as_str().expect("text");
                assert!(shown.starts_with(&IN_BASE64[..4]) && shown.len() < 12, "{shown}");
            }
            let revealed = server.get(&format!("{path}?reveal=true")).await;
            let [secret] = revealed["secrets"].as_array().expect("a list").as_slice() else {
                panic!("{revealed}")
            };
            assert_eq!(
                (&secret["webhook_secret"], &secret["secret_encoding"]),
                (&json!(IN_BASE64), &json!("base64"))
            );
            assert!(
                secret["secret_id"].is_string()
                    && secret["created_at"].is_string()
                    && secret["expires_at"].is_null()
            );
            server.expect(422, "GET", &format!("{path}?reveal=perhaps"), None).await;
            server.expect(422, "GET", &format!("{path}?unmask=true"), None).await;
        }
    }
    for path in [format!("/api/v1/agents/{}", agent.id), "/api/v1/agents".to_owned()] {
        assert!(!server.get(&path).await.to_string().contains(&IN_BASE64[5..]), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_tells_when_it_was_last_used() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let last_used = async || {
        let secrets = server.get(&format!("/api/v1/agents/{}/webhook-secret", agent.id)).await;
        secrets["secrets"][0]["last_used_at"].clone()
    };
    assert_eq!(last_used().await, json!(null));
    agent.post_raw(b"{}", &[("x-hub-signature-256", "sha256=00")]).await;
    assert_eq!(last_used().await, json!(null), "a wrong signature is no use of it");
    for body in ["1", "2"] {
        let trace = agent.run(&server, body).await;
        assert_eq!(last_used().await, trace["timing"]["received_at"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_text_read_another_way_is_another_key() {
    let server = Server::start().await;
    let agent = server.agent_with(trigger(json!(IN_HEX), "hex")).await;
    let path = format!("/api/v1/agents/{}", agent.id);
    assert_eq!(signed(&agent, IN_HEX, Hex, "1").await, 202);
    // These digits are good base64, too, and of course text.
    for (name, encoding, body) in [("base64", Base64, "2"), ("utf8", Utf8, "3")] {
        let change = json!({"trigger": {"secret_encoding": name}});
        let shown = server.expect(200, "PATCH", &path, Some(change)).await;
        assert!(shown["webhook_secret"].is_null(), "it is the same one: {shown}");
        assert_eq!(signed(&agent, IN_HEX, encoding, body).await, 202, "{name}");
        assert_eq!(signed(&agent, IN_HEX, Hex, body).await, 401, "{name}");
    }
    let secrets = server.get(&format!("{path}/webhook-secret?reveal=true")).await;
    assert_eq!(secrets["secrets"][0]["webhook_secret"], IN_HEX);
    assert_eq!(secrets["secrets"][0]["secret_encoding"], "utf8");

    let change = json!({"trigger": {"secret": "some text of its own"}});
    assert_eq!(
        server.expect(200, "PATCH", &path, Some(change)).await["webhook_secret"],
        "some text of its own"
    );
    assert_eq!(signed(&agent, IN_HEX, Utf8, "4").await, 401, "the old one is gone");
    assert_eq!(signed(&agent, "some text of its own", Utf8, "4").await, 202);
    for encoding in ["base64", "hex", "whsec"] {
        let change = json!({"trigger": {"secret_encoding": encoding}});
        let answer = server.expect(422, "PATCH", &path, Some(change)).await;
        assert_eq!(answer["errors"][0]["pointer"], "/trigger/secret_encoding", "{answer}");
    }
    assert_eq!(signed(&agent, "some text of its own", Utf8, "5").await, 202, "nothing has changed");
    let both = json!({"trigger": {"secret_encoding": "base64", "secret": IN_BASE64}});
    server.expect(200, "PATCH", &path, Some(both)).await;
    assert_eq!(signed(&agent, IN_BASE64, Base64, "6").await, 202);
}

async fn rotate(server: &Server, agent: &Agent, body: Value) -> Agent {
    let path = format!("/api/v1/agents/{}/webhook-secret/rotate", agent.id);
    let answer = server.expect(200, "POST", &path, Some(body)).await;
    let fields: Vec<_> = answer.as_object().expect("an object").keys().collect();
    assert_eq!(fields, ["secret_id", "webhook_secret"]);
    agent.with_secret(&answer["webhook_secret"])
}

/// The agent's secrets, whole, the newest first, and when each ends in seconds from now.
async fn ends(server: &Server, agent: &Agent) -> Vec<(String, Option<i64>)> {
    let secrets = server.get(&format!("/api/v1/agents/{}/webhook-secret?reveal=true", agent.id)).await;
    let end = |secret: &Value| {
        let end = secret["expires_at"].as_str()?.parse::<agenthook::model::Time>().expect("a time");
        Some((end - server.clock.now()).num_seconds())
    };
    let shown = |secret: &Value| (secret["webhook_secret"].as_str().expect("text").to_owned(), end(secret));
    secrets["secrets"].as_array().expect("a list").iter().map(shown).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_rotation_both_verify_until_the_overlap_ends() {
    let server = Server::with_manual_clock().await;
    let old = server.agent().await;
    let new = rotate(&server, &old, json!({"overlap_seconds": 60})).await;
    assert_ne!(old.secret, new.secret);
    assert_eq!(ends(&server, &old).await, [(new.secret.clone(), None), (old.secret.clone(), Some(60))]);
    assert_eq!((old.post("1").await.status, new.post("2").await.status), (202, 202));
    server.clock.advance(Duration::from_millis(59_999));
    assert_eq!((old.post("3").await.status, new.post("4").await.status), (202, 202));
    server.clock.advance(Duration::from_millis(1));
    let refused = old.post("5").await;
    assert_eq!((refused.status, refused.text.as_str()), (401, r#"{"error":"Invalid signature"}"#));
    assert_eq!(new.post("6").await.status, 202);
    assert_eq!(ends(&server, &old).await, [(new.secret.clone(), None)]);
    let trace = server.get(&format!("/api/v1/agents/{}", old.id)).await;
    assert_eq!(trace["version"], 2, "a rotation is a change like any other");

    // Without a word it is a day, under both addresses.
    let path = format!("/api/agents/{}/webhook-secret/rotate/", old.id);
    let answer = server.expect(200, "POST", &path, Some(json!({}))).await;
    assert_eq!(ends(&server, &old).await[1], (new.secret, Some(86_400)));
    assert_eq!(ends(&server, &old).await[0].0, answer["webhook_secret"]);
    server.expect(405, "GET", &path, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_without_overlap_ends_every_earlier_secret_at_once() {
    let server = Server::start().await;
    let first = server.agent().await;
    let second = rotate(&server, &first, json!({"overlap_seconds": 3600, "secret": null})).await;
    assert_eq!((first.post("1").await.status, second.post("2").await.status), (202, 202));
    let given = rotate(&server, &first, json!({"overlap_seconds": 0, "secret": IN_BASE64})).await;
    assert_eq!(given.secret, IN_BASE64);
    for leaked in [&first, &second] {
        assert_eq!(leaked.post("3").await.status, 401);
    }
    assert_eq!(given.post("3").await.status, 202);
    assert_eq!(ends(&server, &first).await, [(IN_BASE64.to_owned(), None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_rotation_prolongs_nothing() {
    let server = Server::with_manual_clock().await;
    let first = server.agent().await;
    let second = rotate(&server, &first, json!({"overlap_seconds": 100})).await;
    let third = rotate(&server, &first, json!({"overlap_seconds": 1000})).await;
    let of = |agent: &Agent, end| (agent.secret.clone(), end);
    let expected = [of(&third, None), of(&second, Some(1000)), of(&first, Some(100))];
    let mut seen = ends(&server, &first).await;
    // Made in the same moment of a clock that stands still.
    seen.sort_by_key(|(_, end)| std::cmp::Reverse(end.unwrap_or(i64::MAX)));
    assert_eq!(seen, expected);
    let fourth = rotate(&server, &first, json!({"overlap_seconds": 10})).await;
    let all: Vec<_> = ends(&server, &first).await.into_iter().filter_map(|(_, end)| end).collect();
    assert_eq!(all, [10, 10, 10], "a shorter overlap shortens");
    server.clock.advance(Duration::from_secs(10));
    assert_eq!(ends(&server, &first).await, [of(&fourth, None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_secrets_verify_at_a_time_and_no_more() {
    let server = Server::with_manual_clock().await;
    let agent = server.agent().await;
    let path = format!("/api/v1/agents/{}/webhook-secret/rotate", agent.id);
    let overlap = json!({"overlap_seconds": 50});
    let at_once = (0..15).map(|_| server.api("POST", &path, Some(overlap.clone())));
    let statuses: Vec<_> = futures_util::future::join_all(at_once).await;
    let refused: Vec<_> = statuses.iter().filter(|(status, _)| *status == 409).collect();
    assert_eq!((refused.len(), &refused[0].1["code"]), (6, &json!("conflict")), "{statuses:?}");
    assert!(statuses.iter().all(|(status, _)| matches!(status, 200 | 409)), "{statuses:?}");
    assert_eq!(ends(&server, &agent).await.len(), 10);
    assert_eq!(agent.post("1").await.status, 202, "a refused rotation ends nothing");
    let last = rotate(&server, &agent, json!({"overlap_seconds": 0})).await;
    assert_eq!(ends(&server, &agent).await, [(last.secret, None)]);

    for _ in 0..9 {
        rotate(&server, &agent, overlap.clone()).await;
    }
    server.expect(409, "POST", &path, Some(overlap.clone())).await;
    server.clock.advance(Duration::from_secs(50));
    rotate(&server, &agent, overlap).await;
    assert_eq!(ends(&server, &agent).await.len(), 2, "what has ended makes room");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_is_refused_changes_nothing() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let path = format!("/api/v1/agents/{}/webhook-secret/rotate", agent.id);
    for (body, pointer) in [
        (json!({"overlap_seconds": 2_592_001}), "/overlap_seconds"),
        (json!({"overlap_seconds": -1}), "/overlap_seconds"),
        (json!({"overlap_seconds": 1.5}), "/overlap_seconds"),
        (json!({"secret": "c2hvcnQ="}), "/secret"),
        (json!({"secret": "sixteen letters!"}), "/secret"),
        (json!({"secret": ["a list"]}), "/secret"),
        (json!({"overlap": 5}), "/overlap"),
        (json!([5, null]), ""),
    ] {
        let answer = server.expect(422, "POST", &path, Some(body.clone())).await;
        assert_eq!(answer["errors"][0]["pointer"], pointer, "{body}: {answer}");
        assert!(!answer.to_string().contains("sixteen letters"), "it is not repeated: {answer}");
    }
    assert_eq!(ends(&server, &agent).await, [(agent.secret.clone(), None)]);
    let silent = server.agent_with(json!({"trigger": null})).await;
    let path = format!("/api/v1/agents/{}/webhook-secret/rotate", silent.id);
    let answer = server.expect(409, "POST", &path, Some(json!({}))).await;
    assert_eq!(answer["code"], "conflict");
    let nobody = format!("/api/v1/agents/{}/webhook-secret/rotate", uuid::Uuid::now_v7());
    server.expect(404, "POST", &nobody, Some(json!({}))).await;
    rotate(&server, &agent, json!({"overlap_seconds": 2_592_000})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_has_ended_is_in_nobodys_way() {
    let server = Server::with_manual_clock().await;
    let agent = server.agent_with(trigger(json!("words, and no base64 at all"), "utf8")).await;
    let path = format!("/api/v1/agents/{}", agent.id);
    let new = rotate(&server, &agent, json!({"overlap_seconds": 5, "secret": IN_BASE64})).await;
    let change = json!({"trigger": {"secret_encoding": "base64"}});
    let answer = server.expect(422, "PATCH", &path, Some(change.clone())).await;
    assert_eq!(answer["errors"][0]["pointer"], "/trigger/secret_encoding", "the old one verifies still");
    server.clock.advance(Duration::from_secs(5));
    server.expect(200, "PATCH", &path, Some(change)).await;
    assert_eq!(signed(&new, IN_BASE64, Base64, "1").await, 202);
    assert_eq!(signed(&new, IN_BASE64, Utf8, "2").await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_to_a_secret_that_verifies_already_is_refused() {
    let server = Server::start().await;
    let agent = server.agent_with(trigger(json!(IN_BASE64), "base64")).await;
    let new = rotate(&server, &agent, json!({})).await;
    let path = format!("/api/v1/agents/{}/webhook-secret/rotate", agent.id);
    for secret in [IN_BASE64, new.secret.as_str()] {
        for overlap in [0, 60] {
            let body = json!({"secret": secret, "overlap_seconds": overlap});
            let answer = server.expect(422, "POST", &path, Some(body)).await;
            assert_eq!(answer["errors"][0]["pointer"], "/secret", "{answer}");
            assert!(!answer.to_string().contains(secret), "{answer}");
        }
    }
    assert_eq!(ends(&server, &agent).await.len(), 2, "nothing has changed");
    rotate(&server, &agent, json!({"overlap_seconds": 0})).await;
    rotate(&server, &agent, json!({"secret": IN_BASE64})).await;
}
