//! How much of the proxy's words a tenant may read.
//!
//! LiteLLM's messages are written for its operator: they carry shortened keys, key hashes, the names of
//! other model groups and of deployments (measured against LiteLLM 1.106.2), and quote whatever a
//! provider said. Where we know the case we say it in our own words; only where the provider's words are
//! the news do they come through here. When in doubt a word goes: the operator has the whole text in the
//! proxy's log, under the call id.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// Longest text that is passed on, in characters.
const MAX_CHARS: usize = 500;

/// From here on a message is LiteLLM's note to its operator: routing, fallbacks, deployments. The first four
/// are 1.106.2's (a prompt too long for the model, a timeout, deployments in cooldown, any failure), the rest
/// older proxies'.
const NOTES: [&str; 10] = [
    "\nmodel=",
    "\n\nDeployment Info:",
    "pre-call-checks=",
    "\n\nLiteLLM:",
    "fallbacks=",
    "cooldown_list=",
    "Deployments=",
    "Received Model Group=",
    "Available Model Group Fallbacks",
    "LiteLLM Retried:",
];

/// How keys and account ids of well-known makers begin.
const KEY_PREFIXES: [&str; 11] =
    ["sk-", "AIza", "AKIA", "ya29.", "eyJ", "gsk_", "hf_", "xai-", "ghp_", "org-", "proj_"];

/// The error itself, without LiteLLM's notes. Those quote other errors too, such as that of a fallback that
/// failed as well.
pub(super) fn news(text: &str) -> &str {
    let end = NOTES.iter().filter_map(|note| text.find(note)).min().unwrap_or(text.len());
    &text[..end]
}

/// The news as a tenant may read it: one line, without anything that looks like a key.
pub(super) fn clean(text: &str) -> String {
    let mut line = String::new();
    let mut rest = news(text);
    while !rest.is_empty() {
        let other = rest.find(in_token).unwrap_or(rest.len());
        rest[..other].chars().for_each(|c| line.push(if c.is_control() { ' ' } else { c }));
        let token = &rest[other..];
        let token = &token[..token.find(|c| !in_token(c)).unwrap_or(token.len())];
        line.push_str(if is_secret(token) { "…" } else { token });
        rest = &rest[other + token.len()..];
    }
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_CHARS) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

/// Takes the call's own key out of the message in an error's body, whatever characters it is made of: [`clean`]
/// knows only what keys usually look like.
pub(super) fn forget(key: &SecretString, body: &mut Vec<u8>) {
    // Of what is no JSON nothing is quoted.
    let Ok(mut answer) = serde_json::from_slice::<Value>(body) else { return };
    let key = key.expose_secret();
    if let Some(Value::String(message)) = answer.pointer_mut("/error/message")
        && !key.is_empty()
        && message.contains(key)
    {
        *message = message.replace(key, "…");
        *body = answer.to_string().into_bytes();
    }
}

/// What a key, a shortened key or an address is made of.
fn in_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*' | '@')
}

fn is_secret(token: &str) -> bool {
    let begins_key = |prefix: &&str| {
        // Inside a word it is none: "task-based".
        token
            .match_indices(*prefix)
            .any(|(at, _)| !token[..at].ends_with(|c: char| c.is_ascii_alphanumeric()))
    };
    let random = |run: &str| {
        let digits = run.bytes().filter(u8::is_ascii_digit).count();
        let hex = run.bytes().all(|b| b.is_ascii_hexdigit());
        // Plain numbers are limits and counts, and rarely longer than this.
        digits > 0 && (run.len() >= 20 || (hex && run.len() >= 12 && digits < run.len()))
    };
    KEY_PREFIXES.iter().any(begins_key)
        || token.contains("**")
        || (token.contains('@') && token.len() > 1)
        || token.split(|c: char| !c.is_ascii_alphanumeric()).any(random)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_hashes_and_other_groups_go_and_the_news_stays() {
        let hash = "854f3a".repeat(11);
        let cases = [
            (format!("Limit for api_key: {hash}. Current limit: 2"), "Limit for api_key: … Current limit: 2"),
            ("Incorrect API key provided: sk-abc***xyz. See".to_owned(), "Incorrect API key provided: … See"),
            ("Received=wron****1234, x".to_owned(), "Received=…, x"),
            ("Received API Key = sk-...1234, Key".to_owned(), "Received API Key = …, Key"),
            ("at https://me:hunter2@host/v1?key=AIzaSyD-x".to_owned(), "at https://me:…/v1?key=…"),
            ("bad\0 line\r\nbreak".to_owned(), "bad line break"),
            ("no\n\nLiteLLM: model group 'x' … ['secret-group']".to_owned(), "no"),
            ("no. Received Model Group=a\nAvailable Model Group Fallbacks=['b']".to_owned(), "no."),
            (
                "too long.\nmodel=X. context_window_fallbacks=None. fallbacks=[{'a': ['b']}].\n\nSet 'c'"
                    .to_owned(),
                "too long.",
            ),
            ("for gpt-4o in org-AbC123 on tokens".to_owned(), "for gpt-4o in … on tokens"),
            (
                "task-based risk-free gpt-4o-mini-2024-07-18 claude-3-5-sonnet-20241022 128000 tokens"
                    .to_owned(),
                "task-based risk-free gpt-4o-mini-2024-07-18 claude-3-5-sonnet-20241022 128000 tokens",
            ),
        ];
        for (text, clean_text) in cases {
            assert_eq!(clean(&text), clean_text, "{text}");
        }
        assert_eq!(clean(&"ä".repeat(9000)).chars().count(), MAX_CHARS + 1);
    }

    #[test]
    fn the_calls_own_key_goes_whatever_it_is_made_of() {
        for key in ["sk-a/b+c=d", "hunter2", r#"sk-"quoted"\back"#, "e"] {
            let body = serde_json::json!({"error": {"message": format!("no: {key}, {key}."), "type": "t"}});
            let mut bytes = body.to_string().into_bytes();
            forget(&key.into(), &mut bytes);
            let body: Value = serde_json::from_slice(&bytes).expect("JSON as before");
            assert_eq!(body, serde_json::json!({"error": {"message": "no: …, ….", "type": "t"}}));
        }
        let mut page = b"<html>hunter2".to_vec();
        forget(&"hunter2".into(), &mut page);
        assert_eq!(page, b"<html>hunter2");
    }

    proptest! {
        #[test]
        fn no_key_survives_wherever_it_stands(
            before in ".{0,40}", key in "sk-[A-Za-z0-9_-]{8,40}", after in ".{0,40}",
        ) {
            let text = clean(&format!("{before} {key} {after}"));
            prop_assert!(!text.contains(&key));
            prop_assert!(!text.contains(char::is_control));
        }

        #[test]
        fn a_virtual_keys_hash_never_survives(hash in "[0-9a-f]{64}", by in "[:= '(]") {
            let text = clean(&format!("api_key{by}{hash}."));
            prop_assert!(!text.contains(&hash));
        }
    }
}
