//! A key that is ready to use.

use std::fmt;
use std::sync::LazyLock;

use ed25519_dalek::{Signature, Signer, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::secret::GENERATED_BYTES;
use super::template::Message;
use crate::model::Algorithm;

/// A key of one scheme, made once: each use clones an HMAC's state, so nothing is decoded or derived twice.
#[derive(Clone)]
pub struct SigningKey(Kind);

#[derive(Clone)]
enum Kind {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
    /// Sent as it is. It is compared by its HMAC under a key of this process, so that time tells neither how much of
    /// it is right nor how long it is.
    Token {
        text: SecretString,
        mark: [u8; 32],
    },
    /// Verifies; signs only where the private half is known.
    Ed25519 {
        public: VerifyingKey,
        private: Option<ed25519_dalek::SigningKey>,
    },
}

impl SigningKey {
    /// A key for HMACs.
    pub(super) fn mac(bytes: &[u8], algorithm: Algorithm) -> Self {
        const ANY: &str = "HMAC takes a key of any length";
        Self(match algorithm {
            Algorithm::Sha1 => Kind::Sha1(Hmac::new_from_slice(bytes).expect(ANY)),
            Algorithm::Sha256 => Kind::Sha256(Hmac::new_from_slice(bytes).expect(ANY)),
            Algorithm::Sha512 => Kind::Sha512(Hmac::new_from_slice(bytes).expect(ANY)),
        })
    }

    /// A token that is sent as it is.
    pub(super) fn token(text: SecretString) -> Self {
        let mark = marker().clone().chain_update(text.expose_secret()).finalize().into_bytes().into();
        Self(Kind::Token { text, mark })
    }

    /// A public key; `None` if it is none, or one of those under which anybody can sign.
    pub(super) fn public(bytes: &[u8]) -> Option<Self> {
        let public = VerifyingKey::from_bytes(bytes.try_into().ok()?).ok()?;
        (!public.is_weak()).then_some(Self(Kind::Ed25519 { public, private: None }))
    }

    /// A private key; `None` if it has not 32 bytes.
    pub(super) fn private(bytes: &[u8]) -> Option<Self> {
        let private = ed25519_dalek::SigningKey::from_bytes(bytes.try_into().ok()?);
        Some(Self(Kind::Ed25519 { public: private.verifying_key(), private: Some(private) }))
    }

    /// A key that nobody signs with, to spend the time of a check on. Its verdict means nothing.
    pub(super) fn dummy() -> &'static Self {
        static DUMMY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::mac(&random(), Algorithm::Sha256));
        &DUMMY
    }

    /// Whether it is a token.
    pub(super) fn is_token(&self) -> bool {
        matches!(self.0, Kind::Token { .. })
    }

    /// Whether one of the signatures is this key's over the message, compared in constant time.
    pub(super) fn made_mac(&self, message: &Message<'_>, signatures: &[Vec<u8>]) -> bool {
        match &self.0 {
            Kind::Sha1(key) => made(key, message, signatures),
            Kind::Sha256(key) => made(key, message, signatures),
            Kind::Sha512(key) => made(key, message, signatures),
            Kind::Token { .. } | Kind::Ed25519 { .. } => false,
        }
    }

    /// Whether this is the token, compared in constant time.
    pub(super) fn is(&self, token: &[u8]) -> bool {
        match &self.0 {
            Kind::Token { mark, .. } => marker().clone().chain_update(token).verify_slice(mark).is_ok(),
            Kind::Sha1(_) | Kind::Sha256(_) | Kind::Sha512(_) | Kind::Ed25519 { .. } => false,
        }
    }

    /// Whether the signature is of the private key to this public one.
    pub(super) fn made_ed25519(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        match &self.0 {
            Kind::Ed25519 { public, .. } => {
                public.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
            }
            Kind::Sha1(_) | Kind::Sha256(_) | Kind::Sha512(_) | Kind::Token { .. } => false,
        }
    }

    /// This key's HMAC over the message; of no bytes for a key of another kind.
    pub(super) fn mac_of(&self, message: &Message<'_>) -> Vec<u8> {
        match &self.0 {
            Kind::Sha1(key) => over(key, message).finalize().into_bytes().to_vec(),
            Kind::Sha256(key) => over(key, message).finalize().into_bytes().to_vec(),
            Kind::Sha512(key) => over(key, message).finalize().into_bytes().to_vec(),
            Kind::Token { .. } | Kind::Ed25519 { .. } => Vec::new(),
        }
    }

    /// The token's text.
    pub(super) fn text(&self) -> Option<&SecretString> {
        match &self.0 {
            Kind::Token { text, .. } => Some(text),
            Kind::Sha1(_) | Kind::Sha256(_) | Kind::Sha512(_) | Kind::Ed25519 { .. } => None,
        }
    }

    /// The private key's signature; `None` without one.
    pub(super) fn ed25519_of(&self, message: &[u8]) -> Option<[u8; 64]> {
        match &self.0 {
            Kind::Ed25519 { private, .. } => Some(private.as_ref()?.sign(message).to_bytes()),
            Kind::Sha1(_) | Kind::Sha256(_) | Kind::Sha512(_) | Kind::Token { .. } => None,
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// The state after the message.
fn over<M: Mac + Clone>(key: &M, message: &Message<'_>) -> M {
    message.parts().into_iter().fold(key.clone(), Mac::chain_update)
}

fn made<M: Mac + Clone>(key: &M, message: &Message<'_>, signatures: &[Vec<u8>]) -> bool {
    let state = over(key, message);
    // all of them, also after a match
    signatures.iter().filter(|one| state.clone().verify_slice(one).is_ok()).count() > 0
}

fn marker() -> &'static Hmac<Sha256> {
    static MARKER: LazyLock<Hmac<Sha256>> =
        LazyLock::new(|| Hmac::new_from_slice(&random()).expect("HMAC takes a key of any length"));
    &MARKER
}

fn random() -> [u8; GENERATED_BYTES] {
    let mut bytes = [0; GENERATED_BYTES];
    rand::fill(&mut bytes);
    bytes
}
