//! How a scheme signs, as far as a diagnosis wants to know it.

use super::Case;
use super::hash::Hash;
use super::readings::Key;
use crate::model::{Algorithm, SecretEncoding};
use crate::signature::HeaderSource;
use crate::signature::mac::{Layout, MacRules, Names};
use crate::signature::presets::Proof;
use crate::signature::secret::{WHSEC, decode};
use crate::signature::template::{Message, Values};
use secrecy::{ExposeSecret, SecretString};

/// An HMAC over a message around the body, with what the headers say.
pub(super) struct Shape {
    /// The hash function.
    pub hash: Hash,
    /// How the signature has to be written, in words that go on: "write …".
    pub written: String,
    /// What the sender wrote.
    pub values: Vec<Vec<u8>>,
    before: Vec<u8>,
    after: Vec<u8>,
    /// Secrets are those of Standard Webhooks, whatever their encoding says.
    only_whsec: bool,
}

impl Shape {
    /// That of the case's scheme; `None` if it is no HMAC, or one over more than bytes around the body.
    pub fn of(case: &Case<'_>) -> Option<Self> {
        let (rules, only_whsec) = match &case.scheme.proof {
            Proof::Mac(rules) => (rules, false),
            Proof::Gitlab(rules) => (rules, true),
            Proof::Twilio | Proof::Discord | Proof::Token(_) => return None,
        };
        let is_there = |names: &&Names| case.headers.values(&names.signature).next().is_some();
        let names = rules.names.iter().find(is_there).or_else(|| rules.names.first())?;
        let id =
            names.id.as_ref().map_or(&b""[..], |name| case.headers.values(name).next().unwrap_or_default());
        let timestamp = timestamp(rules, names, case);
        let Message { before, after, .. } = rules.template.fill(Values { id, timestamp, url: case.url }, &[]);
        Some(Self {
            hash: match rules.algorithm {
                Algorithm::Sha1 => Hash::Sha1,
                Algorithm::Sha256 => Hash::Sha256,
                Algorithm::Sha512 => Hash::Sha512,
            },
            written: rules.expected(),
            values: case.headers.values(&names.signature).map(<[u8]>::to_vec).collect(),
            before,
            after,
            only_whsec,
        })
    }

    /// The key that this text stands for.
    pub fn key(&self, text: &SecretString, encoding: SecretEncoding) -> Option<Key> {
        match (self.only_whsec, text.expose_secret().starts_with(WHSEC)) {
            (false, _) => decode(text, encoding).ok(),
            (true, true) => decode(text, SecretEncoding::Whsec).ok(),
            (true, false) => None,
        }
    }

    /// What is signed of this body.
    pub fn parts<'b>(&'b self, body: &'b [u8]) -> [&'b [u8]; 3] {
        [&self.before, body, &self.after]
    }
}

/// The time of signing as it stands in a header.
fn timestamp<'c>(rules: &'c MacRules, names: &'c Names, case: &'c Case<'_>) -> &'c [u8] {
    if let Some(name) = &names.timestamp {
        return case.headers.values(name).next().unwrap_or_default();
    }
    let Layout::Fields = rules.layout else { return &[] };
    let value = case.headers.values(&names.signature).next().unwrap_or_default();
    let mut fields = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    fields.find_map(|field| field.strip_prefix(b"t=")).unwrap_or_default()
}
