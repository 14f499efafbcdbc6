//! The programs that integrators copy: each signs as the product does, and a server takes what they sign and send.

use agenthook::model::SecretEncoding;
use serde_json::json;

use crate::harness::{Language, Server, sign};

const SECRET: &str = "c2VlZC1zZWNyZXQtMzItYnl0ZXMtMDEyMzQ1Njc4OWFi";
const TICKET: &[u8] = br#"{"ticket_id":"TKT-123","description":"Issue"}"#;
/// Published with the ticket, so that ours cannot be right only by our own measure.
const SIGNATURE: &str =
    "X-Hub-Signature-256: sha256=845a546e7293147509fe09b16b40f86e1ba8a2356b413d58bb3aa27c428600c3\n";
/// JSON with what a program that reads text would change: line ends of Windows, letters beyond ASCII.
const ODD: &[u8] = b"{\"a\": 1.0,\r\n\t\"b\": \"\xC3\xA9\"}\n";
/// No JSON: no text, nothing at all.
const NO_JSON: [&[u8]; 2] = [b"\0\xFF\xFE\n", b""];

/// Secret, arguments, body and signature that the JavaScript library of Standard Webhooks publishes as its test.
const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const MESSAGE: [&str; 2] = ["msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330"];
const MESSAGE_BODY: &[u8] = br#"{"test": 2432232314}"#;
const MESSAGE_HEADERS: &str = "webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek\nwebhook-timestamp: 1614265330\n\
                               webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=\n";

#[test]
fn every_program_signs_as_we_do() {
    for language in Language::here() {
        for body in [TICKET, ODD, NO_JSON[0], NO_JSON[1]] {
            let expected = format!("X-Hub-Signature-256: {}\n", sign(SECRET, SecretEncoding::Base64, body));
            assert_eq!(language.prints("sign", &[SECRET], body), expected, "sign.{}", language.ending);
        }
        assert_eq!(language.prints("sign", &[SECRET], TICKET), SIGNATURE, "sign.{}", language.ending);
        let headers = language.prints("standard-webhooks", &[WHSEC, MESSAGE[0], MESSAGE[1]], MESSAGE_BODY);
        assert_eq!(headers, MESSAGE_HEADERS, "standard-webhooks.{}", language.ending);
    }
}

/// Header lines as pairs, and the content type of JSON.
fn headers(lines: &str) -> Vec<(&str, &str)> {
    let pairs = lines.lines().map(|line| line.split_once(": ").expect("a header"));
    pairs.chain([("content-type", "application/json")]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_takes_what_they_sign() {
    let server = Server::without_worker().await;
    let hub =
        server.agent_with(json!({"trigger": {"type": "webhook", "scheme": "hub", "secret": SECRET}})).await;
    let trigger = json!({"type": "webhook", "scheme": "standard-webhooks"});
    let standard = server.agent_with(json!({"trigger": trigger})).await;
    assert!(standard.secret.starts_with("whsec_"));
    for language in Language::here() {
        for (at, body) in [TICKET, ODD, NO_JSON[0], NO_JSON[1]].into_iter().enumerate() {
            // past the signature: what is no JSON is refused for that
            let status = if at < 2 { 202 } else { 400 };
            let id = format!("{}-{at}", language.ending);
            let (secret, id_again) = (standard.secret.clone(), id.clone());
            let signed = tokio::task::spawn_blocking(move || {
                [
                    language.prints("sign", &[SECRET], body),
                    language.prints("standard-webhooks", &[&secret, &id_again], body),
                ]
            });
            let signed = signed.await.expect("it ends");
            let mut of_hub = headers(&signed[0]);
            of_hub.push(("idempotency-key", &id));
            let answer = hub.post_raw(body, &of_hub).await;
            assert_eq!(answer.status, status, "sign.{id}: {}", answer.text);
            let answer = standard.post_raw(body, &headers(&signed[1])).await;
            assert_eq!(answer.status, status, "standard-webhooks.{id}: {}", answer.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_takes_what_they_send() {
    let server = Server::without_worker().await;
    let agent = server.agent_with(json!({"trigger": {"type": "webhook", "secret": SECRET}})).await;
    let mut accepted = 0;
    for language in Language::here() {
        for (secret, expected, good) in [
            (SECRET, r#"202 {"status":"queued""#, true),
            (SECRET, r#"200 {"status":"duplicate""#, true),
            ("bm90IHRoZSBzZWNyZXQ=", r#"401 {"error":"Invalid signature"}"#, false),
        ] {
            let args = [agent.webhook_url.clone(), secret.to_owned(), format!("ticket-{}", language.ending)];
            let output =
                tokio::task::spawn_blocking(move || language.run("send", &args, ODD)).await.expect("it ends");
            let text = String::from_utf8_lossy(&output.stdout);
            let (complaint, program) = (String::from_utf8_lossy(&output.stderr), language.ending);
            assert!(text.starts_with(expected), "send.{program}: {text} {complaint}");
            assert_eq!(output.status.success(), good, "send.{program}: {}", output.status);
        }
        accepted += 1;
    }
    let executions = server.executions().await;
    assert_eq!(executions.len(), accepted, "one for each, however often it was sent");
}
