//! Why a signature was refused: the first mistake that explains it.
//!
//! For the owner of the secret alone, who reads it in the hit ledger or has it from `agenthook verify`. A pure function
//! of the request and of the secrets that may have signed it. It reads signatures more kindly than a check may: whoever
//! makes two mistakes is told the first, and when that is mended the other one. Its texts hold no secret and no
//! signature.

mod bodies;
mod claim;
mod exam;
mod hash;
mod headers;
mod readings;
mod shape;
#[cfg(test)]
mod tests;

use secrecy::SecretString;

use super::{Request, Scheme};
use crate::model::{Diagnosis, DiagnosisCode, SecretEncoding, Time};
use exam::Exam;

/// A refused request, and whose secrets may have signed it.
pub struct Case<'a> {
    /// How it should have been signed.
    pub scheme: &'a Scheme,
    /// All headers, as they came.
    pub headers: &'a [(String, Vec<u8>)],
    /// The body, as it came.
    pub body: &'a [u8],
    /// The URL that the sender called.
    pub url: &'a str,
    /// When it came.
    pub now: Time,
    /// Secrets that verify.
    pub live: &'a [Known],
    /// Secrets that verify no more, and other agents'.
    pub strange: &'a [Known],
}

impl<'a> Case<'a> {
    /// The same request with another body, at another time.
    fn request(&self, body: &'a [u8], now: Time) -> Request<'a, [(String, Vec<u8>)]> {
        Request { headers: self.headers, body, url: self.url, now }
    }
}

/// A secret that may have signed.
#[derive(Clone)]
pub struct Known {
    /// Whose it is, in words that go on: "the signature is of …".
    pub whose: String,
    /// Its text.
    pub text: SecretString,
    /// How its text becomes the key.
    pub encoding: SecretEncoding,
}

/// The first mistake that explains the refusal.
#[must_use]
pub fn diagnose(case: &Case<'_>) -> Diagnosis {
    let exam = Exam::of(case);
    let found = |code| move |detail| Diagnosis { code, detail };
    if exam.is_right() {
        return found(DiagnosisCode::Unknown)(exam.unknown());
    }
    None.or_else(|| exam.missing_header().map(found(DiagnosisCode::MissingHeader)))
        .or_else(|| exam.timestamp_skew().map(found(DiagnosisCode::TimestampSkew)))
        .or_else(|| exam.wrong_algorithm().map(found(DiagnosisCode::WrongAlgorithm)))
        .or_else(|| exam.bad_prefix().map(found(DiagnosisCode::BadPrefix)))
        .or_else(|| exam.secret_encoding().map(found(DiagnosisCode::SecretEncoding)))
        .or_else(|| exam.wrong_secret_of().map(found(DiagnosisCode::WrongSecretOf)))
        .or_else(|| exam.trailing_newline().map(found(DiagnosisCode::TrailingNewline)))
        .or_else(|| exam.body_reserialized().map(found(DiagnosisCode::BodyReserialized)))
        .or_else(|| exam.wrong_scheme().map(found(DiagnosisCode::WrongScheme)))
        .unwrap_or_else(|| found(DiagnosisCode::Unknown)(exam.unknown()))
}
