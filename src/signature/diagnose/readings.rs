//! The key that a secret's text stands for, and those that a sender may make of it instead.

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::Known;
use crate::model::SecretEncoding;
use crate::signature::secret::decode;

/// Bytes of a key; they are wiped when dropped.
pub(super) type Key = Zeroizing<Vec<u8>>;

/// Another way to read a secret's text.
pub(super) struct Reading {
    /// What the sender makes of the text, in words.
    pub how: &'static str,
    /// Whether the text is as it was shown: then `secret_encoding` can say the same.
    pub is_whole: bool,
    /// The text that it reads.
    pub text: SecretString,
    /// How.
    pub encoding: SecretEncoding,
}

/// The other keys that the text may stand for, each once.
pub(super) fn others(known: &Known) -> Vec<Reading> {
    let by = |encoding, how| Reading { how, is_whole: true, text: known.text.clone(), encoding };
    let bent = |text: String, encoding, how| Reading { how, is_whole: false, text: text.into(), encoding };
    let text = known.text.expose_secret();
    let all = [
        by(SecretEncoding::Utf8, "as it stands (utf8)"),
        by(SecretEncoding::Base64, "as base64"),
        by(SecretEncoding::Hex, "as hex"),
        by(SecretEncoding::Whsec, "as whsec_ and base64 (whsec)"),
        bent(format!("{text}\n"), SecretEncoding::Utf8, "with a line end behind it"),
        bent(text.trim().to_owned(), known.encoding, "without the white space around it"),
        bent(text.replace('-', "+").replace('_', "/"), SecretEncoding::Base64, "as URL-safe base64"),
    ];
    let mut seen: Vec<Key> = decode(&known.text, known.encoding).into_iter().collect();
    let mut is_new = |reading: &Reading| match decode(&reading.text, reading.encoding) {
        Ok(key) if !seen.contains(&key) => {
            seen.push(key);
            true
        }
        Ok(_) | Err(_) => false,
    };
    all.into_iter().filter(|reading| is_new(reading)).collect()
}

/// As settings write it.
pub(super) fn name(encoding: SecretEncoding) -> &'static str {
    match encoding {
        SecretEncoding::Base64 => "base64",
        SecretEncoding::Utf8 => "utf8",
        SecretEncoding::Hex => "hex",
        SecretEncoding::Whsec => "whsec",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_other_key_is_there_once() {
        let others = |text: &str, encoding| {
            let known = Known { whose: String::new(), text: text.into(), encoding };
            others(&known).into_iter().map(|reading| reading.how).collect::<Vec<_>>()
        };
        let (text, base64, hex) = ("as it stands (utf8)", "as base64", "as hex");
        let line_end = "with a line end behind it";
        // Sixteen hex digits are base64 too.
        assert_eq!(others("0123456789abcdef", SecretEncoding::Base64), [text, hex, line_end]);
        assert_eq!(others("0123456789abcdef", SecretEncoding::Utf8), [base64, hex, line_end]);
        let whsec = "as whsec_ and base64 (whsec)";
        assert_eq!(others("whsec_MfKQ9r8GKYqrTwjU", SecretEncoding::Whsec), [text, line_end]);
        assert_eq!(others("whsec_MfKQ9r8GKYqrTwjU", SecretEncoding::Utf8), [whsec, line_end]);
        let bare = "without the white space around it";
        assert_eq!(others(" secret\n", SecretEncoding::Utf8), [line_end, bare]);
    }
}
