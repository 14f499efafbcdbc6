//! `hub`: `X-Hub-Signature-256: sha256=<hex>`, HMAC-SHA256 over the raw body.
//!
//! Strict where leniency would only help an attacker or hide a broken sender: one header, the prefix
//! exactly or not at all, 64 lower-case digits. An upper-case digit is refused because no sender writes
//! one, and so every single changed bit of a right signature is a wrong one.

use super::{HeaderSource, Refusal, SigningKey};

const HEADER: &str = "X-Hub-Signature-256";
const PREFIX: &[u8] = b"sha256=";
const EXPECTED: &str = "`sha256=` (or nothing) and then exactly 64 lower-case hex digits";

/// `Idempotency-Key` first: it is the sender's explicit word, GitHub's id comes with every delivery.
pub(super) const ID_HEADERS: [&str; 2] = ["idempotency-key", "x-github-delivery"];

/// The one signature in the headers.
pub(super) fn signature(headers: &(impl HeaderSource + ?Sized)) -> Result<[u8; 32], Refusal> {
    let mut values = headers.values("x-hub-signature-256");
    let value = values.next().ok_or(Refusal::Missing { header: HEADER })?;
    if values.next().is_some() {
        return Err(Refusal::Repeated { header: HEADER });
    }
    let digits = value.strip_prefix(PREFIX).unwrap_or(value);
    let mut signature = [0; 32];
    let lower = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    if !lower || hex::decode_to_slice(digits, &mut signature).is_err() {
        return Err(Refusal::Malformed { header: HEADER, expected: EXPECTED });
    }
    Ok(signature)
}

/// The header that signs these bytes, always with the prefix.
pub(super) fn sign(key: &SigningKey, body: &[u8]) -> Vec<(&'static str, String)> {
    vec![(HEADER, format!("sha256={}", hex::encode(key.mac_of(body))))]
}

/// `application/json` and everything that ends in `+json`, whatever its parameters.
pub(super) fn takes_content_type(value: &str) -> bool {
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.split_once('/') {
        Some(("application", "json")) => true,
        Some((kind, subtype)) => {
            !kind.is_empty() && subtype.strip_suffix("+json").is_some_and(|name| !name.is_empty())
        }
        None => false,
    }
}
