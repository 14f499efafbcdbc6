//! Each mistake, made on purpose, and its name.

use super::*;
use crate::model::DiagnosisCode as Code;
use crate::model::{SchemeName, Time};

const SECRET: &str = "c2VlZC1zZWNyZXQtMzItYnl0ZXMtMDEyMzQ1Njc4OWE=";
const BODY: &str = "{\"b\": \"h\u{f6}\", \"a\": 1}";

fn known(whose: &str, text: &str, encoding: SecretEncoding) -> Known {
    Known { whose: whose.to_owned(), text: text.into(), encoding }
}

fn key() -> Vec<u8> {
    super::super::secret::decode(&SECRET.into(), SecretEncoding::Base64).expect("a key").to_vec()
}

/// When requests come.
fn now() -> Time {
    Time::from_timestamp(1_700_000_000, 0).expect("a time")
}

/// What is found in a request with these headers.
fn found(headers: &[(&str, &str)], body: &str) -> Diagnosis {
    found_by(SchemeName::Hub, SecretEncoding::Base64, headers, body)
}

/// The same under another scheme.
fn found_by(name: SchemeName, encoding: SecretEncoding, headers: &[(&str, &str)], body: &str) -> Diagnosis {
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    let strange = [
        known(
            "secret 1 of this agent, which has ended",
            "bmluZXRlZW4tYnl0ZXMtc2VjcmV0",
            SecretEncoding::Base64,
        ),
        known("secret 2 of agent 3", "another agent's secret", SecretEncoding::Utf8),
    ];
    let diagnosis = diagnose(&Case {
        scheme: &Scheme::of(name, None).expect("a preset"),
        headers: &headers,
        body: body.as_bytes(),
        url: "http://h/",
        now: now(),
        live: &[known("secret 0", SECRET, encoding)],
        strange: &strange,
    });
    assert!(!diagnosis.detail.contains(SECRET), "{diagnosis:?}");
    let parts = headers.iter().filter_map(|(_, value)| str::from_utf8(value).ok());
    for part in parts.flat_map(|value| value.split('=')).filter(|part| part.len() > 16) {
        assert!(!diagnosis.detail.contains(part), "it repeats the signature: {diagnosis:?}");
    }
    diagnosis
}

/// What is found where the body was sent with this signature.
fn of(signature: impl AsRef<str>, body: &str) -> Diagnosis {
    found(&[("X-Hub-Signature-256", signature.as_ref())], body)
}

fn sha256(key: &[u8], body: &str) -> String {
    format!("sha256={}", hex::encode(hash::Hash::Sha256.mac(key, &[body.as_bytes()])))
}

#[test]
fn each_mistake_has_its_name() {
    use base64::Engine;
    let (key, text) = (key(), SECRET.as_bytes());
    let mac = hash::Hash::Sha256.mac(&key, &[BODY.as_bytes()]);
    let hex = hex::encode(&mac);
    let by = |hash: hash::Hash, key: &[u8]| hex::encode(hash.mac(key, &[BODY.as_bytes()]));
    let base64 = base64::prelude::BASE64_STANDARD.encode(&mac);
    for (signature, body, code, word) in [
        (String::new(), BODY, Code::MissingHeader, "is empty"),
        (format!("sha1={}", by(hash::Hash::Sha1, &key)), BODY, Code::WrongAlgorithm, "sha1"),
        (format!("sha256={}", by(hash::Hash::Sha512, &key)), BODY, Code::WrongAlgorithm, "sha512"),
        (by(hash::Hash::Md5, &key), BODY, Code::WrongAlgorithm, "md5"),
        (format!("sha1={}", "00".repeat(20)), BODY, Code::WrongAlgorithm, "sha1"),
        (
            hex::encode(hash::Hash::Sha256.plain(&[BODY.as_bytes()])),
            BODY,
            Code::WrongAlgorithm,
            "without any secret",
        ),
        (format!("sha256:{hex}"), BODY, Code::BadPrefix, "`sha256:`"),
        (format!("sha256={}", hex.to_uppercase()), BODY, Code::BadPrefix, "upper-case"),
        (base64, BODY, Code::BadPrefix, "base64 without a prefix"),
        (sha256(text, BODY), BODY, Code::SecretEncoding, "secret_encoding to utf8"),
        (sha256(b"nineteen-bytes-secret", BODY), BODY, Code::WrongSecretOf, "secret 1 of this agent"),
        (sha256(b"another agent's secret", BODY), BODY, Code::WrongSecretOf, "secret 2 of agent 3"),
        (sha256(&key, &format!("{BODY}\n")), BODY, Code::TrailingNewline, "\\n"),
        (sha256(&key, &format!("{BODY}\r\n")), BODY, Code::TrailingNewline, "\\r\\n"),
        (sha256(&key, "1"), "1\n", Code::TrailingNewline, "was sent"),
        (sha256(&key, "{\"b\":\"hö\",\"a\":1}"), BODY, Code::BodyReserialized, "compact"),
        (sha256(&key, "{\"b\": \"h\\u00f6\", \"a\": 1}"), BODY, Code::BodyReserialized, "non-ASCII"),
        (sha256(&key, "{\"a\": 1, \"b\": \"hö\"}"), BODY, Code::BodyReserialized, "sorted"),
        (sha256(&key, "{\n  \"b\": \"hö\",\n  \"a\": 1\n}"), BODY, Code::BodyReserialized, "2 spaces"),
        (sha256(b"nobody's", BODY), BODY, Code::Unknown, "another secret or of other bytes"),
        ("sha256=00".to_owned(), BODY, Code::Unknown, "not written as it must be"),
        ("\u{fffd}".to_owned(), BODY, Code::Unknown, "not written as it must be"),
    ] {
        let diagnosis = of(&signature, body);
        assert_eq!(diagnosis.code, code, "{signature} {body}: {}", diagnosis.detail);
        assert!(diagnosis.detail.contains(word), "{code:?}: {}", diagnosis.detail);
    }
}

/// The HMAC-SHA256 of the text, by the secret's text.
fn by_text(text: &str) -> String {
    hex::encode(hash::Hash::Sha256.mac(SECRET.as_bytes(), &[text.as_bytes()]))
}

#[test]
fn what_is_missing_is_named_with_what_is_near() {
    let bare = found(&[("Content-Type", "application/json")], BODY);
    assert_eq!(bare.code, Code::MissingHeader);
    assert!(bare.detail.contains("X-Hub-Signature-256") && bare.detail.contains("signs nothing"), "{bare:?}");
    let value = sha256(&key(), BODY);
    let near = found(&[("X-Hub-Signature", &value), ("X-Other", "1"), ("X-Hub-Signatur-256", "2")], BODY);
    assert_eq!(near.code, Code::MissingHeader);
    assert!(near.detail.contains("there is x-hub-signatur-256, x-hub-signature:"), "nearest first: {near:?}");
    let other = found(&[("X-Webhook-Signature", &by_text(BODY))], BODY);
    assert_eq!(other.code, Code::MissingHeader);
    assert!(other.detail.contains("is signed as x-webhook signs"), "{other:?}");
    let no_time = found_by(
        SchemeName::Slack,
        SecretEncoding::Utf8,
        &[("X-Slack-Signature", &format!("v0={}", by_text(BODY)))],
        BODY,
    );
    assert_eq!(no_time.code, Code::MissingHeader);
    assert!(no_time.detail.contains("X-Slack-Request-Timestamp"), "{no_time:?}");
}

#[test]
fn a_time_that_is_off_is_told_in_seconds() {
    let slack = |time: i64, signed: &str| {
        let signature = format!("v0={}", by_text(&format!("v0:{time}:{signed}")));
        let headers =
            [("X-Slack-Signature", signature.as_str()), ("X-Slack-Request-Timestamp", &time.to_string())];
        found_by(SchemeName::Slack, SecretEncoding::Utf8, &headers, BODY)
    };
    let at = now().timestamp();
    assert_ne!(slack(at - 300, "other").code, Code::TimestampSkew);
    for (time, words) in [
        (at - 301, ["301 s before", "right otherwise"]),
        (at + 4000, ["4000 s after", "right otherwise"]),
        (at * 1000, ["s after", "not milliseconds"]),
        (at / 1000, ["s before", "not seconds"]),
        (i64::MAX, ["s after", "set both clocks"]),
    ] {
        let diagnosis = slack(time, BODY);
        assert_eq!(diagnosis.code, Code::TimestampSkew);
        assert!(words.iter().all(|word| diagnosis.detail.contains(word)), "{}", diagnosis.detail);
    }
    let both = slack(at - 301, "another body");
    assert_eq!(both.code, Code::TimestampSkew);
    assert!(both.detail.contains("does not match either"), "{}", both.detail);
    let stripe = format!("t={},v1={}", at - 900, by_text(&format!("{}.{BODY}", at - 900)));
    let stripe = found_by(SchemeName::Stripe, SecretEncoding::Utf8, &[("Stripe-Signature", &stripe)], BODY);
    assert_eq!(stripe.code, Code::TimestampSkew, "{}", stripe.detail);
}

#[test]
fn schemes_that_sign_more_than_the_body_are_understood() {
    use base64::Engine;
    let base64 = |key: &[u8], text: &str| {
        base64::prelude::BASE64_STANDARD.encode(hash::Hash::Sha256.mac(key, &[text.as_bytes()]))
    };
    let (at, compact) = (now().timestamp().to_string(), "{\"b\":\"hö\",\"a\":1}");
    // Standard Webhooks: the text was used where base64 is to be decoded; another spelling of the JSON.
    for (key, body, code) in [
        (SECRET.as_bytes().to_vec(), BODY, Code::SecretEncoding),
        (key(), compact, Code::BodyReserialized),
        (b"another agent's secret".to_vec(), BODY, Code::WrongSecretOf),
    ] {
        let signature = format!("v1,{}", base64(&key, &format!("msg_1.{at}.{body}")));
        let headers =
            [("webhook-id", "msg_1"), ("webhook-timestamp", at.as_str()), ("webhook-signature", &signature)];
        let diagnosis = found_by(SchemeName::StandardWebhooks, SecretEncoding::Whsec, &headers, BODY);
        assert_eq!(diagnosis.code, code, "{}", diagnosis.detail);
    }
    let stripe = format!("t={at},v1={}", by_text(&format!("{at}.{BODY}\n")));
    let stripe = found_by(SchemeName::Stripe, SecretEncoding::Utf8, &[("Stripe-Signature", &stripe)], BODY);
    assert_eq!(stripe.code, Code::TrailingNewline, "{}", stripe.detail);
    let hex = hex::encode(hash::Hash::Sha256.mac(SECRET.as_bytes(), &[BODY.as_bytes()]));
    let shopify =
        found_by(SchemeName::Shopify, SecretEncoding::Utf8, &[("X-Shopify-Hmac-SHA256", &hex)], BODY);
    assert_eq!(shopify.code, Code::BadPrefix, "{}", shopify.detail);
    assert!(shopify.detail.contains("base64"), "{}", shopify.detail);
    let token =
        |value: &str| found_by(SchemeName::Bearer, SecretEncoding::Utf8, &[("Authorization", value)], BODY);
    assert_eq!(token("Bearer another agent's secret").code, Code::Unknown, "it is no token at all");
    assert_eq!(token("Bearer bmluZXRlZW4tYnl0ZXMtc2VjcmV0").code, Code::WrongSecretOf);
    assert_eq!(token("Bearer nobodys-token-at-all").code, Code::Unknown);
}

#[test]
fn of_two_mistakes_the_first_is_told() {
    let (key, text) = (key(), SECRET.as_bytes());
    let sha1 = |key: &[u8], body: &str| {
        format!("sha1={}", hex::encode(hash::Hash::Sha1.mac(key, &[body.as_bytes()])))
    };
    let newline = format!("{BODY}\n");
    let both = format!("{}, {}", sha256(text, BODY).replace("sha256=", ""), sha256(&key, &newline));
    for (value, code) in [
        // SHA-1 over a body with a line end: the algorithm is named because the header says so.
        (sha1(&key, &newline), Code::WrongAlgorithm),
        // Upper-case hex by the secret's text: the key is named, the writing is told when that is mended.
        (sha256(text, BODY).to_uppercase().replace("SHA", "sha"), Code::SecretEncoding),
        // One signature for each of two mistakes: the order decides.
        (both, Code::SecretEncoding),
    ] {
        assert_eq!(of(&value, BODY).code, code, "{value}");
    }
    let both = [("X-Hub-Signature-256", sha256(&key, &newline)), ("X-Webhook-Signature", by_text(BODY))];
    let both = both.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(found(&both, BODY).code, Code::TrailingNewline, "before the other scheme");
    let other = [("X-Hub-Signature-256", "sha256=00"), both[1]];
    assert_eq!(found(&other, BODY).code, Code::WrongScheme);
}

#[test]
fn a_form_of_twilio_without_its_type_is_told() {
    let headers = [("X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=")];
    let untyped = found_by(SchemeName::Twilio, SecretEncoding::Utf8, &headers, "a=1");
    assert_eq!(untyped.code, Code::Unknown);
    assert!(untyped.detail.starts_with("Content-Type is not written as it must be"), "{}", untyped.detail);
}

#[test]
fn a_right_signature_is_not_called_wrong() {
    let right = of(sha256(&key(), BODY), BODY);
    assert_eq!(right.code, Code::Unknown);
    assert!(right.detail.contains("Content-Type"), "{}", right.detail);
}

#[test]
fn work_has_a_bound() {
    let body = |bytes: usize| format!("{{\"a\": \"{}\"}}", "x".repeat(bytes - 9));
    let compact = |body: &str| body.replacen(": ", ":", 1);
    for (bytes, code) in [
        (exam::MAX_REWRITTEN - 1, Code::BodyReserialized),
        (exam::MAX_REWRITTEN, Code::BodyReserialized),
        (exam::MAX_REWRITTEN + 1, Code::Unknown),
    ] {
        let body = body(bytes);
        assert_eq!(body.len(), bytes);
        let diagnosis = of(sha256(&key(), &compact(&body)), &body);
        assert_eq!(diagnosis.code, code, "{bytes}");
        assert_eq!(diagnosis.detail.contains("too large"), code == Code::Unknown, "{}", diagnosis.detail);
    }
    // What becomes too large when it is written another way is not tried that way.
    let deep = |items: usize| format!("{}{}0{}", "[".repeat(126), "0,".repeat(items), "]".repeat(126));
    let spaced = |body: &str| body.replace(',', ", ");
    let body = deep(130_000);
    assert!(body.len() <= exam::MAX_REWRITTEN);
    assert_eq!(of(sha256(&key(), &spaced(&body)), &body).code, Code::BodyReserialized);
    let diagnosis = of(sha256(b"nobody's", &body), &body);
    assert_eq!(diagnosis.code, Code::Unknown);
    assert!(diagnosis.detail.contains("too large"), "{}", diagnosis.detail);
    // Without a signature that could be over it, it is not written at all.
    let diagnosis = of("sha256=00", &body);
    assert!(!diagnosis.detail.contains("too large"), "{}", diagnosis.detail);
    let pretty = |words: &[String]| {
        let (lines, depth) = (words.join(&format!(",\n{}", " ".repeat(40))), 1..10);
        let open: String = depth.clone().map(|n| format!("\n{}[", " ".repeat(4 * n))).collect();
        let close: String = depth.rev().map(|n| format!("\n{}]", " ".repeat(4 * n))).collect();
        format!("[{open}\n{}{lines}{close}\n]", " ".repeat(40))
    };
    for (bytes, code) in [
        (exam::MAX_WRITTEN - 1, Code::BodyReserialized),
        (exam::MAX_WRITTEN, Code::BodyReserialized),
        (exam::MAX_WRITTEN + 1, Code::Unknown),
    ] {
        let mut words = vec!["0".to_owned(); (bytes - 1000) / 43];
        words.push("1".repeat(bytes - pretty(&words).len() - 42));
        let (body, written) =
            (format!("{0}{2}{1}", "[".repeat(10), "]".repeat(10), words.join(",")), pretty(&words));
        assert_eq!(written.len(), bytes);
        assert!(body.len() < exam::MAX_REWRITTEN);
        assert_eq!(of(sha256(&key(), &written), &body).code, code, "{bytes}");
    }
    // What costs more than there is for one diagnosis is not tried at all.
    let huge = "x".repeat(exam::WORK);
    let diagnosis = of(sha256(SECRET.as_bytes(), &huge), &huge);
    assert_eq!(diagnosis.code, Code::Unknown);
    assert!(diagnosis.detail.contains("too large"), "{}", diagnosis.detail);
}
