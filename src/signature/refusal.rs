//! Why a signature was refused.

use std::borrow::Cow;

/// Why a signature was refused. The agent's owner may see it; the sender gets one answer for all of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing is signed.
    #[error("no {header} header: the sender signs nothing, or signs under another scheme")]
    Missing {
        /// The header that is looked for.
        header: Cow<'static, str>,
    },
    /// Two signatures: whoever checks the other one would see another sender.
    #[error("more than one {header} header: exactly one is taken")]
    Repeated {
        /// The header that is there twice.
        header: Cow<'static, str>,
    },
    /// Not written as the scheme writes it.
    #[error("{header} is not written as it must be: {expected}")]
    Malformed {
        /// The header that cannot be read.
        header: Cow<'static, str>,
        /// What it has to look like.
        expected: Cow<'static, str>,
    },
    /// The time of signing is not there, or is none.
    #[error("the time of signing in {place} must be {expected}")]
    NoTime {
        /// Where it is looked for: a header, or a member of the body.
        place: Cow<'static, str>,
        /// How it has to be written.
        expected: &'static str,
    },
    /// Signed too long ago, or in the future.
    #[error(
        "signed {} s {}, and no more than {tolerance} s are taken: check both clocks, and that a stored request is not \
         sent again", seconds.unsigned_abs(), if *seconds < 0 { "ago" } else { "in the future" }
    )]
    Skewed {
        /// The time of signing after ours, in s; negative is before.
        seconds: i64,
        /// How many are taken either way.
        tolerance: u32,
    },
    /// Made with another key, or over other bytes.
    #[error(
        "the signature is of another secret or of other bytes: check the secret and its encoding, and that \
         the body is signed exactly as it is sent (same spaces, same line ends)"
    )]
    Mismatch,
}
