//! Signatures that are an HMAC over a template: what nearly all senders do, each with its own headers and words.
//!
//! Strict where leniency would only help an attacker or hide a broken sender: one header, the prefix exactly, digits in
//! lower case (no preset's sender writes others), base64 in its one form. So every single changed bit of a right
//! signature is a wrong one.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::template::{Message, Template, Values};
use super::time::{TimeRule, TimeSource};
use super::{HeaderSource, Refusal, Request, ToSign, single};
use crate::model::{Algorithm, SignatureEncoding};

/// Signatures in one header, at most: more than anybody needs to exchange a secret.
const MAX_SIGNATURES: usize = 10;

/// How one sender signs.
#[derive(Clone, Debug)]
pub(super) struct MacRules {
    /// The headers' names; further sets are other names for the same.
    pub names: Vec<Names>,
    pub template: Template,
    pub algorithm: Algorithm,
    pub encoding: SignatureEncoding,
    /// Whether hex digits may be in upper case throughout.
    pub either_case: bool,
    pub prefix: Cow<'static, str>,
    pub prefix_needed: bool,
    pub layout: Layout,
    pub time: Option<TimeRule>,
}

/// The headers of a signature.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub signature: Cow<'static, str>,
    /// The time of signing, where it has a header of its own.
    pub timestamp: Option<Cow<'static, str>>,
    /// The delivery's id, where the template has it.
    pub id: Option<Cow<'static, str>>,
}

/// How a header holds signatures.
#[derive(Clone, Debug)]
pub(super) enum Layout {
    /// One.
    One,
    /// One or several with this between them; those without the prefix are of another kind and do not count.
    List(Cow<'static, str>),
    /// Fields, as in `t=…,v1=…`: the time of signing and signatures; others do not count.
    Fields,
}

/// The signatures in a header, and the time of signing where it is there too.
type Read<'v> = (Vec<Vec<u8>>, Option<&'v [u8]>);

/// What a request claims: bytes, and who is said to have signed them.
pub(super) struct MacClaim<'r> {
    /// What may have been signed; more than one where senders differ.
    pub messages: Vec<Message<'r>>,
    pub signatures: Vec<Vec<u8>>,
    /// The id that is signed too.
    pub id: Option<Vec<u8>>,
}

impl MacRules {
    /// What the headers say.
    pub fn claim<'r, H: HeaderSource + ?Sized>(
        &self,
        request: &Request<'r, H>,
    ) -> Result<MacClaim<'r>, Refusal> {
        let headers = request.headers;
        let is_there = |names: &&Names| headers.values(&names.signature).next().is_some();
        let names = self.names.iter().find(is_there).unwrap_or(&self.names[0]);
        let value = needed(headers, &names.signature)?;
        let (signatures, field) = self.signatures(value, names)?;
        let timestamp = match (&self.time, &names.timestamp) {
            (Some(rule), Some(name)) => {
                let text = needed(headers, name)?;
                rule.check(text, request.now, name.clone())?;
                text
            }
            (Some(rule), None) if matches!(rule.source, TimeSource::Field) => {
                let text = field.ok_or_else(|| self.malformed(names))?;
                rule.check(text, request.now, format!("{} (t=)", names.signature))?;
                text
            }
            _ => &[],
        };
        let id = match &names.id {
            Some(name) => Some(needed(headers, name)?)
                .filter(|id| !id.is_empty())
                .ok_or(Refusal::Malformed { header: name.clone(), expected: "the delivery's id".into() })?,
            None => &[],
        };
        let message = self.template.fill(Values { id, timestamp, url: request.url }, request.body);
        let id = names.id.is_some().then(|| id.to_vec());
        Ok(MacClaim { messages: vec![message], signatures, id })
    }

    /// The signatures in a header, and its field `t`.
    fn signatures<'v>(&self, value: &'v [u8], names: &Names) -> Result<Read<'v>, Refusal> {
        let malformed = || self.malformed(names);
        let text = str::from_utf8(value).map_err(|_| malformed())?;
        let (mut signatures, mut time) = (Vec::new(), None);
        match &self.layout {
            Layout::One => signatures.push(self.signature(text).ok_or_else(malformed)?),
            Layout::List(separator) => {
                let all = text.split(separator.as_ref()).map(str::trim_ascii);
                signatures.extend(all.filter_map(|one| self.signature(one)));
            }
            Layout::Fields => {
                for field in text.split(',').map(str::trim_ascii) {
                    if let Some(at) = field.strip_prefix("t=") {
                        if time.replace(at.as_bytes()).is_some() {
                            return Err(malformed());
                        }
                    } else {
                        signatures.extend(self.signature(field));
                    }
                }
            }
        }
        if signatures.is_empty() || signatures.len() > MAX_SIGNATURES {
            return Err(malformed());
        }
        Ok((signatures, time))
    }

    /// The bytes of one signature.
    fn signature(&self, text: &str) -> Option<Vec<u8>> {
        let digits = match text.strip_prefix(self.prefix.as_ref()) {
            Some(digits) => digits,
            None if self.prefix_needed => return None,
            None => text,
        };
        let bytes = match self.encoding {
            SignatureEncoding::Hex => {
                let lower = !digits.bytes().any(|digit| digit.is_ascii_uppercase());
                let upper = self.either_case && !digits.bytes().any(|digit| digit.is_ascii_lowercase());
                (lower || upper).then(|| hex::decode(digits).ok())??
            }
            SignatureEncoding::Base64 => STANDARD.decode(digits).ok()?,
        };
        (bytes.len() == bytes_of(self.algorithm)).then_some(bytes)
    }

    /// The headers that sign this, with `mac` as the key's HMAC.
    pub fn sign(&self, mac: impl Fn(&Message<'_>) -> Vec<u8>, what: &ToSign<'_>) -> Vec<(String, String)> {
        let names = &self.names[0];
        let time = match &self.time {
            Some(rule) if !matches!(rule.source, TimeSource::Body(_)) => rule.write(what.now),
            Some(_) | None => String::new(),
        };
        let values = Values { id: what.id.as_bytes(), timestamp: time.as_bytes(), url: what.url };
        let mac = mac(&self.template.fill(values, what.body));
        let digits = match self.encoding {
            SignatureEncoding::Hex => hex::encode(mac),
            SignatureEncoding::Base64 => STANDARD.encode(mac),
        };
        let start = match self.layout {
            Layout::One | Layout::List(_) => String::new(),
            Layout::Fields => format!("t={time},"),
        };
        let mut headers = vec![(names.signature.to_string(), format!("{start}{}{digits}", self.prefix))];
        headers.extend(names.timestamp.iter().map(|name| (name.to_string(), time.clone())));
        headers.extend(names.id.iter().map(|name| (name.to_string(), what.id.to_owned())));
        headers
    }

    fn malformed(&self, names: &Names) -> Refusal {
        Refusal::Malformed { header: names.signature.clone(), expected: self.expected().into() }
    }

    /// What a header has to look like.
    pub fn expected(&self) -> String {
        let prefix = match (self.prefix.as_ref(), self.prefix_needed) {
            ("", _) => String::new(),
            (prefix, true) => format!("`{prefix}` and then "),
            (prefix, false) => format!("`{prefix}` (or nothing) and then "),
        };
        let bytes = bytes_of(self.algorithm);
        let digits = match self.encoding {
            SignatureEncoding::Hex if self.either_case => format!("exactly {} hex digits", 2 * bytes),
            SignatureEncoding::Hex => format!("exactly {} lower-case hex digits", 2 * bytes),
            SignatureEncoding::Base64 => format!("{bytes} bytes in standard base64"),
        };
        match &self.layout {
            Layout::One => format!("{prefix}{digits}"),
            Layout::List(separator) => format!("{prefix}{digits}; several are separated by `{separator}`"),
            Layout::Fields => format!("fields: `t=` and the time of signing, {prefix}{digits}"),
        }
    }
}

/// The one value of a header that must be there.
#[allow(clippy::ptr_arg, reason = "a refusal names the header, and a preset's name costs nothing to clone")]
fn needed<'h, H: HeaderSource + ?Sized>(
    headers: &'h H,
    name: &'h Cow<'static, str>,
) -> Result<&'h [u8], Refusal> {
    single(headers, name)?.ok_or_else(|| Refusal::Missing { header: name.clone() })
}

/// How many bytes an HMAC has.
pub(super) fn bytes_of(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::Sha1 => 20,
        Algorithm::Sha256 => 32,
        Algorithm::Sha512 => 64,
    }
}
