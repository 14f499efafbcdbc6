//! The scheme and the secret that `sign`, `verify` and `send` share.

use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;

use super::failure::Failure;
use super::input;
use crate::model::{SchemeName, SecretEncoding};
use crate::signature::{Scheme, SigningKey};

/// The words of [`SchemeName`].
pub(super) const SCHEMES: &[&str] = &["hub"];
/// The words of [`SecretEncoding`].
pub(super) const ENCODINGS: &[&str] = &["base64", "utf8", "hex", "whsec"];

#[derive(Args)]
#[command(next_help_heading = "Signature")]
pub(super) struct KeyArgs {
    /// How the sender signs. `hub` is X-Hub-Signature-256: HMAC-SHA256 over the raw body
    #[arg(long, value_name = "SCHEME", default_value = "hub", value_parser = input::word::<SchemeName>(SCHEMES))]
    scheme: SchemeName,

    /// The secret. A shell keeps what you type: AGENTHOOK_SECRET or --secret-file do not end up there
    #[arg(long, value_name = "SECRET", env = "AGENTHOOK_SECRET", hide_env_values = true)]
    #[arg(allow_hyphen_values = true)]
    secret: Option<SecretString>,

    /// A file that holds the secret (one line end at its end is ignored); goes before --secret
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,

    /// How the secret's text becomes the key: `base64` and `hex` are decoded, `utf8` is the text itself,
    /// `whsec` is whsec_ and base64
    #[arg(long, value_name = "ENCODING", default_value = "base64")]
    #[arg(value_parser = input::word::<SecretEncoding>(ENCODINGS))]
    secret_encoding: SecretEncoding,
}

impl KeyArgs {
    /// The scheme that was named.
    pub(super) fn scheme(&self) -> Scheme {
        Scheme::of(self.scheme)
    }

    /// The key: of any length, because it may be somebody else's.
    pub(super) fn key(&self) -> Result<SigningKey, Failure> {
        let secret = match (&self.secret_file, &self.secret) {
            (Some(path), _) => input::secret(path)?,
            (None, Some(secret)) => secret.clone(),
            (None, None) => {
                return Err(Failure::Usage(
                    "no secret: set AGENTHOOK_SECRET, or give --secret-file FILE or --secret SECRET".into(),
                ));
            }
        };
        SigningKey::new(&secret, self.secret_encoding).map_err(|fault| {
            Failure::Usage(fault.to_string().replace("secret_encoding to", "--secret-encoding to"))
        })
    }
}
