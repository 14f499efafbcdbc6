//! Who sent these bytes: the signature schemes, each of which verifies and signs.
//!
//! A [`Scheme`] is a closed set ([`SchemeName`] is its word in the API), and it is the agent's setting:
//! it is never guessed from the headers that a request happens to have, because then the sender would
//! choose how strictly it is checked. Everything here works on raw bytes and knows neither a web
//! framework nor a clock of its own; a header comes in through [`HeaderSource`].
//!
//! One scheme exists today. A further one is a variant of [`SchemeName`], a file with its rules beside
//! `hub.rs`, and an arm in each `match` below: the compiler lists them.

mod hub;
mod key;

use std::hint::black_box;

pub use key::{MIN_SECRET_BYTES, SecretFault, SigningKey, generate_secret};

use crate::model::SchemeName;

/// Where a scheme finds its headers.
pub trait HeaderSource {
    /// Every value of the header, in the order received. `name` is lower-case; case is ignored.
    fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]>;
}

/// Name and value pairs, as a command line or a test has them.
impl<N: AsRef<str>, V: AsRef<[u8]>> HeaderSource for [(N, V)] {
    fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(n, _)| n.as_ref().eq_ignore_ascii_case(name)).map(|(_, v)| v.as_ref())
    }
}

/// How a sender signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme(SchemeName);

impl Scheme {
    /// Every scheme there is.
    pub const ALL: [Self; 1] = [Self(SchemeName::Hub)];

    /// What the name stands for.
    #[must_use]
    pub fn of(name: SchemeName) -> Self {
        Self(name)
    }

    /// Checks the signature and says which key made it (by the caller's own word for it, `K`).
    ///
    /// The cost depends on the headers and the body, which the sender knows, and on the number of
    /// keys: all of them are tried, also after a match. Without any key, as for an unknown agent, a
    /// dummy is tried instead and its verdict dropped, so that time tells nobody which agents exist.
    ///
    /// # Errors
    /// The reason, for the agent's owner. The sender gets one answer for all of them.
    pub fn verify<'k, K>(
        self,
        keys: impl IntoIterator<Item = (K, &'k SigningKey)>,
        headers: &(impl HeaderSource + ?Sized),
        body: &[u8],
    ) -> Result<K, Refusal> {
        let SchemeName::Hub = self.0;
        let signature = hub::signature(headers)?;
        let mut signer = None;
        let mut tried = false;
        for (name, key) in keys {
            tried = true;
            if key.verifies(body, &signature) && signer.is_none() {
                signer = Some(name);
            }
        }
        if !tried {
            black_box(SigningKey::dummy().verifies(black_box(body), &signature));
        }
        signer.ok_or(Refusal::Mismatch)
    }

    /// The headers that sign these bytes.
    #[must_use]
    pub fn sign(self, key: &SigningKey, body: &[u8]) -> Vec<(&'static str, String)> {
        let SchemeName::Hub = self.0;
        hub::sign(key, body)
    }

    /// Whether senders of this scheme use this `Content-Type`. A request without one is always fine:
    /// the body is what was signed, and it is read as JSON anyway.
    #[must_use]
    pub fn takes_content_type(self, value: &str) -> bool {
        let SchemeName::Hub = self.0;
        hub::takes_content_type(value)
    }

    /// Headers that may name the delivery, best first. No signature covers them.
    #[must_use]
    pub fn id_headers(self) -> &'static [&'static str] {
        let SchemeName::Hub = self.0;
        &hub::ID_HEADERS
    }
}

/// Why a signature was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing is signed.
    #[error("no {header} header: the sender signs nothing, or signs under another scheme")]
    Missing {
        /// The header that is looked for.
        header: &'static str,
    },
    /// Two signatures: whoever checks the other one would see another sender.
    #[error("more than one {header} header: exactly one is taken")]
    Repeated {
        /// The header that is there twice.
        header: &'static str,
    },
    /// Not written as the scheme writes it.
    #[error("{header} is not written as it must be: {expected}")]
    Malformed {
        /// The header that cannot be read.
        header: &'static str,
        /// What it has to look like.
        expected: &'static str,
    },
    /// Made with another key, or over other bytes.
    #[error(
        "the signature is of another secret or of other bytes: check the secret and its encoding, and that \
         the body is signed exactly as it is sent (same spaces, same line ends)"
    )]
    Mismatch,
}

#[cfg(test)]
mod tests;
