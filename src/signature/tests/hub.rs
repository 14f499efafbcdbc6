//! `hub`: published vectors, the awkward headers, and properties over every encoding.

use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::model::SecretEncoding::{self, *};
use crate::model::Time;
use crate::signature::key::SigningKey;
use crate::signature::{Refusal, Request, Scheme, SecretFault, Signed, ToSign};

const ENCODINGS: [SecretEncoding; 4] = [Base64, Utf8, Hex, Whsec];
const HEADER: &str = "X-Hub-Signature-256";
const SECRET: &str = "c2VlZC1zZWNyZXQtMzItYnl0ZXMtMDEyMzQ1Njc4OWFi";
const BODY: &[u8] = br#"{"ticket_id":"TKT-123","description":"Issue"}"#;
const SIGNED: &str = "sha256=845a546e7293147509fe09b16b40f86e1ba8a2356b413d58bb3aa27c428600c3";

fn key(secret: &str, encoding: SecretEncoding) -> SigningKey {
    Scheme::hub().key(&secret.into(), encoding).expect("a key")
}

fn fault(secret: &str, encoding: SecretEncoding) -> SecretFault {
    Scheme::hub().key_to_store(&secret.into(), encoding).expect_err("no key")
}

fn verify(key: &SigningKey, headers: &[(&str, &[u8])], body: &[u8]) -> Result<(), Refusal> {
    verify_any([((), key)], headers, body)
}

fn verify_any<'k, K, N: AsRef<str>, V: AsRef<[u8]>>(
    keys: impl IntoIterator<Item = (K, &'k SigningKey)>,
    headers: &[(N, V)],
    body: &[u8],
) -> Result<K, Refusal> {
    let request = Request { headers, body, url: "", now: Time::UNIX_EPOCH };
    let signed = Scheme::hub().verify(keys, &request);
    signed.map(|Signed { by, id }| {
        assert_eq!(id, None, "hub signs no id");
        by
    })
}

fn sign(key: &SigningKey, body: &[u8]) -> Vec<(String, String)> {
    Scheme::hub().sign(key, &ToSign::body(body)).expect("signed")
}

/// The verdict on one header value over [`BODY`] under [`SECRET`].
fn verdict(value: impl AsRef<[u8]>) -> Result<(), Refusal> {
    verify(&key(SECRET, Base64), &[(HEADER, value.as_ref())], BODY)
}

#[test]
fn published_vectors() {
    // https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    let github = key("It's a Secret to Everybody", Utf8);
    let signed = b"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert_eq!(verify(&github, &[("x-hub-signature-256", signed)], b"Hello, World!"), Ok(()));
    let header = (HEADER.to_owned(), String::from_utf8_lossy(signed).into_owned());
    assert_eq!(sign(&github, b"Hello, World!"), [header]);

    // google/go-github takes the SHA-1 header; whoever picks the algorithm picks the weakest
    let go = key("0123456789abcdef", Utf8);
    let sha1: &[u8] = b"sha1=126f2c800419c60137ce748d7672e77b65cf16d6";
    let missing = Err(Refusal::Missing { header: HEADER.into() });
    assert_eq!(verify(&go, &[("X-Hub-Signature", sha1)], b"{\"yo\":true}"), missing);
    assert!(verify(&go, &[(HEADER, sha1)], b"{\"yo\":true}").is_err());

    // base64 of 32 bytes, compact JSON; then the prefix away; then other spaces, which are other bytes
    assert_eq!(verdict(SIGNED), Ok(()));
    assert_eq!(verdict(&SIGNED[7..]), Ok(()));
    let spaced = br#"{"ticket_id": "TKT-123", "description": "Issue"}"#;
    let of_spaced: &[u8] = b"sha256=53b3c5173fdb27f5d6dd154cc22d42351ec3b1c6be4d02ba041ecdc1ede90b33";
    assert_eq!(verify(&key(SECRET, Base64), &[(HEADER, of_spaced)], spaced), Ok(()));
    assert_eq!(verdict(of_spaced), Err(Refusal::Mismatch));

    // the text of the secret as the key, and the empty key
    let of_text = "sha256=e992557b62d6cfee82f84e25f470315e8472b77bb5038e0f0e6f839420614af5";
    assert_eq!(verdict(of_text), Err(Refusal::Mismatch));
    assert_eq!(verify(&key(SECRET, Utf8), &[(HEADER, of_text.as_bytes())], BODY), Ok(()));
    let of_nothing = "sha256=3cfc5af491abb2a36ce9231cf2b0e59820e3d4c09071d1dfcd4c418ca1af1250";
    assert_eq!(verdict(of_nothing), Err(Refusal::Mismatch));

    // RFC 4231, cases 1 and 6 (a key longer than a block)
    let mac = |secret: &str, body: &[u8]| sign(&key(secret, Hex), body)[0].1.clone();
    assert_eq!(
        mac(&"0b".repeat(20), b"Hi There"),
        "sha256=b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    );
    assert_eq!(
        mac(&"AA".repeat(131), b"Test Using Larger Than Block-Size Key - Hash Key First"),
        "sha256=60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    );
}

#[test]
fn only_one_signature_written_in_the_one_way() {
    let key = key(SECRET, Base64);
    let right: (&str, &[u8]) = (HEADER, SIGNED.as_bytes());
    let wrong: (&str, &[u8]) = ("x-hub-signature-256", &[b'0'; 64]);
    for two in [[right, wrong], [wrong, right], [right, right]] {
        assert_eq!(verify(&key, &two, BODY), Err(Refusal::Repeated { header: HEADER.into() }));
    }
    let digits = &SIGNED[7..];
    for malformed in [
        digits.to_uppercase(),
        format!("SHA256={digits}"),
        format!("sha512={digits}"),
        format!("sha1={digits}"),
        format!("sha256={SIGNED}"),
        format!("sha256 ={digits}"),
        format!("sha256= {digits}"),
        format!("{SIGNED} "),
        format!("{SIGNED},{SIGNED}"),
        format!("{SIGNED}0"),
        format!("{SIGNED}00"),
        format!("v1={digits}"),
        digits.replace('8', "８"),
        "sha256=".to_owned(),
        "0".repeat(8192),
    ] {
        assert!(matches!(verdict(&malformed), Err(Refusal::Malformed { .. })), "{malformed}");
    }
    assert!(matches!(verdict([0xFF; 64]), Err(Refusal::Malformed { .. })));
    for end in 0..SIGNED.len() {
        assert!(matches!(verdict(&SIGNED[..end]), Err(Refusal::Malformed { .. })), "prefix of {end}");
    }
}

#[test]
fn each_single_bit_of_the_header_counts() {
    for value in [SIGNED, &SIGNED[7..]] {
        for bit in 0..value.len() * 8 {
            let mut flipped = value.as_bytes().to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(verdict(&flipped).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn the_empty_key_verifies_nothing() {
    // also by its other names: HMAC pads with zeros, so a block of zeros or less is the empty key
    for zeros in ["00", &"00".repeat(16), &"00".repeat(64)] {
        assert_eq!(fault(zeros, Hex), SecretFault::Zeros);
        let same = Hmac::<Sha256>::new_from_slice(&vec![0; zeros.len() / 2]).expect("any length");
        let empty = Hmac::<Sha256>::new_from_slice(&[]).expect("any length");
        assert_eq!(same.finalize().into_bytes(), empty.finalize().into_bytes());
    }
    for encoding in ENCODINGS {
        assert_eq!(Scheme::hub().key(&"".into(), encoding).err(), Some(SecretFault::Empty));
    }
    assert_eq!(fault("whsec_", Whsec), SecretFault::Empty);
    assert_eq!(fault("\0\0", Utf8), SecretFault::Zeros);

    // nor does the dummy that stands in where no key is known
    let signed = sign(SigningKey::dummy(), BODY);
    let none: [((), &SigningKey); 0] = [];
    assert_eq!(verify_any(none, signed.as_slice(), BODY), Err(Refusal::Mismatch));
}

#[test]
fn each_encoding_reads_its_own_writing() {
    let same = [
        key("c2VjcmV0LW9mLXNpeHRlZW4tYnl0ZXM=", Base64),
        key("c2VjcmV0LW9mLXNpeHRlZW4tYnl0ZXM", Base64),
        key("secret-of-sixteen-bytes", Utf8),
        key("7365637265742d6f662d7369787465656e2d6279746573", Hex),
        key("7365637265742D6F662D7369787465656E2D6279746573", Hex),
        key("whsec_c2VjcmV0LW9mLXNpeHRlZW4tYnl0ZXM=", Whsec),
        key("c2VjcmV0LW9mLXNpeHRlZW4tYnl0ZXM", Whsec),
    ];
    assert!(same.iter().all(|key| sign(key, b"") == sign(&same[0], b"")));

    assert_eq!(fault("c2VjcmV0LW9mLXNpeHRlZW4_Ynl0ZXM=", Base64), SecretFault::NotBase64);
    assert_eq!(fault("c2VjcmV0LW9mLXNpeHRlZW4=YnRlcw==", Base64), SecretFault::NotBase64);
    assert_eq!(fault("not base64, surely", Base64), SecretFault::NotBase64);
    assert_eq!(fault("whsec_c2VjcmV0LW9mLXNpeHRlZW4tYnl0ZXM=", Base64), SecretFault::IsWhsec);
    assert_eq!(fault("whsec_!", Whsec), SecretFault::NotWhsec);
    assert_eq!(fault("abc", Hex), SecretFault::NotHex);
    assert_eq!(fault("0xabcd", Hex), SecretFault::NotHex);
    for encoding in [Base64, Hex, Whsec] {
        for padded in [" 61626364", "61626364\n", "61626364\u{a0}"] {
            assert_eq!(fault(padded, encoding), SecretFault::Whitespace);
        }
    }
    assert_eq!(fault("fifteen bytes !", Utf8), SecretFault::TooShort { bytes: 15 });
    assert_eq!(fault("YWJj", Base64), SecretFault::TooShort { bytes: 3 });
    assert!(Scheme::hub().key_to_store(&"sixteen bytes ok".into(), Utf8).is_ok());
    assert!(Scheme::hub().key(&"a".into(), Utf8).is_ok(), "someone else's secret may be short");
}

#[test]
fn generated_secrets_differ_and_can_be_stored() {
    for encoding in ENCODINGS {
        let make = || Scheme::hub().generate_secret(encoding).expect("made here");
        let [one, other] = [make(), make()];
        assert_ne!(one.expose_secret(), other.expose_secret());
        assert!(Scheme::hub().key_to_store(&one, encoding).is_ok());
        let length = match encoding {
            Base64 | Utf8 => 44,
            Hex => 64,
            Whsec => 50,
        };
        assert_eq!(one.expose_secret().len(), length);
    }
}

#[test]
fn several_keys_and_the_one_that_signed() {
    let keys = ["first secret", "second secret", "third secret"].map(|secret| key(secret, Utf8));
    for (index, signer) in keys.iter().enumerate() {
        let signed = sign(signer, BODY);
        assert_eq!(verify_any(keys.iter().enumerate(), signed.as_slice(), BODY), Ok(index));
    }
    let stranger = sign(&key("fourth secret", Utf8), BODY);
    assert_eq!(verify_any(keys.iter().enumerate(), stranger.as_slice(), BODY), Err(Refusal::Mismatch));
    let twice = [(1, &keys[0]), (2, &keys[0])];
    assert_eq!(verify_any(twice, sign(&keys[0], BODY).as_slice(), BODY), Ok(1));
}

#[test]
fn content_types() {
    let hub = Scheme::hub();
    for taken in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/json;",
        "application/cloudevents+json",
        "text/x+json ; a=b",
    ] {
        assert!(hub.takes_content_type(taken), "{taken}");
    }
    for refused in
        ["", "json", "text/plain", "application/jsonp", "application/+json", "/a+json", "application/json5"]
    {
        assert!(!hub.takes_content_type(refused), "{refused}");
    }
}

#[test]
fn nothing_here_prints_a_secret() {
    let secret = "plainly-visible-secret";
    let printed = format!("{:?} {:?}", key(secret, Utf8), fault(&format!("{secret}\n"), Base64));
    assert!(!printed.contains("plainly"), "{printed}");
}

/// A secret's text as each encoding writes these bytes.
fn written(bytes: &[u8], encoding: SecretEncoding) -> SecretString {
    use base64::{Engine, engine::general_purpose::STANDARD};
    SecretString::from(match encoding {
        Base64 => STANDARD.encode(bytes),
        Utf8 => bytes.iter().map(|&byte| char::from(byte)).collect(),
        Hex => hex::encode(bytes),
        Whsec => format!("whsec_{}", STANDARD.encode(bytes)),
    })
}

proptest! {
    #[test]
    fn what_is_signed_verifies_and_no_flipped_bit_does(
        mut secret in prop::collection::vec(any::<u8>(), 0..100),
        encoding in prop::sample::select(ENCODINGS.to_vec()),
        body in prop::collection::vec(any::<u8>(), 0..300),
        at in any::<prop::sample::Index>(),
    ) {
        secret.push(1); // not only zeros
        let key = Scheme::hub().key(&written(&secret, encoding), encoding).expect("a key");
        let (name, value) = sign(&key, &body).remove(0);
        let value = value.into_bytes();
        let name = name.as_str();
        prop_assert_eq!(verify(&key, &[(name, &value)], &body), Ok(()));
        prop_assert_eq!(verify(&key, &[(name, &value[7..])], &body), Ok(()));

        for value in [&value[..], &value[7..]] {
            let mut flipped = value.to_vec();
            let bit = at.index(flipped.len() * 8);
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(verify(&key, &[(name, &flipped)], &body).is_err());
            prop_assert!(verify(&key, &[(name, &value[..at.index(value.len())])], &body).is_err());
        }

        let mut other = body.clone();
        other.push(b'\n');
        prop_assert_eq!(verify(&key, &[(name, &value)], &other), Err(Refusal::Mismatch));
        if !body.is_empty() {
            let mut flipped = body.clone();
            let bit = at.index(flipped.len() * 8);
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(verify(&key, &[(name, &value)], &flipped), Err(Refusal::Mismatch));
        }
    }

    #[test]
    fn no_header_value_is_a_panic(value in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(verdict(value).is_err());
    }
}
