//! Twilio: HMAC-SHA1 over the URL and the sorted form, or over the URL alone, which then has the body's hash.
//!
//! <https://www.twilio.com/docs/usage/webhooks/webhooks-security>, and `request_validator.py` of Twilio's Python library
//! for what the page leaves out: parameters sort by their bytes and repeated values count once; the port may have been
//! in the URL that was signed or not.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use url::{Url, form_urlencoded};

use super::mac::MacClaim;
use super::template::Message;
use super::{HeaderSource, Refusal, Request, SignFault, ToSign, single};
use crate::model::is_form;

pub(super) const HEADER: &str = "X-Twilio-Signature";
/// The query's parameter with the hash of a body that is no form.
const BODY_HASH: &str = "bodySHA256";
/// Parameters of a form, at most: they are sorted before any key is tried, and Twilio sends some dozens.
const MAX_PARAMS: usize = 1000;

/// What the headers say.
pub(super) fn claim<'r, H: HeaderSource + ?Sized>(request: &Request<'r, H>) -> Result<MacClaim<'r>, Refusal> {
    let value = single(request.headers, HEADER)?.ok_or(Refusal::Missing { header: HEADER.into() })?;
    let signature = STANDARD.decode(value).ok().filter(|bytes| bytes.len() == 20).ok_or_else(|| {
        Refusal::Malformed { header: HEADER.into(), expected: "20 bytes in standard base64".into() }
    })?;
    let url = Url::parse(request.url).ok();
    let content_type = single(request.headers, "Content-Type")?.map(String::from_utf8_lossy);
    let form = match content_type {
        Some(value) => is_form(&value),
        None if body_hash(url.as_ref()).is_some() => false,
        // Whoever reads a body without a type reads JSON, and would see something else than what was checked.
        None => {
            let expected = "application/x-www-form-urlencoded, as Twilio sends it with a form".into();
            return Err(Refusal::Malformed { header: "Content-Type".into(), expected });
        }
    };
    let params = if form {
        if has_too_many(request.body) {
            let expected = format!("a form of at most {MAX_PARAMS} parameters").into();
            return Err(Refusal::Malformed { header: "the body".into(), expected });
        }
        sorted(request.body)
    } else {
        // What the URL does not vouch for is not signed at all.
        let right = body_hash(url.as_ref()).is_some_and(|hash| hash == hash_of(request.body));
        if !right {
            return Err(Refusal::Mismatch);
        }
        String::new()
    };
    let message =
        |url: String| Message { before: (url + &params).into_bytes(), body: &[], after: Vec::new() };
    let messages = spellings(request.url, url.as_ref()).into_iter().map(message).collect();
    Ok(MacClaim { messages, signatures: vec![signature], id: None })
}

/// The bytes to sign.
pub(super) fn message(what: &ToSign<'_>) -> Result<Message<'static>, SignFault> {
    let params = match body_hash(Url::parse(what.url).ok().as_ref()) {
        Some(hash) if hash == hash_of(what.body) => String::new(),
        None if !super::looks_like_json(what.body) => sorted(what.body),
        _ => return Err(SignFault::BodyHash(hash_of(what.body))),
    };
    Ok(Message { before: format!("{}{params}", what.url).into_bytes(), body: &[], after: Vec::new() })
}

/// The header of a signature.
pub(super) fn header(mac: &[u8]) -> Vec<(String, String)> {
    vec![(HEADER.to_owned(), STANDARD.encode(mac))]
}

/// Each name and value of a form, sorted, each once.
fn sorted(body: &[u8]) -> String {
    let params: BTreeSet<_> = form_urlencoded::parse(body).collect();
    params.into_iter().flat_map(|(name, value)| [name, value]).collect()
}

fn has_too_many(body: &[u8]) -> bool {
    form_urlencoded::parse(body).nth(MAX_PARAMS).is_some()
}

fn body_hash(url: Option<&Url>) -> Option<String> {
    url?.query_pairs().find(|(name, _)| name == BODY_HASH).map(|(_, value)| value.to_ascii_lowercase())
}

fn hash_of(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

/// The URL as it is, with its port, and without. All else stays as it was written.
fn spellings(text: &str, url: Option<&Url>) -> BTreeSet<String> {
    let mut spellings = BTreeSet::from([text.to_owned()]);
    let parts = url.and_then(|url| Some((url.port_or_known_default()?, text.split_once("://")?)));
    if let Some((port, (scheme, rest))) = parts {
        let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let host = match authority.rsplit_once(':') {
            Some((host, digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => authority,
        };
        spellings.insert(format!("{scheme}://{host}{target}"));
        spellings.insert(format!("{scheme}://{host}:{port}{target}"));
    }
    spellings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_sort_by_their_bytes_and_repeat_no_value() {
        assert_eq!(sorted(b"b=2&a=1&B=3&b=2&b=1&%C3%A9=x+y"), "B3a1b1b2éx y");
        assert_eq!(sorted(b""), "");
    }

    #[test]
    fn a_form_has_a_limit_of_parameters() {
        for (params, fine) in [(MAX_PARAMS - 1, true), (MAX_PARAMS, true), (MAX_PARAMS + 1, false)] {
            let body: Vec<_> = (0..params).map(|n| format!("{n}=")).collect();
            let body = body.join("&");
            let headers = [
                (HEADER, STANDARD.encode([0; 20])),
                ("Content-Type", "application/x-www-form-urlencoded".to_owned()),
            ];
            let now = crate::model::Time::UNIX_EPOCH;
            let request = Request { headers: &headers[..], body: body.as_bytes(), url: "https://h/", now };
            let refusal = claim(&request).err();
            assert_eq!(refusal.is_none(), fine, "{params}");
            assert!(fine || matches!(refusal, Some(Refusal::Malformed { .. })), "{refusal:?}");
        }
    }

    #[test]
    fn a_url_with_and_without_its_port() {
        let all =
            |text: &str| spellings(text, Url::parse(text).ok().as_ref()).into_iter().collect::<Vec<_>>();
        assert_eq!(all("https://h/a?b=%20"), ["https://h/a?b=%20", "https://h:443/a?b=%20"]);
        assert_eq!(all("https://h:443/a"), ["https://h/a", "https://h:443/a"]);
        assert_eq!(all("http://[::1]:8000?x"), ["http://[::1]:8000?x", "http://[::1]?x"]);
        assert_eq!(all("http://[::1]/"), ["http://[::1]/", "http://[::1]:80/"]);
        assert_eq!(all("no URL"), ["no URL"]);
    }
}
