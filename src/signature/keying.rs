//! Each scheme's secrets: what key a text stands for, and new ones.

use secrecy::{ExposeSecret, SecretString};

use super::presets::Proof;
use super::token::Carrier;
use super::{MIN_SECRET_BYTES, Scheme, SecretFault, SigningKey, secret};
use crate::model::{Algorithm, SecretEncoding};

impl Scheme {
    /// The key that this text stands for, to verify with. It may be short: someone else's secret is as long as it is.
    ///
    /// # Errors
    /// The text is empty, or is not what the encoding and the scheme say.
    pub fn key(&self, secret: &SecretString, encoding: SecretEncoding) -> Result<SigningKey, SecretFault> {
        self.read_key(secret, encoding).map(|(key, _)| key)
    }

    /// The same for a secret that we are about to store, which must be long enough.
    ///
    /// # Errors
    /// As [`Scheme::key`], and [`SecretFault::TooShort`].
    pub fn key_to_store(
        &self,
        secret: &SecretString,
        encoding: SecretEncoding,
    ) -> Result<SigningKey, SecretFault> {
        match self.read_key(secret, encoding)? {
            (key, MIN_SECRET_BYTES..) => Ok(key),
            (_, bytes) => Err(SecretFault::TooShort { bytes }),
        }
    }

    /// The key to sign with: the same, except where signing takes another one than verifying.
    ///
    /// # Errors
    /// As [`Scheme::key`].
    pub fn key_to_sign(
        &self,
        secret: &SecretString,
        encoding: SecretEncoding,
    ) -> Result<SigningKey, SecretFault> {
        match &self.proof {
            Proof::Discord => {
                let bytes = secret::decode(secret, SecretEncoding::Hex)?;
                SigningKey::private(&bytes).ok_or(SecretFault::NotAPublicKey)
            }
            Proof::Mac(_) | Proof::Twilio | Proof::Gitlab(_) | Proof::Token(_) => self.key(secret, encoding),
        }
    }

    /// A key and how many bytes its secret has.
    fn read_key(
        &self,
        secret: &SecretString,
        encoding: SecretEncoding,
    ) -> Result<(SigningKey, usize), SecretFault> {
        let text = secret.expose_secret();
        let one_form = |only, word| if encoding == only { Ok(()) } else { Err(SecretFault::Encoding(word)) };
        let mac = |algorithm, encoding| {
            let bytes = secret::decode(secret, encoding)?;
            Ok((SigningKey::mac(&bytes, algorithm), bytes.len()))
        };
        let token = |fine: fn(u8) -> bool, fault| {
            secret::decode(secret, SecretEncoding::Utf8)?;
            match text {
                _ if text.trim() != text => Err(SecretFault::Whitespace),
                _ if !text.bytes().all(fine) => Err(fault),
                _ => Ok((SigningKey::token(secret.clone()), text.len())),
            }
        };
        match &self.proof {
            Proof::Mac(rules) => mac(rules.algorithm, encoding),
            Proof::Twilio => mac(Algorithm::Sha1, encoding),
            Proof::Discord => {
                one_form(SecretEncoding::Hex, "hex")?;
                let bytes = secret::decode(secret, encoding)?;
                let key = SigningKey::public(&bytes).ok_or(SecretFault::NotAPublicKey)?;
                Ok((key, bytes.len()))
            }
            // The text alone says what it is, whatever the encoding.
            Proof::Gitlab(rules) if text.starts_with(secret::WHSEC) => {
                mac(rules.algorithm, SecretEncoding::Whsec)
            }
            Proof::Gitlab(_) | Proof::Token(Carrier::Gitlab) => {
                token(|byte| (b' '..=b'~').contains(&byte), SecretFault::NotAToken)
            }
            Proof::Token(Carrier::Bearer) => {
                one_form(SecretEncoding::Utf8, "utf8")?;
                token(|byte| byte.is_ascii_graphic(), SecretFault::NotAToken)
            }
            Proof::Token(Carrier::Basic) => {
                one_form(SecretEncoding::Utf8, "utf8")?;
                if !text.is_empty() && !text.contains(':') {
                    return Err(SecretFault::NotBasic);
                }
                token(|byte| byte >= b' ' && byte != 0x7F, SecretFault::NotBasic)
            }
        }
    }

    /// A new secret that can be stored.
    ///
    /// # Errors
    /// Only the sender can make one.
    pub fn generate_secret(&self, encoding: SecretEncoding) -> Result<SecretString, SecretFault> {
        match &self.proof {
            Proof::Mac(_) | Proof::Twilio | Proof::Token(Carrier::Bearer | Carrier::Gitlab) => {
                Ok(secret::generate(encoding))
            }
            Proof::Gitlab(_) => Ok(secret::generate(SecretEncoding::Whsec)),
            Proof::Token(Carrier::Basic) => {
                let password = secret::generate(SecretEncoding::Utf8);
                Ok(format!("agenthook:{}", password.expose_secret()).into())
            }
            Proof::Discord => Err(SecretFault::MustBeGiven),
        }
    }
}
