//! Forms: some senders post them where others post JSON.

use std::borrow::Cow;

use serde_json::{Map, Value};
use url::form_urlencoded;

use super::Headers;

/// Whether this `Content-Type` is JSON: `application/json` or anything that ends in `+json`, whatever its parameters.
#[must_use]
pub fn is_json(content_type: &str) -> bool {
    let essence = essence(content_type);
    match essence.split_once('/') {
        Some(("application", "json")) => true,
        Some((kind, subtype)) => {
            !kind.is_empty() && subtype.strip_suffix("+json").is_some_and(|name| !name.is_empty())
        }
        None => false,
    }
}

/// Whether this `Content-Type` is what HTML forms post.
#[must_use]
pub fn is_form(content_type: &str) -> bool {
    essence(content_type) == "application/x-www-form-urlencoded"
}

fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The JSON that a payload stands for: its own bytes, or for a form an object of strings, of which the last one of a name
/// counts. The payload that is stored stays as it came.
#[must_use]
pub fn payload_json<'p>(payload: &'p [u8], headers: &Headers) -> Cow<'p, [u8]> {
    match headers.0.get("content-type") {
        Some(content_type) if is_form(content_type) => form_json(payload).into(),
        Some(_) | None => payload.into(),
    }
}

/// A form as the text of an object of strings; nothing stays nothing.
#[must_use]
pub fn form_json(form: &[u8]) -> Vec<u8> {
    if form.is_empty() {
        return Vec::new();
    }
    let members = form_urlencoded::parse(form)
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect::<Map<_, _>>();
    Value::Object(members).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_an_object_of_strings() {
        let shown = |form: &[u8]| String::from_utf8(form_json(form)).expect("text");
        assert_eq!(shown(b"a=1&b=x+y%22&a=2&c"), r#"{"a":"2","b":"x y\"","c":""}"#);
        assert_eq!(shown(b"%FF=%ED%A0%80"), "{\"\u{fffd}\":\"\u{fffd}\u{fffd}\u{fffd}\"}");
        assert_eq!(shown(b""), "");
        let headers = |value: &str| Headers([("content-type".to_owned(), value.to_owned())].into());
        let form = "Application/X-WWW-Form-Urlencoded; charset=utf-8";
        assert_eq!(payload_json(b"a=1", &headers(form))[..], b"{\"a\":\"1\"}"[..]);
        assert_eq!(payload_json(b"a=1", &headers("application/json"))[..], b"a=1"[..]);
        assert_eq!(payload_json(b"a=1", &Headers::default())[..], b"a=1"[..]);
    }
}
