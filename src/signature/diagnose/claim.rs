//! The signature as the sender wrote it, read more kindly than a check may.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Bytes of a header that are looked at, at most.
const MAX_BYTES: usize = 4096;
/// Claims of one request, at most.
const MAX: usize = 16;
/// The shortest signature: MD5's.
const SHORTEST: usize = 16;

/// One thing that may be meant as a signature.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// What stands before it, with its `=`, `,` or `:`.
    pub prefix: String,
    /// How it is written.
    pub writing: Writing,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// How bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    LowerHex,
    UpperHex,
    Base64,
    UrlSafeBase64,
}

impl Writing {
    pub fn name(self) -> &'static str {
        match self {
            Self::LowerHex => "lower-case hex",
            Self::UpperHex => "hex with upper-case digits",
            Self::Base64 => "base64",
            Self::UrlSafeBase64 => "URL-safe base64",
        }
    }
}

/// All that a header may be meant to say: of each of its parts the whole, and what stands behind its prefix.
pub(super) fn claims(value: &[u8]) -> Vec<Claim> {
    let mut claims = Vec::new();
    let Ok(text) = str::from_utf8(value.get(..MAX_BYTES).unwrap_or(value)) else { return claims };
    let whole = std::iter::once(text.trim());
    for part in whole.chain(text.split([' ', ',', ';'])).filter(|part| !part.is_empty()) {
        let cuts = part
            .char_indices()
            .filter(|(_, c)| matches!(c, '=' | ',' | ':'))
            .map(|(at, c)| at + c.len_utf8());
        for (prefix, written) in std::iter::once(0).chain(cuts).map(|at| part.split_at(at)) {
            let prefix = last_word(prefix);
            let found = read(written.trim()).map(|(writing, bytes)| Claim {
                prefix: prefix.to_owned(),
                writing,
                bytes,
            });
            for claim in found {
                if claims.len() < MAX && !claims.contains(&claim) {
                    claims.push(claim);
                }
            }
        }
    }
    claims
}

/// The prefix without what belongs to another part.
fn last_word(prefix: &str) -> &str {
    let Some((end, _)) = prefix.char_indices().next_back() else { return prefix };
    prefix[..end].rfind([' ', ',', ';']).map_or(prefix, |at| &prefix[at + 1..])
}

/// The bytes that this text may stand for.
fn read(text: &str) -> impl Iterator<Item = (Writing, Vec<u8>)> {
    let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    let hex = hex::decode(text).ok().map(|bytes| match is_lower {
        true => (Writing::LowerHex, bytes),
        false => (Writing::UpperHex, bytes),
    });
    let bare = text.trim_end_matches('=');
    let base64 = STANDARD_NO_PAD.decode(bare).ok().map(|bytes| (Writing::Base64, bytes));
    let is_url_safe = base64.is_none();
    let url_safe = URL_SAFE_NO_PAD.decode(bare).ok().filter(|_| is_url_safe);
    let all = [hex, base64, url_safe.map(|bytes| (Writing::UrlSafeBase64, bytes))];
    all.into_iter().flatten().filter(|(_, bytes)| bytes.len() >= SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_found_however_it_is_written() {
        let bytes: Vec<u8> = (0..32).map(|n| n * 8 + 3).collect();
        let (hex, base64) = (hex::encode(&bytes), STANDARD_NO_PAD.encode(&bytes));
        for (value, prefix, writing) in [
            (hex.clone(), "", Writing::LowerHex),
            (format!("sha256={hex}"), "sha256=", Writing::LowerHex),
            (format!("SHA256:{}", hex.to_uppercase()), "SHA256:", Writing::UpperHex),
            (format!("{base64}="), "", Writing::Base64),
            (format!("v1,{base64}="), "v1,", Writing::Base64),
            (format!("sha256={}", URL_SAFE_NO_PAD.encode(&bytes)), "sha256=", Writing::UrlSafeBase64),
            (format!("t=1700000000,v1={hex}"), "v1=", Writing::LowerHex),
            (format!(" {hex} "), "", Writing::LowerHex),
        ] {
            let all = claims(value.as_bytes());
            let found = all.iter().find(|claim| claim.bytes == bytes && claim.writing == writing);
            assert_eq!(found.map(|claim| claim.prefix.as_str()), Some(prefix), "{value}: {all:?}");
        }
    }

    #[test]
    fn garbage_is_no_signature_and_costs_little() {
        for value in [&b""[..], b"sha256=", b"sha256=00", b"\xff\xfe", b"hello", &[b'='; 100_000]] {
            assert!(claims(value).is_empty(), "{value:?}");
        }
        assert!(claims(&b"0123456789abcdef0123456789abcdef,".repeat(100)).len() <= MAX);
    }
}
