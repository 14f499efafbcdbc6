//! Who sent these bytes: the signature schemes, each of which verifies and signs.
//!
//! A [`Scheme`] is made once, of the agent's setting ([`SchemeName`] is its word in the API): it is never guessed from
//! the headers that a request happens to have, because then the sender would choose how strictly it is checked.
//! Everything here works on raw bytes and knows neither a web framework nor a clock of its own; a header comes in
//! through [`HeaderSource`].
//!
//! Nearly every sender is data ([`presets`]) over one kind of signature ([`mac`]); what is more than data has a file of
//! its own. A further one is a variant of [`SchemeName`], a function in `presets.rs`, and its row in
//! `docs/signatures.md`.

mod claim;
mod custom;
mod diagnose;
mod discord;
mod handshake;
mod json;
mod key;
mod keying;
mod mac;
mod presets;
mod refusal;
mod secret;
mod template;
mod time;
mod token;
mod twilio;

use std::borrow::Cow;
use std::hint::black_box;

use secrecy::ExposeSecret;

pub use diagnose::{Case, Known, diagnose};
pub use handshake::Handshake;
pub use key::SigningKey;
pub use refusal::Refusal;
pub use secret::{MIN_SECRET_BYTES, SecretFault};

use crate::model::{CustomScheme, SchemeName, Time, is_form, is_json};
use claim::Claim;
use presets::Proof;
use time::TimeSource;
use token::Carrier;

/// Parts of the names of headers that prove who sent a hook, in small letters: those of every preset have one of them,
/// and so have those of most other senders.
pub const PROOF_PARTS: [&str; 7] =
    ["signature", "hmac", "digest", "token", "authorization", "jwt", "assertion"];

/// Where a scheme finds its headers.
pub trait HeaderSource {
    /// Every value of the header, in the order received. The case of the name is ignored.
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]>;
}

/// Name and value pairs, as a command line or a test has them.
impl<N: AsRef<str>, V: AsRef<[u8]>> HeaderSource for [(N, V)] {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(n, _)| n.as_ref().eq_ignore_ascii_case(name)).map(|(_, v)| v.as_ref())
    }
}

/// What has come, and when.
pub struct Request<'r, H: ?Sized> {
    /// Its headers.
    pub headers: &'r H,
    /// Its bytes.
    pub body: &'r [u8],
    /// The URL that the sender called.
    pub url: &'r str,
    /// The time.
    pub now: Time,
}

/// What is to be signed, and when.
#[derive(Clone, Copy, Debug)]
pub struct ToSign<'a> {
    /// The bytes.
    pub body: &'a [u8],
    /// The URL that they are sent to.
    pub url: &'a str,
    /// The time.
    pub now: Time,
    /// The delivery's id, for schemes that sign one.
    pub id: &'a str,
}

impl<'a> ToSign<'a> {
    /// For schemes that sign the body alone.
    #[must_use]
    pub fn body(body: &'a [u8]) -> Self {
        Self { body, url: "", now: Time::UNIX_EPOCH, id: "" }
    }
}

/// Proof that somebody signed a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<K> {
    /// Whose key it was, by the caller's own word for it.
    pub by: K,
    /// The delivery's id, if the signature covers one.
    pub id: Option<Vec<u8>>,
}

/// Why something cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignFault {
    /// A public key signs nothing.
    #[error("signing for Discord takes a private key (32 bytes in hex); the public one only verifies")]
    PublicKey,
    /// Twilio vouches for a body that is no form by its hash in the URL.
    #[error("the URL must have bodySHA256={0} in its query, because this body is no form")]
    BodyHash(String),
}

/// How a sender signs.
#[derive(Clone, Debug)]
pub struct Scheme {
    name: SchemeName,
    proof: Proof,
    /// Where in a JSON body the delivery's id stands, which is signed with it.
    body_id: Option<&'static [&'static str]>,
    /// Headers that may name the delivery and that no signature covers, best first.
    id_headers: Vec<Cow<'static, str>>,
    takes_forms: bool,
    status: u16,
    page: &'static str,
}

impl Scheme {
    /// What the setting stands for.
    ///
    /// # Errors
    /// What is wrong with `custom`, as `(its member, what to do)`; also if it is missing where it is needed.
    pub fn of(name: SchemeName, custom: Option<&CustomScheme>) -> Result<Self, Vec<(&'static str, String)>> {
        match (presets::of(name), custom) {
            (Some(preset), _) => Ok(preset),
            (None, Some(custom)) => custom::read(custom),
            (None, None) => Err(vec![("", "is needed by the scheme `custom`".into())]),
        }
    }

    /// `hub`, the default.
    #[must_use]
    pub fn hub() -> Self {
        presets::of(SchemeName::Hub).expect("hub is a preset")
    }

    fn new(name: SchemeName, proof: Proof, page: &'static str) -> Self {
        let id_headers = vec!["Idempotency-Key".into()];
        Self { name, proof, body_id: None, id_headers, takes_forms: false, status: 202, page }
    }

    fn ids(mut self, names: &[&'static str]) -> Self {
        self.id_headers.extend(names.iter().map(|&name| Cow::from(name)));
        self
    }

    fn body_id(self, path: &'static [&'static str]) -> Self {
        Self { body_id: Some(path), ..self }
    }

    fn forms(self) -> Self {
        Self { takes_forms: true, ..self }
    }

    fn ok(self) -> Self {
        Self { status: 200, ..self }
    }

    /// Its word in the API.
    #[must_use]
    pub fn name(&self) -> SchemeName {
        self.name
    }

    /// Checks the signature and says which key made it (by the caller's own word for it, `K`).
    ///
    /// The cost depends on the headers and the body, which the sender knows, and on the number of
    /// keys: all of them are tried, also after a match. Without any key, as for an unknown agent, a
    /// dummy is tried instead and its verdict dropped, so that time tells nobody which agents exist.
    ///
    /// # Errors
    /// The reason, for the agent's owner. The sender gets one answer for all of them.
    pub fn verify<'k, K, H: HeaderSource + ?Sized>(
        &self,
        keys: impl IntoIterator<Item = (K, &'k SigningKey)>,
        request: &Request<'_, H>,
    ) -> Result<Signed<K>, Refusal> {
        let claim = self.claim(request);
        // GitLab's older secrets are tokens: each secret is checked against what it would be sent as.
        let token =
            matches!(self.proof, Proof::Gitlab(_)).then(|| Carrier::Gitlab.claim(request).map(Claim::Token));
        let (mut signer, mut tried, mut refusal) = (None, false, None);
        for (name, key) in keys {
            tried = true;
            match token.as_ref().filter(|_| key.is_token()).unwrap_or(&claim) {
                Ok(claim) if claim.is_of(key) && signer.is_none() => signer = Some((name, claim)),
                Ok(_) => {}
                Err(reason) => drop(refusal.get_or_insert(reason)),
            }
        }
        if !tried && let Ok(claim) = &claim {
            black_box(claim.spend(request.body));
        }
        let Some((by, claim)) = signer else {
            let refusal = refusal.or(claim.as_ref().err().filter(|_| !tried));
            return Err(refusal.cloned().unwrap_or(Refusal::Mismatch));
        };
        self.check_body_time(request)?;
        Ok(Signed { by, id: claim.id().or_else(|| self.id_in(request.body)) })
    }

    /// What the request claims.
    fn claim<'r, H: HeaderSource + ?Sized>(&self, request: &Request<'r, H>) -> Result<Claim<'r>, Refusal> {
        match &self.proof {
            Proof::Mac(rules) | Proof::Gitlab(rules) => rules.claim(request).map(Claim::Mac),
            Proof::Twilio => twilio::claim(request).map(Claim::Mac),
            Proof::Discord => discord::claim(request).map(Claim::Ed25519),
            Proof::Token(carrier) => carrier.claim(request).map(Claim::Token),
        }
    }

    /// Checks a time of signing that stands in the body, which is believed by now.
    fn check_body_time<H: ?Sized>(&self, request: &Request<'_, H>) -> Result<(), Refusal> {
        let Proof::Mac(mac::MacRules { time: Some(rule), .. }) = &self.proof else { return Ok(()) };
        let TimeSource::Body(path) = rule.source else { return Ok(()) };
        let text = json::find(request.body, path).map_or("", |found| found.get());
        rule.check(text.as_bytes(), request.now, format!("the body's /{}", path.join("/")))
    }

    fn id_in(&self, body: &[u8]) -> Option<Vec<u8>> {
        json::find_text(body, self.body_id?).map(String::into_bytes)
    }

    /// The body in two parts, without the time of signing in it: what stays the same when it is sent again.
    #[must_use]
    pub fn timeless<'b>(&self, body: &'b [u8]) -> [&'b [u8]; 2] {
        match &self.proof {
            Proof::Mac(mac::MacRules { time: Some(rule), .. }) => match rule.source {
                TimeSource::Body(path) => json::without(body, path),
                TimeSource::Header | TimeSource::Field => [body, &[]],
            },
            Proof::Mac(_) | Proof::Twilio | Proof::Discord | Proof::Gitlab(_) | Proof::Token(_) => {
                [body, &[]]
            }
        }
    }

    /// The headers that sign this.
    ///
    /// # Errors
    /// The key cannot sign, or not this.
    pub fn sign(&self, key: &SigningKey, what: &ToSign<'_>) -> Result<Vec<(String, String)>, SignFault> {
        let text = || key.text().map_or("", |text| text.expose_secret());
        match &self.proof {
            Proof::Gitlab(_) if key.is_token() => Ok(Carrier::Gitlab.sign(text())),
            Proof::Mac(rules) | Proof::Gitlab(rules) => Ok(rules.sign(|message| key.mac_of(message), what)),
            Proof::Twilio => Ok(twilio::header(&key.mac_of(&twilio::message(what)?))),
            Proof::Discord => {
                let (time, message) = discord::message(what);
                let signature = key.ed25519_of(&message).ok_or(SignFault::PublicKey)?;
                Ok(discord::headers(time, &signature))
            }
            Proof::Token(carrier) => Ok(carrier.sign(text())),
        }
    }

    /// Whether senders of this scheme use this `Content-Type`. A request without one is fine here: the body is what
    /// was signed, and it is read as JSON anyway (Twilio's check refuses a form without one itself).
    #[must_use]
    pub fn takes_content_type(&self, value: &str) -> bool {
        is_json(value) || (self.takes_forms && is_form(value))
    }

    /// Headers that may name the delivery, best first. No signature covers them.
    pub fn id_headers(&self) -> impl Iterator<Item = &str> {
        self.id_headers.iter().map(AsRef::as_ref)
    }

    /// The headers that sign a hook or carry its secret: with them it could be sent once more.
    pub fn proof_headers(&self) -> impl Iterator<Item = &str> {
        let (rules, others): (Option<&mac::MacRules>, &[&'static str]) = match &self.proof {
            Proof::Mac(rules) => (Some(rules), &[]),
            Proof::Gitlab(rules) => (Some(rules), &[token::GITLAB]),
            Proof::Twilio => (None, &[twilio::HEADER]),
            Proof::Discord => (None, &[discord::SIGNATURE]),
            Proof::Token(carrier) => match carrier {
                Carrier::Bearer | Carrier::Basic => (None, &["Authorization"]),
                Carrier::Gitlab => (None, &[token::GITLAB]),
            },
        };
        let signatures =
            rules.into_iter().flat_map(|rules| &rules.names).map(|names| names.signature.as_ref());
        signatures.chain(others.iter().copied())
    }

    /// The status of the answer to a hook that was accepted: 202, or 200 where the sender takes nothing else.
    #[must_use]
    pub fn accepted_status(&self) -> u16 {
        self.status
    }

    /// The answer, if this is the sender's handshake and no event.
    #[must_use]
    pub fn handshake(&self, headers: &(impl HeaderSource + ?Sized), body: &[u8]) -> Option<Handshake> {
        handshake::of(self.name, headers, body)
    }

    /// The vendor's page; empty where there is none.
    #[must_use]
    pub fn page(&self) -> &'static str {
        self.page
    }
}

/// The one value of a header, if it is there.
fn single<'h, H: HeaderSource + ?Sized>(headers: &'h H, name: &'h str) -> Result<Option<&'h [u8]>, Refusal> {
    let mut values = headers.values(name);
    let value = values.next();
    match values.next() {
        None => Ok(value),
        Some(_) => Err(Refusal::Repeated { header: name.to_owned().into() }),
    }
}

/// Whether a body of unknown type is JSON rather than a form.
#[must_use]
pub fn looks_like_json(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start().first(), Some(b'{' | b'['))
}

#[cfg(test)]
mod tests;
