//! Only the holder of the secret gets in, and nobody learns why he did not.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha512};

use super::*;

/// A bad signature is 401 and no execution.
#[tokio::test(flavor = "multi_thread")]
async fn prefixes_and_oddities_of_a_right_signature_are_refused() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let right = agent.signature(TICKET);
    assert_eq!(right.len(), 71);
    let digits = right.strip_prefix("sha256=").expect("the prefix");
    let mut wrong: Vec<Vec<u8>> =
        (0..right.len()).map(|length| right.as_bytes()[..length].to_vec()).collect();
    wrong.extend((0..digits.len()).map(|length| digits.as_bytes()[..length].to_vec()));
    let odd = [
        format!("{right}0"),
        format!("{right}{digits}"),
        format!("{right},{right}"),
        format!("{right}, {right}"),
        format!("sha256={right}"),
        format!("sha256= {digits}"),
        format!("SHA256={digits}"),
        format!("sha256:{digits}"),
        format!("sha1={digits}"),
        format!("sha512={digits}"),
        format!("v1={digits}"),
        format!("\"{right}\""),
        format!("sha256={}", digits.to_uppercase()),
        format!("sha256={}", "0".repeat(64)),
        format!("sha256=0x{}", &digits[2..]),
        "0".repeat(8_000),
        format!("{right}{}", "0".repeat(7_929)),
        "sha256=é".repeat(9),
        "null".into(),
    ];
    wrong.extend(odd.map(String::into_bytes));
    wrong.push([b"sha256=", &[0xFF; 64][..]].concat());
    all(wrong, async |signature| {
        let header = [b"x-hub-signature-256: ", &signature[..]].concat();
        let answer = exchange(&server, &agent.id, &[&header], TICKET).await;
        assert_eq!(status(&answer), 401, "{}", String::from_utf8_lossy(&signature));
    })
    .await;
    let none = exchange(&server, &agent.id, &[], TICKET).await;
    assert_eq!(status(&none), 401, "no signature at all");
    assert!(server.executions().await.is_empty());
    for accepted in [right.as_str(), digits] {
        let header = format!("X-HUB-Signature-256:\t {accepted} ");
        let answer = exchange(&server, &agent.id, &[header.as_bytes()], TICKET).await;
        assert!(matches!(status(&answer), 202 | 200), "the prefix may be absent");
    }
    assert_eq!(server.executions().await.len(), 1);
    is_well(&server, &agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_flipped_bit_is_refused() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let right = agent.signature(TICKET).into_bytes();
    let flipped = |bytes: &[u8], bit: usize| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    };
    all(0..right.len() * 8, async |bit| {
        let value = flipped(&right, bit);
        let header = [b"x-hub-signature-256: ", &value[..]].concat();
        let answer = exchange(&server, &agent.id, &[&header], TICKET).await;
        // a control character ends the request in HTTP's own grammar
        let expected = if value.iter().any(|byte| byte.is_ascii_control()) { 400 } else { 401 };
        assert_eq!(status(&answer), expected, "bit {bit}");
    })
    .await;
    let header = [b"x-hub-signature-256: ", &right[..]].concat();
    all(0..TICKET.len() * 8, async |bit| {
        let answer = exchange(&server, &agent.id, &[&header], &flipped(TICKET, bit)).await;
        assert_eq!(status(&answer), 401, "bit {bit}");
    })
    .await;
    assert!(server.executions().await.is_empty());
    is_well(&server, &agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_signatures_are_refused_in_either_order() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let right = format!("x-hub-signature-256: {}", agent.signature(TICKET));
    let wrong = format!("X-Hub-Signature-256: sha256={}", "0".repeat(64));
    for pair in [[&right, &wrong], [&wrong, &right], [&right, &right]] {
        let headers = pair.map(|header| header.as_bytes());
        assert_eq!(status(&exchange(&server, &agent.id, &headers, TICKET).await), 401);
    }
    assert!(server.executions().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_algorithm_header_or_key_is_refused() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let other = server.agent().await;
    let key = agent.secret.as_bytes();
    let sha512 =
        Hmac::<Sha512>::new_from_slice(key).expect("any key").chain_update(TICKET).finalize().into_bytes();
    let sha256 = |key: &[u8]| {
        hex::encode(
            Hmac::<Sha256>::new_from_slice(key)
                .expect("any key")
                .chain_update(TICKET)
                .finalize()
                .into_bytes(),
        )
    };
    let right = agent.signature(TICKET);
    let sha1_of_the_body = "3f786850e387550fdab836ed7e6dc881de23001b";
    let headers = [
        format!("x-hub-signature: sha1={sha1_of_the_body}"),
        format!("x-hub-signature-256: sha1={sha1_of_the_body}"),
        format!("x-hub-signature-256: sha512={}", hex::encode(sha512)),
        format!("x-hub-signature-256: {}", hex::encode(sha512)),
        format!("x-hub-signature-512: {right}"),
        format!("x-signature: {right}"),
        format!("authorization: {right}"),
        // an empty key never verifies, nor does the secret's text in place of what it encodes
        format!("x-hub-signature-256: sha256={}", sha256(b"")),
        format!("x-hub-signature-256: sha256={}", sha256(key)),
        format!("x-hub-signature-256: {}", other.signature(TICKET)),
    ];
    for header in &headers {
        assert_eq!(
            status(&exchange(&server, &agent.id, &[header.as_bytes()], TICKET).await),
            401,
            "{header}"
        );
    }
    let in_query = format!("{}/webhook?x-hub-signature-256={right}", agent.id);
    assert_ne!(status(&exchange(&server, &in_query, &[], TICKET).await), 202);
    assert!(server.executions().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_secret_is_not_stored() {
    let server = Server::start().await;
    server.agent().await;
    // empty, 15 bytes, no base64, base64 of nothing
    for secret in ["", "MDEyMzQ1Njc4OTAxMjM0", "not base64!", "===="] {
        let agent = json!({"tenant_id": "acme", "name": "Short", "llm_config": {"model": "gpt-4o-mini"},
            "trigger": {"type": "webhook", "secret": secret}});
        let (status, body) = server.api("POST", "/api/v1/agents", Some(agent)).await;
        assert_eq!(status, 422, "{secret:?}: {body}");
    }
}

/// The answer without what every answer has of its own.
fn comparable(answer: &[u8]) -> String {
    let text = String::from_utf8(answer.to_vec()).expect("text");
    let own = |line: &&str| {
        !line.to_lowercase().starts_with("date:") && !line.to_lowercase().starts_with("x-request-id:")
    };
    let mut lines: Vec<_> = text.split("\r\n").filter(own).collect();
    let body = lines.iter().position(|line| line.is_empty()).expect("headers end");
    // the order of headers is not the framework's to promise
    lines[1..body].sort_unstable();
    lines.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_agent_looks_like_a_wrong_signature() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let deleted = server.agent().await;
    let (gone, _) = server.api("DELETE", &format!("/api/v1/agents/{}", deleted.id), None).await;
    assert!(matches!(gone, 200 | 204), "{gone}");
    let no_trigger = server.agent_with(json!({"trigger": null})).await;
    let wrong = format!("x-hub-signature-256: sha256={}", "0".repeat(64)).into_bytes();
    let of = |agent: &Agent| format!("x-hub-signature-256: {}", agent.signature(TICKET)).into_bytes();
    let unknown = uuid::Uuid::new_v4().to_string();
    let cases: Vec<(&str, Vec<&[u8]>)> = vec![
        (&agent.id, vec![&wrong]),
        (&agent.id, vec![]),
        (&agent.id, vec![&wrong, &wrong]),
        (&unknown, vec![&wrong]),
        (&unknown, vec![]),
        ("no-uuid", vec![&wrong]),
        ("%00", vec![&wrong]),
        ("'; DROP TABLE agents; --", vec![]),
        (&deleted.id, vec![&wrong]),
        (&no_trigger.id, vec![&wrong]),
    ];
    let signed_for_deleted = of(&deleted);
    let mut answers = Vec::new();
    for (id, headers) in cases {
        let id = id.replace(' ', "%20");
        answers.push(comparable(&exchange(&server, &id, &headers, TICKET).await));
    }
    answers.push(comparable(&exchange(&server, &deleted.id, &[&signed_for_deleted], TICKET).await));
    assert!(answers[0].starts_with("HTTP/1.1 401 "), "{}", answers[0]);
    assert!(answers[0].ends_with("\n\n{\"error\":\"Invalid signature\"}"), "{}", answers[0]);
    for answer in &answers[1..] {
        assert_eq!(answer, &answers[0]);
    }
    is_well(&server, &agent).await;
}
