//! Secrets that are sent as they are: they prove who sent a hook and nothing about its bytes.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{HeaderSource, Refusal, Request, single};

const AUTHORIZATION: &str = "Authorization";
/// <https://docs.gitlab.com/user/project/integrations/webhooks/#add-a-secret-token>
pub(super) const GITLAB: &str = "X-Gitlab-Token";

/// How a token is sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Carrier {
    /// RFC 6750: `Authorization: Bearer …`.
    Bearer,
    /// RFC 7617: `Authorization: Basic` and base64 of `user:password`.
    Basic,
    /// A header with nothing else.
    Gitlab,
}

impl Carrier {
    /// The header.
    pub fn header(self) -> &'static str {
        match self {
            Self::Bearer | Self::Basic => AUTHORIZATION,
            Self::Gitlab => GITLAB,
        }
    }

    /// The token in the headers.
    pub fn claim<'r, H: HeaderSource + ?Sized>(
        self,
        request: &Request<'r, H>,
    ) -> Result<Cow<'r, [u8]>, Refusal> {
        let header = self.header();
        let value = single(request.headers, header)?.ok_or(Refusal::Missing { header: header.into() })?;
        let malformed =
            |expected: &'static str| Refusal::Malformed { header: header.into(), expected: expected.into() };
        match self {
            Self::Bearer => {
                after(value, b"bearer ").map(Cow::from).ok_or(malformed("`Bearer` and then the token"))
            }
            Self::Basic => after(value, b"basic ")
                .and_then(|text| STANDARD.decode(text).ok())
                .map(Cow::from)
                .ok_or(malformed("`Basic` and then base64 of user:password")),
            Self::Gitlab => Ok(value.into()),
        }
    }

    /// The header with this token.
    pub fn sign(self, token: &str) -> Vec<(String, String)> {
        let value = match self {
            Self::Bearer => format!("Bearer {token}"),
            Self::Basic => format!("Basic {}", STANDARD.encode(token)),
            Self::Gitlab => token.to_owned(),
        };
        vec![(self.header().to_owned(), value)]
    }
}

/// What stands after the word of an authorization scheme, whose case does not matter (RFC 9110).
fn after<'v>(value: &'v [u8], word: &[u8]) -> Option<&'v [u8]> {
    let (start, rest) = value.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then_some(rest)
}
