//! From the text of a secret to a key that is ready to use.

use std::fmt;
use std::sync::LazyLock;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::model::SecretEncoding;

/// The shortest key that may be stored, in decoded bytes. Shorter ones can be guessed offline by
/// whoever has seen one signed delivery.
pub const MIN_SECRET_BYTES: usize = 16;

/// How many bytes [`generate_secret`] makes: what a SHA-256 key can use.
const GENERATED_BYTES: usize = 32;
/// Up to this length HMAC pads a key with zero bytes; longer ones are hashed first.
const BLOCK_BYTES: usize = 64;
const WHSEC: &str = "whsec_";

/// Base64 as RFC 4648 §4 has it, padding optional: padding carries no bits, so leaving it out changes no
/// key. The URL-safe alphabet is refused, not understood: many decoders (Python's `b64decode`, say) skip
/// `-` and `_` in silence and arrive at another key, and such a sender's signatures would never match.
/// Refusing the secret when it is stored tells its owner then and there.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key, keyed once: each use clones the HMAC's state, so nothing is decoded or derived twice.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    /// The key that this text stands for. It may be short: someone else's secret is as long as it is.
    ///
    /// # Errors
    /// The text is empty, or is not what `encoding` says.
    pub fn new(secret: &SecretString, encoding: SecretEncoding) -> Result<Self, SecretFault> {
        Self::of(&decode(secret, encoding)?)
    }

    /// The same for a secret that we are about to store, which must be long enough.
    ///
    /// # Errors
    /// As [`SigningKey::new`], and [`SecretFault::TooShort`].
    pub fn new_for_storage(secret: &SecretString, encoding: SecretEncoding) -> Result<Self, SecretFault> {
        let bytes = decode(secret, encoding)?;
        let key = Self::of(&bytes)?;
        match bytes.len() {
            MIN_SECRET_BYTES.. => Ok(key),
            bytes => Err(SecretFault::TooShort { bytes }),
        }
    }

    /// A key that nobody signs with, to spend the time of a check on. Its verdict means nothing.
    #[must_use]
    pub fn dummy() -> &'static Self {
        static DUMMY: LazyLock<SigningKey> = LazyLock::new(|| {
            let mut bytes = [0; GENERATED_BYTES];
            rand::fill(&mut bytes);
            SigningKey::of(&bytes).expect("random bytes are not all zero")
        });
        &DUMMY
    }

    /// HMAC pads with zero bytes, so a short key of zeros only is the empty key by another name, which
    /// everybody knows.
    fn of(bytes: &[u8]) -> Result<Self, SecretFault> {
        if bytes.is_empty() {
            return Err(SecretFault::Empty);
        }
        if bytes.len() <= BLOCK_BYTES && bytes.iter().all(|&byte| byte == 0) {
            return Err(SecretFault::Zeros);
        }
        Ok(Self(Hmac::new_from_slice(bytes).expect("HMAC takes a key of any length")))
    }

    /// Whether `signature` is this key's over `body`, compared in constant time.
    pub(super) fn verifies(&self, body: &[u8], signature: &[u8]) -> bool {
        self.0.clone().chain_update(body).verify_slice(signature).is_ok()
    }

    /// This key's signature over `body`.
    pub(super) fn mac_of(&self, body: &[u8]) -> [u8; 32] {
        self.0.clone().chain_update(body).finalize().into_bytes().into()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// Why a text is no usable secret. Never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretFault {
    /// No text, or a text of no bytes.
    #[error("the secret is empty, and everybody can sign with an empty key")]
    Empty,
    /// Nothing but zero bytes.
    #[error("the secret is nothing but zero bytes, which is no secret: give random ones")]
    Zeros,
    /// Can be guessed.
    #[error(
        "the secret has only {bytes} bytes (decoded): give at least {MIN_SECRET_BYTES}, better 32, or leave it \
         out to have one made"
    )]
    TooShort {
        /// Its decoded length.
        bytes: usize,
    },
    /// A blank or a line end came along when the secret was copied.
    #[error("the secret begins or ends with white space: remove it (a copied line end?)")]
    Whitespace,
    /// Not base64.
    #[error(
        "the secret is not standard base64 (A-Z a-z 0-9 + /, padding optional): if the sender uses the text \
         itself as the key, set secret_encoding to utf8; replace - by + and _ by / in URL-safe base64"
    )]
    NotBase64,
    /// Base64 was announced, the text is of Standard Webhooks.
    #[error("the secret begins with whsec_: set secret_encoding to whsec")]
    IsWhsec,
    /// Not hexadecimal.
    #[error(
        "the secret is not hex (an even number of 0-9 a-f): if the sender uses the text itself as the key, set \
         secret_encoding to utf8"
    )]
    NotHex,
    /// Not base64 behind the prefix.
    #[error("the secret is not whsec_ and then standard base64, as Standard Webhooks writes it")]
    NotWhsec,
}

/// The bytes that the text stands for; they are wiped when dropped.
fn decode(secret: &SecretString, encoding: SecretEncoding) -> Result<Zeroizing<Vec<u8>>, SecretFault> {
    let text = secret.expose_secret();
    if text.is_empty() {
        return Err(SecretFault::Empty);
    }
    // The text's own bytes are the key under utf8: there white space is as good as any other byte.
    if encoding != SecretEncoding::Utf8 && text.trim() != text {
        return Err(SecretFault::Whitespace);
    }
    let bytes = match encoding {
        SecretEncoding::Utf8 => text.as_bytes().to_vec(),
        SecretEncoding::Base64 if text.starts_with(WHSEC) => return Err(SecretFault::IsWhsec),
        SecretEncoding::Base64 => BASE64.decode(text).map_err(|_| SecretFault::NotBase64)?,
        SecretEncoding::Hex => hex::decode(text).map_err(|_| SecretFault::NotHex)?,
        // The libraries of Standard Webhooks take the secret without its prefix too.
        SecretEncoding::Whsec => {
            BASE64.decode(text.strip_prefix(WHSEC).unwrap_or(text)).map_err(|_| SecretFault::NotWhsec)?
        }
    };
    Ok(Zeroizing::new(bytes))
}

/// A new secret of 32 random bytes, written so that `encoding` reads it. Under `utf8` it is base64 text:
/// 44 characters that survive every form field and shell.
#[must_use]
pub fn generate_secret(encoding: SecretEncoding) -> SecretString {
    let mut bytes = Zeroizing::new([0; GENERATED_BYTES]);
    rand::fill(bytes.as_mut_slice());
    SecretString::from(match encoding {
        SecretEncoding::Base64 | SecretEncoding::Utf8 => BASE64.encode(*bytes),
        SecretEncoding::Hex => hex::encode(*bytes),
        SecretEncoding::Whsec => format!("{WHSEC}{}", BASE64.encode(*bytes)),
    })
}
