//! `agenthook sign`: what a sender has to send.

use std::path::PathBuf;

use clap::Args;
use url::Url;

use super::failure::Failure;
use super::key::KeyArgs;
use super::{curl, input, output};

/// Sign a payload: print the signature headers, or a curl command that sends it
#[derive(Args)]
#[command(after_help = "\
The bytes of FILE are signed exactly as they are; a line end at the end counts.

Examples:
  printf '%s' '{\"ticket_id\":\"TKT-123\"}' | agenthook sign --secret-file secret.txt -
  agenthook sign --secret-file secret.txt ticket.json \\
    --curl http://127.0.0.1:8000/webhook/agents/AGENT_ID/webhook")]
pub(super) struct Sign {
    /// The payload; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Print a curl command that posts exactly these bytes, signed, to this URL
    #[arg(long, value_name = "URL")]
    curl: Option<Url>,

    #[command(flatten)]
    key: KeyArgs,
}

impl Sign {
    pub(super) fn run(self) -> Result<(), Failure> {
        let key = self.key.key()?;
        let body = input::bytes(&self.file)?;
        let headers = self.key.scheme().sign(&key, &body);
        output::print(match &self.curl {
            Some(url) => curl::command(url, &headers, &body, &self.file)?,
            None => {
                let lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                lines.join("\n")
            }
        })
    }
}
