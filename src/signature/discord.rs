//! Discord: Ed25519 over the timestamp and the body, by the private key to the application's public one.
//!
//! <https://discord.com/developers/docs/events/webhook-events#setting-up-an-endpoint-validating-security-request-headers>

use super::time::{TimeRule, TimeSource};
use super::{HeaderSource, Refusal, Request, ToSign, single};
use crate::model::TimestampUnit;

pub(super) const SIGNATURE: &str = "X-Signature-Ed25519";
pub(super) const TIMESTAMP: &str = "X-Signature-Timestamp";
pub(super) const TIME: TimeRule =
    TimeRule { source: TimeSource::Header, unit: TimestampUnit::S, tolerance: 300 };

/// What the headers say.
pub(super) struct Ed25519Claim {
    pub message: Vec<u8>,
    pub signature: [u8; 64],
}

pub(super) fn claim<H: HeaderSource + ?Sized>(request: &Request<'_, H>) -> Result<Ed25519Claim, Refusal> {
    let needed = |header: &'static str| {
        single(request.headers, header)?.ok_or(Refusal::Missing { header: header.into() })
    };
    let digits = needed(SIGNATURE)?;
    let mut signature = [0; 64];
    let lower = !digits.iter().any(u8::is_ascii_uppercase);
    if !lower || hex::decode_to_slice(digits, &mut signature).is_err() {
        let expected = "exactly 128 lower-case hex digits".into();
        return Err(Refusal::Malformed { header: SIGNATURE.into(), expected });
    }
    let timestamp = needed(TIMESTAMP)?;
    TIME.check(timestamp, request.now, TIMESTAMP)?;
    Ok(Ed25519Claim { message: [timestamp, request.body].concat(), signature })
}

/// The time of signing and the bytes to sign.
pub(super) fn message(what: &ToSign<'_>) -> (String, Vec<u8>) {
    let time = TIME.write(what.now);
    let message = [time.as_bytes(), what.body].concat();
    (time, message)
}

/// The headers of a signature.
pub(super) fn headers(time: String, signature: &[u8; 64]) -> Vec<(String, String)> {
    vec![(SIGNATURE.to_owned(), hex::encode(signature)), (TIMESTAMP.to_owned(), time)]
}
