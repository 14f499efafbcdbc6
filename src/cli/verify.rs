//! `agenthook verify`: is this signature right, and if not, why not?

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use owo_colors::OwoColorize;
use serde_json::json;

use super::failure::Failure;
use super::key::{KeyArgs, time};
use super::{hit_words, input, output};
use crate::signature::{Case, Request, diagnose};

/// Check a signature alone: the payload need not be JSON, the secret may be any that is not empty
#[derive(Args)]
#[command(after_help = "\
Prints `valid` and ends with 0, or what is wrong and ends with 1: docs/integrators.md says what to do.

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

    /// The time of the check in seconds since 1970, for schemes that sign a timestamp; now if it is not given
    #[arg(long, value_name = "UNIX", allow_negative_numbers = true)]
    now: Option<i64>,

    /// The URL that was called, for schemes that sign it: the characters that were signed
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// Print the verdict as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    key: KeyArgs,
}

impl Verify {
    pub(super) fn run(self) -> Result<(), Failure> {
        let headers = self.headers.iter().map(header).collect::<Result<Vec<_>, _>>()?;
        let scheme = self.key.scheme()?;
        let key = self.key.key(&scheme)?;
        let body = input::bytes(&self.file)?;
        let url = self.url.as_deref().unwrap_or("");
        let now = time(self.now)?;
        let request = Request { headers: headers.as_slice(), body: &body, url, now };
        if scheme.verify([((), &key)], &request).is_ok() {
            return output::print(match self.json {
                true => json!({"valid": true}).to_string(),
                false => "valid".green().to_string(),
            });
        }
        let live = &[self.key.known(&scheme)?];
        let case = Case { scheme: &scheme, headers: &headers, body: &body, url, now, live, strange: &[] };
        let diagnosis = diagnose(&case);
        output::print(match self.json {
            true => json!({"valid": false, "diagnosis": diagnosis}).to_string(),
            false => {
                format!("{}: {}: {}", "invalid".red(), hit_words::code(diagnosis.code), diagnosis.detail)
            }
        })?;
        Err(Failure::Negative)
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
