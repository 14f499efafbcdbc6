//! `--wait`: an execution's end, shown, and told by the exit code.

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;

use super::api::{Answer, Api};
use super::failure::Failure;
use super::{output, trace};
use crate::model::ExecutionStatus;

/// How often it is looked.
const POLL: Duration = Duration::from_millis(250);

#[derive(Args)]
pub(super) struct WaitArgs {
    /// Wait for the execution to end and show it; ends with 1 if it failed or was cancelled
    #[arg(long)]
    pub(super) wait: bool,

    /// The longest to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600, requires = "wait")]
    wait_seconds: u64,
}

impl WaitArgs {
    /// Something runs now: shows its end, or says what it is.
    pub(super) async fn begun(
        &self,
        api: &Api,
        answer: &Answer,
        json: bool,
        told: impl Fn(&Value) -> String,
    ) -> Result<(), Failure> {
        let id = output::field(&answer.json, "/execution_id");
        if self.wait {
            return self.show(api, &id, json).await;
        }
        answer.show(json, told)?;
        if !json {
            anstream::eprintln!("show it: agenthook executions show {id}");
        }
        Ok(())
    }

    /// Waits for the end of an execution and shows it.
    pub(super) async fn show(&self, api: &Api, execution: &str, json: bool) -> Result<(), Failure> {
        let ended = ended(api, execution, Duration::from_secs(self.wait_seconds)).await?;
        output::print(if json {
            ended.clone()
        } else {
            trace::with_reasons(api, execution, &ended).await?
        })?;
        let ended: Value = serde_json::from_str(&ended).unwrap_or_default();
        match status(&ended) {
            Some(ExecutionStatus::Success) => Ok(()),
            _ => Err(Failure::Negative),
        }
    }
}

/// The execution's JSON once it has ended.
async fn ended(api: &Api, execution: &str, patience: Duration) -> Result<String, Failure> {
    let start = Instant::now();
    loop {
        let answer = api.get(&["executions", execution], &[]).await?;
        if status(&answer.json).is_some_and(ExecutionStatus::is_terminal) {
            return Ok(answer.text);
        }
        if start.elapsed() >= patience {
            return Err(Failure::Fault(format!(
                "execution {execution} has not ended within {} s; it goes on: agenthook executions show {execution}",
                patience.as_secs()
            )));
        }
        tokio::time::sleep(POLL).await;
    }
}

fn status(execution: &Value) -> Option<ExecutionStatus> {
    ExecutionStatus::parse(execution.pointer("/status")?.as_str()?)
}
