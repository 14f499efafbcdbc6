//! The two gates by chance, one after the other as the front door has them: nothing panics, nothing unsigned
//! passes the first, and nothing that is no JSON the second.

use agenthook::ingress::validate;
use agenthook::model::{SecretEncoding, Time};
use agenthook::signature::{Request, Scheme, SigningKey, ToSign};
use proptest::prelude::*;
use serde_json::Value;

const SECRET: &str = "a secret of thirty-two characters";

fn key() -> SigningKey {
    Scheme::hub().key(&SECRET.into(), SecretEncoding::Utf8).expect("long enough")
}

/// What the front door makes of a request: `None` is a 401.
fn pass(headers: &[(String, Vec<u8>)], body: &[u8]) -> Option<Result<Value, String>> {
    let key = key();
    let request = Request { headers, body, url: "", now: Time::UNIX_EPOCH };
    Scheme::hub().verify([((), &key)], &request).ok()?;
    Some(validate::parse(body).map_err(|malformed| malformed.to_string()))
}

fn signed(body: &[u8]) -> (String, Vec<u8>) {
    let (name, value) = Scheme::hub().sign(&key(), &ToSign::body(body)).expect("signed").remove(0);
    (name, value.into_bytes())
}

fn header() -> impl Strategy<Value = (String, Vec<u8>)> {
    let name =
        prop::sample::select(vec!["X-Hub-Signature-256", "x-hub-signature-256", "x-hub-signature", "date"]);
    let value = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..100),
        "(sha256=|sha1=|)[0-9a-fA-F]{0,70}".prop_map(String::into_bytes),
    ];
    (name.prop_map(str::to_owned), value)
}

/// Bytes of every kind that a body may be made of.
fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        any::<String>().prop_map(String::into_bytes),
        "[\\[\\]{},:\"0-9a-c\\\\ud8.eE\\n -]{0,60}".prop_map(String::into_bytes),
        prop::collection::vec(
            prop::sample::select(vec!["[", "{\"a\":", "]", "}", "1", ",", "\"\\ud800\"", "null"]),
            0..200
        )
        .prop_map(|parts| parts.concat().into_bytes()),
    ]
}

proptest! {
    #[test]
    fn nothing_unsigned_passes(headers in prop::collection::vec(header(), 0..4), body in body()) {
        prop_assert!(pass(&headers, &body).is_none());
    }

    #[test]
    fn what_is_signed_passes_and_json_decides(body in body()) {
        let verdict = pass(&[signed(&body)], &body);
        let Some(parsed) = verdict else { return Err(TestCaseError::fail("a right signature is refused")) };
        let text = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&body);
        prop_assert_eq!(parsed.ok(), serde_json::from_slice::<Value>(text).ok());
    }

    #[test]
    fn one_changed_byte_of_body_or_signature_does_not_pass(body in body(), at: prop::sample::Index, change in 1..=255u8) {
        let (name, mut value) = signed(&body);
        if !body.is_empty() {
            let mut other = body.clone();
            other[at.index(body.len())] ^= change;
            prop_assert!(pass(&[(name.clone(), value.clone())], &other).is_none());
        }
        let place = at.index(value.len());
        value[place] ^= change;
        prop_assert!(pass(&[(name, value)], &body).is_none());
    }

    #[test]
    fn another_header_beside_the_right_one_changes_nothing_or_refuses(body in body(), other in header()) {
        let right = signed(&body);
        let repeated = other.0.eq_ignore_ascii_case(&right.0);
        for headers in [[right.clone(), other.clone()], [other, right]] {
            prop_assert_eq!(pass(&headers, &body).is_none(), repeated);
        }
    }
}
