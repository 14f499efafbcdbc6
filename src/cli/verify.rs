//! `agenthook verify`: is this signature right, and if not, why not?

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use owo_colors::OwoColorize;
use serde_json::json;
use url::Url;

use super::failure::Failure;
use super::key::KeyArgs;
use super::{input, output};
use crate::signature::Refusal;

/// Check a signature alone: the payload need not be JSON, the secret may be any that is not empty
#[derive(Args)]
#[command(after_help = "\
Prints `valid` and ends with 0, or the reason and ends with 1.

Example:
  agenthook verify --scheme hub --secret-file secret.txt \\
    --header 'X-Hub-Signature-256: sha256=845a546e…' ticket.json")]
pub(super) struct Verify {
    /// The payload, byte for byte as it was received; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// A header as it was received; may be given several times
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    headers: Vec<OsString>,

    /// The time of the check in seconds since 1970, for schemes that sign a timestamp (hub does not)
    #[arg(long, value_name = "UNIX", allow_negative_numbers = true)]
    now: Option<i64>,

    /// The URL that was called, for schemes that sign it (hub does not)
    #[arg(long, value_name = "URL")]
    url: Option<Url>,

    /// Print the verdict as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    key: KeyArgs,
}

impl Verify {
    pub(super) fn run(self) -> Result<(), Failure> {
        let headers = self.headers.iter().map(header).collect::<Result<Vec<_>, _>>()?;
        let key = self.key.key()?;
        let body = input::bytes(&self.file)?;
        // Taken from everybody, needed by the schemes that sign them: hub signs the body alone.
        let _ = (self.now, self.url);
        match self.key.scheme().verify([((), &key)], headers.as_slice(), &body) {
            Ok(()) if self.json => output::print(json!({"valid": true}).to_string()),
            Ok(()) => output::print("valid".green().to_string()),
            Err(refusal) => {
                let (code, detail) = (code(refusal), refusal.to_string());
                output::print(if self.json {
                    json!({"valid": false, "diagnosis": {"code": code, "detail": detail}}).to_string()
                } else {
                    format!("{}: {detail}", "invalid".red())
                })?;
                Err(Failure::Negative)
            }
        }
    }
}

/// The name of the reason in the API.
fn code(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Missing { .. } => "missing_header",
        Refusal::Repeated { .. } | Refusal::Malformed { .. } | Refusal::Mismatch => "unknown",
    }
}

/// `Name: value`; blanks around the value belong to the line, not to the value, as in HTTP.
fn header(line: &OsString) -> Result<(String, Vec<u8>), Failure> {
    let bytes = line.as_encoded_bytes();
    let colon = bytes.iter().position(|&byte| byte == b':');
    let parts = colon.and_then(|at| Some((str::from_utf8(&bytes[..at]).ok()?.trim(), &bytes[at + 1..])));
    match parts {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.trim_ascii().to_vec())),
        // not echoed: what looks like no header may be a token
        _ => Err(Failure::Usage("a --header must be written 'Name: value'".into())),
    }
}
