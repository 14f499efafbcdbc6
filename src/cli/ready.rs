//! `ready`: whether one process can take work. For health checks of containers, which have no curl.

use std::time::Duration;

use clap::Args;

use super::api::ApiArgs;
use super::failure::Failure;
use super::output;

/// A supervisor asks again soon; a process that takes longer than this to answer is of no use to anybody.
const PATIENCE: Duration = Duration::from_secs(4);

/// Ask a process whether it is ready: exit code 0, or 1 and why not in one line
///
/// Asks /readyz of `agenthook serve` and `agenthook api`, and of an `agenthook worker` that has a --health-bind.
#[derive(Args)]
#[command(after_help = "Examples:\n  agenthook ready\n  agenthook ready --url http://127.0.0.1:8001")]
pub(super) struct Ready {
    /// The process [default: http://127.0.0.1:8000]
    #[arg(long, value_name = "URL", env = "AGENTHOOK_URL")]
    url: Option<String>,
}

impl Ready {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let answer = ApiArgs::at(self.url).anonymous()?.ready(PATIENCE).await?;
        // Whatever else answers there with 200 is not what was asked for.
        if answer.json["status"] != "ready" {
            return Err(Failure::Fault("what answers there is no agenthook process".into()));
        }
        output::print("ready")
    }
}
