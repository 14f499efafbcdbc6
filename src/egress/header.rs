//! Headers that an endpoint's owner may add.

use reqwest::header::{HeaderName, HeaderValue};

/// Whether a header's value may be shown to whoever looks at the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MayShow {
    /// It is ours.
    Yes,
    /// A person set it: it may be a credential.
    No,
}

/// Longest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 4096;

/// Names that are ours, or the connection's, in small letters.
const TAKEN: [&str; 22] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-event-id",
    "x-hokusai-signature",
    "x-hub-signature-256",
    "x-mlflow-signature",
    "x-timestamp",
    "x-webhook-id",
    "x-webhook-signature",
];
/// Standard Webhooks' names begin so.
const STANDARD: &str = "webhook-";

/// What is wrong with a header that an endpoint is to have; `None`: nothing.
#[must_use]
pub fn header_fault(name: &str, value: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Some("is no name of a header".into());
    }
    if TAKEN.contains(&lower.as_str()) || lower.starts_with(STANDARD) {
        return Some("is set by agenthook itself".into());
    }
    if value.len() > MAX_VALUE_BYTES {
        return Some(format!("must have at most {MAX_VALUE_BYTES} bytes"));
    }
    if value.bytes().any(|byte| !(b' '..=b'~').contains(&byte)) || HeaderValue::from_str(value).is_err() {
        return Some("must be one line of printable ASCII".into());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_endpoint_may_add() {
        assert_eq!(header_fault("Authorization", "Bearer abc"), None);
        assert_eq!(header_fault("X-Team", &"x".repeat(MAX_VALUE_BYTES)), None);
        for (name, value) in [
            ("Host", "a"),
            ("content-length", "1"),
            ("Webhook-Signature", "v1,x"),
            ("X-HUB-Signature-256", "x"),
            ("X-A", "a\r\nX-B: c"),
            ("X-A", "ä"),
            ("X-A\r\n", "a"),
            ("X A", "a"),
            ("", "a"),
            ("X-A", &"x".repeat(MAX_VALUE_BYTES + 1)),
        ] {
            assert!(header_fault(name, value).is_some(), "{name}: {value}");
        }
    }
}
