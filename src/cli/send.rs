//! `agenthook send`: be the sender of one webhook.

use std::path::PathBuf;

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::api::ApiArgs;
use super::failure::Failure;
use super::key::{KeyArgs, SignArgs};
use super::problem::refusal;
use super::wait::WaitArgs;
use super::{input, output};
use crate::model::AgentId;

/// Sign one payload, post it to an agent and print the answer
#[derive(Args)]
#[command(after_help = "\
With --wait the execution is shown when it has ended; that needs AGENTHOOK_API_KEY, sending alone does not.

Examples:
  printf '%s' '{\"ticket_id\":\"TKT-123\"}' | AGENTHOOK_SECRET=… agenthook send --agent AGENT_ID -
  agenthook send --agent AGENT_ID --secret-file secret.txt --wait ticket.json")]
pub(super) struct Send {
    /// The payload; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The agent to start
    #[arg(long, value_name = "AGENT_ID")]
    agent: AgentId,

    /// Sent as Idempotency-Key: the same key again is the same delivery
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,

    /// Sent as Agenthook-Callback-Url: where to tell the end of the run, on a host that the agent calls back
    #[arg(long, value_name = "URL")]
    callback: Option<SecretString>,

    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    sign: SignArgs,
    #[command(flatten)]
    api: ApiArgs,
}

impl Send {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let body = input::bytes(&self.file)?;
        // A key that is missing is told before anything is sent.
        let api = if self.wait.wait { self.api.api()? } else { self.api.anonymous()? };
        let url = api.webhook_url(&self.agent.to_string());
        let mut headers = self.sign.sign(&self.key, &body, Some(&url))?;
        headers.extend(self.idempotency_key.map(|key| ("Idempotency-Key".to_owned(), key)));
        if let Some(url) = &self.callback {
            // What is no value of a header would end in an error that shows it.
            let is_fine = url.expose_secret().bytes().all(|byte| byte.is_ascii_graphic());
            if !is_fine {
                return Err(Failure::Usage(
                    "--callback is no URL: percent-encode spaces and what is not ASCII".into(),
                ));
            }
            headers.push(("Agenthook-Callback-Url".to_owned(), url.expose_secret().to_owned()));
        }
        let (status, text) = api.deliver(&self.agent.to_string(), &headers, body).await?;
        let execution = match status {
            200..300 => execution_id(&text),
            401 => {
                return Err(Failure::Fault(format!(
                    "{}: check the secret, --scheme, --secret-encoding and the agent's id (the server does not say which \
                     is wrong)",
                    refusal(status, &text)
                )));
            }
            _ => return Err(Failure::Fault(refusal(status, &text))),
        };
        if is_duplicate(&text) {
            anstream::eprintln!("a duplicate: this delivery was accepted before, and runs once");
        }
        match execution {
            Some(execution) if self.wait.wait => self.wait.show(&api, &execution, self.api.json).await,
            Some(execution) if !self.api.json => {
                output::print(output::plain(&text))?;
                anstream::eprintln!("show it: agenthook executions show {}", output::plain(&execution));
                Ok(())
            }
            _ => output::print(if self.api.json { text } else { output::plain(&text) }),
        }
    }
}

fn is_duplicate(answer: &str) -> bool {
    serde_json::from_str::<Value>(answer).is_ok_and(|answer| answer["status"] == "duplicate")
}

fn execution_id(answer: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    Some(answer.pointer("/execution_id")?.as_str()?.to_owned())
}
