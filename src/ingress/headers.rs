//! The headers of a hook as they are kept: without secrets, and within bounds.

use std::collections::BTreeMap;

use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::callback;
use crate::app::AgentEntry;
use crate::model::{Headers, is_form};
use crate::signature::{PROOF_PARTS, Scheme};
use crate::web::ApiError;

/// What stands for a value that is not kept.
const HIDDEN: &str = "…";
/// Parts of names whose values are secrets, or may be, beside [`PROOF_PARTS`].
const SECRET: [&str; 7] = ["cookie", "secret", "passw", "credential", "session", "auth", "apikey"];

/// The headers without what could be used by whoever reads them: credentials, and signatures, with which the hook could
/// be sent once more.
pub(super) fn kept(all: &HeaderMap, entry: &AgentEntry) -> Headers {
    let scheme = entry.hook.as_ref().and_then(|hook| Some(&hook.as_ref().ok()?.scheme));
    // The agent's own header is one also where nothing can be made of its setting.
    let custom =
        entry.agent.spec.trigger.as_ref().and_then(|trigger| Some(trigger.custom.as_ref()?.header.as_str()));
    let own: Vec<&str> = scheme.into_iter().flat_map(Scheme::proof_headers).chain(custom).collect();
    let proves = |name: &str| own.iter().any(|own| own.eq_ignore_ascii_case(name));
    let (mut headers, mut bytes) = (Headers::default(), 0);
    // Without its type nobody would know what the payload is: it comes first.
    let (first, others): (Vec<_>, Vec<_>) = all.keys().partition(|name| *name == CONTENT_TYPE);
    for name in first.into_iter().chain(others).take(Headers::MAX_COUNT) {
        let value = if is_secret(name.as_str()) || proves(name.as_str()) {
            HIDDEN.to_owned()
        } else {
            let values: Vec<_> =
                all.get_all(name).map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            shortened(harmless(name.as_str(), values.join(", ")))
        };
        bytes += name.as_str().len() + value.len();
        if bytes > Headers::MAX_BYTES {
            break;
        }
        headers.0.insert(name.as_str().to_owned(), value);
    }
    headers
}

/// Headers that somebody wrote down, as those of a hook are kept. More than that is refused, not cut off: whoever tries an
/// agent wants to see what it makes of all of them.
pub(super) fn given(given: BTreeMap<String, String>) -> Result<Headers, ApiError> {
    let (mut headers, mut bytes) = (Headers::default(), 0);
    let too_many = |what: String| Err(ApiError::field("/headers", format!("must be at most {what}")));
    if given.len() > Headers::MAX_COUNT {
        return too_many(format!("{} headers", Headers::MAX_COUNT));
    }
    for (name, value) in given {
        let pointer = format!("/headers/{}", name.replace('~', "~0").replace('/', "~1"));
        let fault = |message: String| Err(ApiError::field(pointer.clone(), message));
        let Ok(known) = HeaderName::from_bytes(name.as_bytes()) else {
            return fault("is no name of a header".into());
        };
        if HeaderValue::from_str(&value).is_err() {
            return fault("is no value of a header".into());
        }
        if value.len() > Headers::MAX_VALUE_BYTES {
            return fault(format!("must be at most {} bytes", Headers::MAX_VALUE_BYTES));
        }
        if known == CONTENT_TYPE && is_form(&value) {
            return fault(
                "is a form, and what is tried is JSON: leave it out or say application/json".into(),
            );
        }
        let value =
            if is_secret(known.as_str()) { HIDDEN.to_owned() } else { harmless(known.as_str(), value) };
        bytes += known.as_str().len() + value.len();
        if headers.0.insert(known.as_str().to_owned(), value).is_some() {
            return fault("is there twice: names are the same in upper and lower case".into());
        }
    }
    if bytes > Headers::MAX_BYTES {
        return too_many(format!("{} bytes, names and values together", Headers::MAX_BYTES));
    }
    Ok(headers)
}

fn is_secret(name: &str) -> bool {
    // Any part of the URL may be a credential.
    if name.eq_ignore_ascii_case(callback::HEADER) {
        return true;
    }
    let is_key = name.ends_with("-key") && name != "idempotency-key";
    is_key || PROOF_PARTS.iter().chain(&SECRET).any(|part| name.contains(part))
}

/// So many characters of hex or base64 in a row are a key or a signature under whatever name: a SHA-1 in hex has 40, a
/// UUID 36.
const TOKEN_CHARS: usize = 40;

/// The value without what may be used by whoever reads it: signatures under a wrong name, which are a common mistake, and
/// what URLs carry along.
fn harmless(name: &str, mut value: String) -> String {
    let in_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '_' | '-');
    let has_token = value.split(|c| !in_token(c)).any(|part| part.len() >= TOKEN_CHARS);
    let has_userinfo = value.split_once("://").is_some_and(|(_, rest)| rest.contains('@'));
    // W3C's trace context is long and no secret.
    if (has_token && name != "traceparent") || has_userinfo {
        return HIDDEN.to_owned();
    }
    if let Some(query) = value.find('?') {
        value.truncate(query + 1);
        value.push_str(HIDDEN);
    }
    value
}

/// No longer than a value may be, and still UTF-8.
fn shortened(mut value: String) -> String {
    value.truncate(value.floor_char_boundary(Headers::MAX_VALUE_BYTES));
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_used_is_not_kept_under_whatever_name() {
        let shown = |value: &str| harmless("x-acme", value.to_owned());
        for hidden in [
            "sha256=845a546e7293147509fe09b16b40f86e1ba8a2356b413d58bb3aa27c428600c3".to_owned(),
            "a".repeat(TOKEN_CHARS),
            "RSOYDt4T1cUTdK1PDd93/VVr8B8RSOYDt4T1cUTdK1PDd93=".to_owned(),
            "http://user:password@host/path".to_owned(),
        ] {
            assert_eq!(shown(&hidden), HIDDEN, "{hidden}");
        }
        let uuid = "01a20174-af9d-764c-ac07-00a385c2f011";
        for kept in ["prod", uuid, "text/html, application/json;q=0.9", &"a".repeat(TOKEN_CHARS - 1)] {
            assert_eq!(shown(kept), kept);
        }
        assert_eq!(shown("https://host/path?token=abc"), "https://host/path?…");
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(harmless("traceparent", trace.to_owned()), trace);
    }
}
