//! Whether a delivery is signed, by every way of signing that a profile of ours has.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::receiver::Received;
use crate::cli::failure::Failure;
use crate::egress::WHSEC;
use crate::model::{Profile, SchemeName, SecretEncoding};
use crate::signature::{HeaderSource, Request, Scheme, SigningKey};

/// Each way: the header that has the signature, and the scheme that checks it.
const WAYS: [(&str, SchemeName); 5] = [
    ("X-Webhook-Signature", SchemeName::XWebhook),
    ("webhook-signature", SchemeName::StandardWebhooks),
    ("X-Hub-Signature-256", SchemeName::Hub),
    ("X-Hokusai-Signature", SchemeName::Hokusai),
    ("x-mlflow-signature", SchemeName::Mlflow),
];

/// What all signatures of a delivery say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// There is one at least, and all are right.
    Valid,
    /// One is wrong, or one that the profile has is missing.
    Invalid,
    /// There is none.
    Missing,
    /// There is no secret to check with.
    NotChecked,
}

/// One signature.
#[derive(Debug, Serialize)]
pub(super) struct Proof {
    pub header: &'static str,
    /// `None`: not checked.
    pub valid: Option<bool>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The ways, each with its key where there is a secret.
pub(super) struct Proofs(Vec<Way>);

struct Way {
    header: &'static str,
    scheme: Scheme,
    key: Option<SigningKey>,
    is_needed: bool,
}

impl Proofs {
    /// Makes the keys: of the text's bytes, and for Standard Webhooks of what a `whsec_` secret decodes to.
    pub(super) fn new(secret: Option<&SecretString>, profile: Option<Profile>) -> Result<Self, Failure> {
        let way = |(header, name)| {
            let scheme = Scheme::of(name, None).expect("every way is a preset");
            let is_whsec = secret.is_some_and(|secret| secret.expose_secret().starts_with(WHSEC));
            let encoding = match name {
                SchemeName::StandardWebhooks if is_whsec => SecretEncoding::Whsec,
                _ => SecretEncoding::Utf8,
            };
            let key = secret.map(|secret| scheme.key(secret, encoding)).transpose();
            let key = key.map_err(|fault| Failure::Usage(format!("--secret: {fault}")))?;
            Ok(Way { header, scheme, key, is_needed: profile.is_some_and(|profile| signs(profile, name)) })
        };
        Ok(Self(WAYS.into_iter().map(way).collect::<Result<_, Failure>>()?))
    }

    /// Checks what is there, and what should be.
    pub(super) fn check(&self, received: &Received) -> (Verdict, Vec<Proof>) {
        let headers = received.headers.as_slice();
        let request = Request { headers, body: &received.body, url: "", now: received.at };
        let is_there = |way: &&Way| way.is_needed || headers.values(way.header).next().is_some();
        let check = |way: &Way| {
            let outcome = way.key.as_ref().map(|key| way.scheme.verify([((), key)], &request));
            let (valid, detail) = match outcome {
                None => (None, None),
                Some(Ok(_)) => (Some(true), None),
                Some(Err(refusal)) => (Some(false), Some(refusal.to_string())),
            };
            Proof { header: way.header, valid, detail }
        };
        let proofs: Vec<_> = self.0.iter().filter(is_there).map(check).collect();
        let verdict = if self.0.iter().all(|way| way.key.is_none()) {
            Verdict::NotChecked
        } else if proofs.is_empty() {
            Verdict::Missing
        } else if proofs.iter().all(|proof| proof.valid == Some(true)) {
            Verdict::Valid
        } else {
            Verdict::Invalid
        };
        (verdict, proofs)
    }
}

/// Whether deliveries of this profile are signed so.
fn signs(profile: Profile, name: SchemeName) -> bool {
    let names: &[SchemeName] = match profile {
        Profile::Standard => &[SchemeName::XWebhook, SchemeName::StandardWebhooks],
        Profile::StandardWebhooks => &[SchemeName::StandardWebhooks],
        Profile::Hub => &[SchemeName::Hub],
        Profile::Hokusai => &[SchemeName::Hokusai],
        Profile::Mlflow => &[SchemeName::Mlflow],
    };
    names.contains(&name)
}
