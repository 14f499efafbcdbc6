//! One mistake after the other: each is looked for in a request whose signature was refused.

use std::cell::Cell;
use std::collections::HashSet;

use chrono::TimeDelta;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::claim::{Claim, claims};
use super::hash::Hash;
use super::readings::{self, Key, Reading};
use super::shape::Shape;
use super::{Case, Known, bodies, headers};
use crate::model::{SchemeName, SecretEncoding, Time};
use crate::signature::{Refusal, Scheme};

/// Bytes that are hashed or written for one diagnosis, at most.
pub(super) const WORK: usize = 32 << 20;
/// What one try costs beside its message, in bytes.
const PER_TRY: usize = 256;
/// Larger bodies, in bytes, are not written another way.
pub(super) const MAX_REWRITTEN: usize = 256 * 1024;
/// A spelling of a body that becomes larger, in bytes, is not tried: indented, 256 KiB can become 64 MiB.
pub(super) const MAX_WRITTEN: usize = 4 * MAX_REWRITTEN;

/// A request that is looked at.
pub(super) struct Exam<'a> {
    case: &'a Case<'a>,
    /// How it should be signed, where that is an HMAC.
    shape: Option<Shape>,
    /// What may be meant as its signature.
    claims: Vec<Claim>,
    /// The keys of HMACs that verify.
    live: Vec<Key>,
    /// Why the check refuses it; `None` if the signature is right.
    refusal: Option<Refusal>,
    /// Bytes that may still be hashed.
    work: Cell<usize>,
    /// It ended before all was tried.
    is_tired: Cell<bool>,
}

impl<'a> Exam<'a> {
    pub fn of(case: &'a Case<'a>) -> Self {
        let shape = Shape::of(case);
        let claims = shape.iter().flat_map(|shape| &shape.values).flat_map(|value| claims(value)).collect();
        let key = |known: &Known| shape.as_ref()?.key(&known.text, known.encoding);
        let live = case.live.iter().filter_map(key).collect();
        let (work, is_tired) = (Cell::new(WORK), Cell::new(false));
        let exam = Self { case, shape, claims, live, refusal: None, work, is_tired };
        let refusal = exam.refusal_at(case.now);
        Self { refusal, ..exam }
    }

    /// Whether nothing is wrong with the signature.
    pub fn is_right(&self) -> bool {
        self.refusal.is_none()
    }

    /// A header that is not there, or empty.
    pub fn missing_header(&self) -> Option<String> {
        let mut detail = headers::missing(self.case, self.refusal.as_ref()?)?;
        if let Some(other) = self.wrong_scheme() {
            detail.push_str("; ");
            detail.push_str(&other);
        }
        Some(detail)
    }

    /// Signed at another time.
    pub fn timestamp_skew(&self) -> Option<String> {
        let Some(Refusal::Skewed { seconds, tolerance }) = self.refusal else { return None };
        let signed = TimeDelta::try_seconds(seconds).and_then(|by| self.case.now.checked_add_signed(by));
        // At that time it would have been right.
        let is_right = signed.is_some_and(|then| self.refusal_at(then).is_none());
        let is_near = |stamp: i64| stamp.abs_diff(self.case.now.timestamp()) <= u64::from(tolerance);
        let stamp = self.case.now.timestamp().saturating_add(seconds);
        let advice = match (is_near(stamp / 1000), stamp.checked_mul(1000).is_some_and(is_near)) {
            (true, _) => "it is a thousand times too large, so write seconds and not milliseconds",
            (_, true) => "it is a thousand times too small, so write milliseconds and not seconds",
            _ if is_right => "the signature is right otherwise: set both clocks, and sign anew for each try",
            _ => {
                "set both clocks, and sign anew for each try; the signature does not match either, so look again then"
            }
        };
        let side = if seconds < 0 { "before" } else { "after" };
        let seconds = seconds.unsigned_abs();
        Some(format!(
            "the time of signing is {seconds} s {side} the time of arrival, and at most {tolerance} s are taken: {advice}"
        ))
    }

    /// Another hash function, or one without the key.
    pub fn wrong_algorithm(&self) -> Option<String> {
        let Shape { hash: right, written, .. } = self.shape.as_ref()?;
        let (others, wanted) = (Hash::ALL.into_iter().filter(|hash| hash != right), right.name());
        for hash in others.clone() {
            if self.live.iter().any(|key| self.claim_of(hash, key, self.case.body).is_some()) {
                return Some(format!(
                    "the secret is right, and the signature is an HMAC by {}: sign with HMAC-{wanted}",
                    hash.name()
                ));
            }
        }
        if let Some(hash) = Hash::ALL.into_iter().find(|hash| self.is_plain(*hash)) {
            return Some(format!(
                "the signature is the {} of the body without any secret, which anybody can compute: make an \
                 HMAC-{wanted} with the secret as its key",
                hash.name()
            ));
        }
        let is_named = |hash: &Hash| {
            let prefix = format!("{}=", hash.name());
            self.claims.iter().any(|claim| claim.prefix.eq_ignore_ascii_case(&prefix))
        };
        let named = others.clone().find(is_named)?.name();
        Some(format!(
            "the signature says that it is made by {named}: sign with HMAC-{wanted}, and write {written}"
        ))
    }

    /// The right signature, written another way.
    pub fn bad_prefix(&self) -> Option<String> {
        let Shape { hash, written, .. } = self.shape.as_ref()?;
        if !matches!(self.refusal, Some(Refusal::Malformed { .. } | Refusal::Mismatch)) {
            return None;
        }
        let claim = self.live.iter().find_map(|key| self.claim_of(*hash, key, self.case.body))?;
        let behind = match claim.prefix.as_str() {
            "" => "without a prefix".to_owned(),
            prefix if is_plain_word(prefix) => format!("behind `{prefix}`"),
            _ => "behind something else".to_owned(),
        };
        let found = claim.writing.name();
        Some(format!("the signature is right, but it is written as {found} {behind}: write {written}"))
    }

    /// The right secret, made into another key.
    pub fn secret_encoding(&self) -> Option<String> {
        for known in self.case.live {
            let signs = |reading: &Reading| self.signs(&reading.text, reading.encoding, self.case.body);
            let Some(Reading { how, is_whole, encoding, .. }) =
                readings::others(known).into_iter().find(signs)
            else {
                continue;
            };
            let own = readings::name(known.encoding);
            return Some(match is_whole {
                true => format!(
                    "the signature matches if the secret's text is read {how}, and here it is read as {own}: set \
                     secret_encoding to {}, or let the sender read it as {own} too",
                    readings::name(encoding)
                ),
                false => format!(
                    "the signature matches if the secret's text is read {how}: let the sender use the text exactly as it \
                     was shown, read as {own}"
                ),
            });
        }
        None
    }

    /// A secret that verifies no more, or another agent's.
    pub fn wrong_secret_of(&self) -> Option<String> {
        let default = self.case.scheme.name().default_encoding();
        let signs = |known: &&Known| {
            let encodings = [known.encoding, default];
            encodings.into_iter().any(|encoding| self.signs(&known.text, encoding, self.case.body))
        };
        let known = self.case.strange.iter().find(signs)?;
        Some(format!("the signature is of {}: give the sender a secret that verifies here", known.whose))
    }

    /// A line end too many, or too few.
    pub fn trailing_newline(&self) -> Option<String> {
        for (what, body) in bodies::line_ends(self.case.body) {
            if self.any_live_signs(&body) {
                return Some(format!(
                    "what was signed is the body {what}: sign exactly the bytes that are sent (`curl -d` and shells add \
                     or drop line ends; `--data-binary` does not)"
                ));
            }
        }
        None
    }

    /// The same JSON, written another way.
    pub fn body_reserialized(&self) -> Option<String> {
        if !self.may_be_over_a_body() {
            return None;
        }
        if self.case.body.len() > MAX_REWRITTEN {
            self.is_tired.set(true);
            return None;
        }
        let node = bodies::parse(self.case.body)?;
        // By their hashes: the texts together may be 32 times as large as the largest.
        let mut tried = HashSet::from([Sha256::digest(self.case.body)]);
        for style in bodies::Style::all() {
            let limit = self.work.get().min(MAX_WRITTEN);
            let body = node.write(style, limit);
            self.work.set(self.work.get() - body.as_ref().map_or(limit, Vec::len));
            let Some(body) = body else {
                self.is_tired.set(true);
                if self.work.get() == 0 {
                    break;
                }
                continue;
            };
            if tried.insert(Sha256::digest(&body)) && self.any_live_signs(&body) {
                return Some(format!(
                    "what was signed is the same JSON written another way ({style}): serialize the body once, and sign \
                     and send those bytes"
                ));
            }
        }
        None
    }

    /// Right under another scheme.
    pub fn wrong_scheme(&self) -> Option<String> {
        let own = self.case.scheme.name();
        let others = SchemeName::ALL.into_iter().filter(|name| *name != own);
        for scheme in others.filter_map(|name| Scheme::of(name, None).ok()) {
            for known in self.case.live {
                let encodings = [known.encoding, scheme.name().default_encoding()];
                let is_right = |encoding: &SecretEncoding| {
                    self.is_verified(&scheme, &known.text, *encoding, self.case.body)
                };
                if let Some(encoding) = encodings.into_iter().find(is_right) {
                    let (name, encoding) = (spelled(scheme.name()), readings::name(encoding));
                    return Some(format!(
                        "the request is signed as {name} signs, with a secret that verifies here: set the trigger's \
                         scheme to {name} and secret_encoding to {encoding}, or let the sender sign as {} does",
                        spelled(own)
                    ));
                }
            }
        }
        None
    }

    /// What can be said where nothing explains it.
    pub fn unknown(&self) -> String {
        let mut detail = match &self.refusal {
            None => "the signature is right, but senders of this scheme do not send this Content-Type: send \
                     application/json"
                .to_owned(),
            Some(Refusal::Mismatch) => "the signature is of another secret or of other bytes, and none of the usual \
                 mistakes explains it: check that the sender has the secret that verifies, whole, and that nothing \
                 between it and this server changes the body"
                .to_owned(),
            Some(refusal) => refusal.to_string(),
        };
        if self.is_tired.get() {
            detail.push_str("; the body is too large for all to be tried, so try it with a smaller one");
        }
        detail
    }

    /// Whether what the sender wrote can be a signature over some body, by its length.
    fn may_be_over_a_body(&self) -> bool {
        let fits = |shape: &Shape| self.claims.iter().any(|claim| claim.bytes.len() == shape.hash.length());
        !self.case.live.is_empty() && self.shape.as_ref().is_none_or(fits)
    }

    /// The claim that is this HMAC of the body, if there is one.
    fn claim_of(&self, hash: Hash, key: &[u8], body: &[u8]) -> Option<&Claim> {
        let shape = self.shape.as_ref()?;
        let mut claims = self.claims.iter().filter(|claim| claim.bytes.len() == hash.length()).peekable();
        claims.peek()?;
        if !self.may_try(body) {
            return None;
        }
        let mac = hash.mac(key, &shape.parts(body));
        claims.find(|claim| claim.bytes == mac)
    }

    /// Whether the signature is this plain hash.
    fn is_plain(&self, hash: Hash) -> bool {
        let body = self.case.body;
        let Some(shape) = &self.shape else { return false };
        if !self.claims.iter().any(|claim| claim.bytes.len() == hash.length()) || !self.may_try(body) {
            return false;
        }
        let digest = hash.plain(&shape.parts(body));
        self.claims.iter().any(|claim| claim.bytes == digest)
    }

    /// Whether a secret that verifies has signed this body.
    fn any_live_signs(&self, body: &[u8]) -> bool {
        self.case.live.iter().any(|known| self.signs(&known.text, known.encoding, body))
    }

    /// Whether this secret has signed this body.
    fn signs(&self, text: &SecretString, encoding: SecretEncoding, body: &[u8]) -> bool {
        if let Some(shape) = &self.shape
            && let Some(key) = shape.key(text, encoding)
        {
            return self.claim_of(shape.hash, &key, body).is_some();
        }
        self.is_verified(self.case.scheme, text, encoding, body)
    }

    /// Whether this scheme lets this secret pass.
    fn is_verified(
        &self,
        scheme: &Scheme,
        text: &SecretString,
        encoding: SecretEncoding,
        body: &[u8],
    ) -> bool {
        let Ok(key) = scheme.key(text, encoding) else { return false };
        self.may_try(body) && scheme.verify([((), &key)], &self.case.request(body, self.case.now)).is_ok()
    }

    /// What the check itself says at this time.
    fn refusal_at(&self, now: Time) -> Option<Refusal> {
        let scheme = self.case.scheme;
        let keys = self.case.live.iter().filter_map(|known| scheme.key(&known.text, known.encoding).ok());
        let keys: Vec<_> = keys.collect();
        scheme.verify(keys.iter().map(|key| ((), key)), &self.case.request(self.case.body, now)).err()
    }

    /// Whether there is still time for one more try with this body.
    fn may_try(&self, body: &[u8]) -> bool {
        let rest = self.work.get().checked_sub(body.len() + PER_TRY);
        match rest {
            Some(rest) => self.work.set(rest),
            None => self.is_tired.set(true),
        }
        rest.is_some()
    }
}

/// As the API spells it.
fn spelled(name: SchemeName) -> String {
    match serde_json::to_value(name) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

/// Short enough and plain enough to be no part of a signature.
fn is_plain_word(prefix: &str) -> bool {
    prefix.len() <= 16 && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"=,:-_".contains(&byte))
}
