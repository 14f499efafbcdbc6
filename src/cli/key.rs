//! The scheme and the secret that `sign`, `verify` and `send` share.

use std::path::{Path, PathBuf};

use clap::Args;
use secrecy::SecretString;
use url::Url;
use uuid::Uuid;

use super::failure::Failure;
use super::input;
use crate::clock::Clock;
use crate::model::{CustomScheme, SchemeName, SecretEncoding, Time};
use crate::signature::{Known, Scheme, SecretFault, SigningKey, ToSign, looks_like_json};

/// The words of [`SchemeName`].
pub(super) const SCHEMES: &[&str] = &[
    "hub",
    "github",
    "gitlab",
    "standard-webhooks",
    "stripe",
    "slack",
    "shopify",
    "linear",
    "zendesk",
    "jira",
    "pagerduty",
    "intercom",
    "sentry",
    "twilio",
    "discord",
    "hokusai",
    "mlflow",
    "x-webhook",
    "bearer",
    "basic",
    "custom",
];
/// The words of [`SecretEncoding`].
pub(super) const ENCODINGS: &[&str] = &["base64", "utf8", "hex", "whsec"];

#[derive(Args)]
#[command(next_help_heading = "Signature")]
pub(super) struct KeyArgs {
    /// How the sender signs: `hub`, if it is not given, is X-Hub-Signature-256, HMAC-SHA256 over the raw body
    #[arg(long, value_name = "SCHEME", value_parser = input::word::<SchemeName>(SCHEMES))]
    scheme: Option<SchemeName>,

    /// A file with a `custom` scheme in JSON, as an agent's trigger.custom has it: {"header": "X-Signature", …}
    #[arg(long, value_name = "FILE")]
    custom: Option<PathBuf>,

    /// The secret. A shell keeps what you type: AGENTHOOK_SECRET or --secret-file do not end up there
    #[arg(long, value_name = "SECRET", env = "AGENTHOOK_SECRET", hide_env_values = true)]
    #[arg(allow_hyphen_values = true)]
    secret: Option<SecretString>,

    /// A file that holds the secret (one line end at its end is ignored); goes before --secret
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,

    /// How the secret's text becomes the key: `base64` and `hex` are decoded, `utf8` is the text itself,
    /// `whsec` is whsec_ and base64. Without it: as the scheme's senders have it (base64 for hub)
    #[arg(long, value_name = "ENCODING")]
    #[arg(value_parser = input::word::<SecretEncoding>(ENCODINGS))]
    secret_encoding: Option<SecretEncoding>,
}

impl KeyArgs {
    /// The scheme that was named.
    pub(super) fn scheme(&self) -> Result<Scheme, Failure> {
        let custom = self.custom.as_deref().map(custom).transpose()?;
        let name = match (self.scheme, &custom) {
            (None | Some(SchemeName::Custom), Some(_)) => SchemeName::Custom,
            (Some(_), Some(_)) => {
                return Err(Failure::Usage("--custom is a scheme of its own: leave --scheme out".into()));
            }
            (scheme, None) => scheme.unwrap_or_default(),
        };
        Scheme::of(name, custom.as_ref()).map_err(|faults| {
            let faults: Vec<_> = faults
                .into_iter()
                .map(|(member, message)| match member {
                    "" => "--scheme custom: say how with --custom FILE.json".to_owned(),
                    member => format!("--custom: {member} {message}"),
                })
                .collect();
            Failure::Usage(faults.join("; "))
        })
    }

    /// The key to verify with: of any length, because it may be somebody else's.
    pub(super) fn key(&self, scheme: &Scheme) -> Result<SigningKey, Failure> {
        scheme.key(&self.secret()?, self.encoding(scheme)).map_err(usage)
    }

    /// The secret that was given, for whoever looks for a mistake.
    pub(super) fn known(&self, scheme: &Scheme) -> Result<Known, Failure> {
        let (text, encoding) = (self.secret()?, self.encoding(scheme));
        Ok(Known { whose: "the secret that was given".to_owned(), text, encoding })
    }

    /// The key to sign with.
    pub(super) fn key_to_sign(&self, scheme: &Scheme) -> Result<SigningKey, Failure> {
        scheme.key_to_sign(&self.secret()?, self.encoding(scheme)).map_err(usage)
    }

    fn encoding(&self, scheme: &Scheme) -> SecretEncoding {
        self.secret_encoding.unwrap_or(scheme.name().default_encoding())
    }

    fn secret(&self) -> Result<SecretString, Failure> {
        match (&self.secret_file, &self.secret) {
            (Some(path), _) => input::secret(path),
            (None, Some(secret)) => Ok(secret.clone()),
            (None, None) => Err(Failure::Usage(
                "no secret: set AGENTHOOK_SECRET, or give --secret-file FILE or --secret SECRET".into(),
            )),
        }
    }
}

/// What is signed beside the body.
#[derive(Args)]
#[command(next_help_heading = "Signature")]
pub(super) struct SignArgs {
    /// The time of signing in seconds since 1970, for schemes that sign one; now if it is not given
    #[arg(long, value_name = "UNIX", visible_alias = "timestamp", allow_negative_numbers = true)]
    now: Option<i64>,

    /// The URL, for schemes that sign it, as the server knows it: AGENTHOOK_PUBLIC_URL and the path
    #[arg(long, value_name = "URL")]
    url: Option<Url>,

    /// The delivery's id, for schemes that sign one; a new one if it is not given
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

impl SignArgs {
    /// The headers that sign these bytes, with the `Content-Type` before them.
    pub(super) fn sign(
        &self,
        args: &KeyArgs,
        body: &[u8],
        url: Option<&Url>,
    ) -> Result<Vec<(String, String)>, Failure> {
        let scheme = args.scheme()?;
        let key = args.key_to_sign(&scheme)?;
        let id = match &self.id {
            Some(id) => id.clone(),
            None => format!("msg_{}", Uuid::now_v7().simple()),
        };
        let url = self.url.as_ref().or(url).map_or("", Url::as_str);
        let what = ToSign { body, url, now: time(self.now)?, id: &id };
        let signed = scheme.sign(&key, &what).map_err(|fault| Failure::Usage(fault.to_string()))?;
        let form = scheme.takes_content_type(FORM) && !looks_like_json(body);
        let content_type = if form { FORM } else { "application/json" };
        Ok([vec![("Content-Type".to_owned(), content_type.to_owned())], signed].concat())
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

/// The time that was given, or now.
pub(super) fn time(given: Option<i64>) -> Result<Time, Failure> {
    match given {
        None => Ok(Clock::system().now()),
        Some(seconds) => Time::from_timestamp(seconds, 0)
            .ok_or_else(|| Failure::Usage("--now is no time that a calendar has".into())),
    }
}

/// The scheme in a file.
fn custom(path: &Path) -> Result<CustomScheme, Failure> {
    serde_json::from_value(input::json(path)?)
        .map_err(|error| Failure::Usage(format!("{} is no custom scheme: {error}", path.display())))
}

fn usage(fault: SecretFault) -> Failure {
    Failure::Usage(fault.to_string().replace("secret_encoding", "--secret-encoding"))
}
