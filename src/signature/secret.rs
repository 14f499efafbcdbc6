//! From the text of a secret to the bytes of a key, and new secrets.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use crate::model::SecretEncoding;

/// The shortest key that may be stored, in decoded bytes. Shorter ones can be guessed offline by
/// whoever has seen one signed delivery.
pub const MIN_SECRET_BYTES: usize = 16;

/// How many bytes a new secret has: what a SHA-256 key can use.
pub(super) const GENERATED_BYTES: usize = 32;
/// What a secret of Standard Webhooks begins with.
pub(super) const WHSEC: &str = "whsec_";

/// Base64 as RFC 4648 §4 has it, padding optional: padding carries no bits, so leaving it out changes no
/// key. The URL-safe alphabet is refused, not understood: many decoders (Python's `b64decode`, say) skip
/// `-` and `_` in silence and arrive at another key, and such a sender's signatures would never match.
/// Refusing the secret when it is stored tells its owner then and there.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

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
    /// The scheme's secrets have one form only.
    #[error("secrets of this scheme have one form: leave secret_encoding out, or set it to {0}")]
    Encoding(&'static str),
    /// A token that no header can carry.
    #[error(
        "the token must be printable ASCII characters (for `bearer` without blanks): it is sent in a header"
    )]
    NotAToken,
    /// Not what `basic` needs.
    #[error("the secret must be user:password, as HTTP Basic sends them")]
    NotBasic,
    /// Not a public key.
    #[error(
        "the secret must be the application's public key, 64 hex digits, as Discord's developer portal shows it"
    )]
    NotAPublicKey,
    /// Only the other side can make it.
    #[error("the secret must be given: it is the application's public key from Discord's developer portal")]
    MustBeGiven,
}

/// The bytes that the text stands for; they are wiped when dropped.
pub(super) fn decode(
    secret: &SecretString,
    encoding: SecretEncoding,
) -> Result<Zeroizing<Vec<u8>>, SecretFault> {
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
    // HMAC pads with zero bytes, so a key of zeros only is the empty key by another name, or as well known.
    match bytes.iter().all(|&byte| byte == 0) {
        _ if bytes.is_empty() => Err(SecretFault::Empty),
        true => Err(SecretFault::Zeros),
        false => Ok(Zeroizing::new(bytes)),
    }
}

/// A new secret of 32 random bytes, written so that `encoding` reads it. Under `utf8` it is base64 text:
/// 44 characters that survive every form field and shell.
pub(super) fn generate(encoding: SecretEncoding) -> SecretString {
    let mut bytes = Zeroizing::new([0; GENERATED_BYTES]);
    rand::fill(bytes.as_mut_slice());
    SecretString::from(match encoding {
        SecretEncoding::Base64 | SecretEncoding::Utf8 => BASE64.encode(*bytes),
        SecretEncoding::Hex => hex::encode(*bytes),
        SecretEncoding::Whsec => format!("{WHSEC}{}", BASE64.encode(*bytes)),
    })
}
