//! `agenthook sign`: what a sender has to send.

use std::path::PathBuf;

use clap::Args;
use url::Url;

use super::failure::Failure;
use super::key::{KeyArgs, SignArgs};
use super::{curl, input, output};

/// Sign a payload: print the signature headers, or a curl command that sends it
#[derive(Args)]
#[command(after_help = "\
The bytes of FILE are signed exactly as they are; a line end at the end counts.

Examples:
  printf '%s' '{\"ticket_id\":\"TKT-123\"}' | agenthook sign --secret-file secret.txt -
  agenthook sign --secret-file secret.txt ticket.json \\
    --curl http://127.0.0.1:8000/webhook/agents/AGENT_ID/webhook
  agenthook sign --scheme stripe --secret-file secret.txt --now 1700000000 event.json")]
pub(super) struct Sign {
    /// The payload; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Print a curl command that posts exactly these bytes, signed, to this URL
    #[arg(long, value_name = "URL")]
    curl: Option<Url>,

    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    sign: SignArgs,
}

impl Sign {
    pub(super) fn run(self) -> Result<(), Failure> {
        let body = input::bytes(&self.file)?;
        let headers = self.sign.sign(&self.key, &body, self.curl.as_ref())?;
        output::print(match &self.curl {
            Some(url) => curl::command(url, &headers, &body, &self.file)?,
            None => {
                let signed = headers.iter().filter(|(name, _)| name != "Content-Type");
                let lines: Vec<_> = signed.map(|(name, value)| format!("{name}: {value}")).collect();
                lines.join("\n")
            }
        })
    }
}
