//! What a request claims, before anybody believes it.

use std::borrow::Cow;
use std::hint::black_box;

use super::SigningKey;
use super::discord::Ed25519Claim;
use super::mac::MacClaim;
use super::template::Message;

/// What a request claims to be.
pub(super) enum Claim<'r> {
    Mac(MacClaim<'r>),
    Ed25519(Ed25519Claim),
    Token(Cow<'r, [u8]>),
}

impl Claim<'_> {
    /// Whether this key proves it.
    pub fn is_of(&self, key: &SigningKey) -> bool {
        match self {
            Self::Mac(claim) => {
                // all of them, also after a match
                let made = claim.messages.iter().map(|message| key.made_mac(message, &claim.signatures));
                made.filter(|made| *made).count() > 0
            }
            Self::Ed25519(claim) => key.made_ed25519(&claim.message, &claim.signature),
            Self::Token(token) => key.is(token),
        }
    }

    /// The time of a check that is known to fail.
    pub fn spend(&self, body: &[u8]) -> bool {
        let message = Message { before: Vec::new(), body: black_box(body), after: Vec::new() };
        match self {
            Self::Mac(claim) => SigningKey::dummy().made_mac(&message, &claim.signatures),
            Self::Ed25519(_) | Self::Token(_) => SigningKey::dummy().made_mac(&message, &[]),
        }
    }

    /// The id in a header that is signed.
    pub fn id(&self) -> Option<Vec<u8>> {
        match self {
            Self::Mac(claim) => claim.id.clone(),
            Self::Ed25519(_) | Self::Token(_) => None,
        }
    }
}
