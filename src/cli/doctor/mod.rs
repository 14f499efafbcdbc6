//! `agenthook doctor`: is everything there that a run needs, and what is to do if not?
//!
//! It looks and changes nothing: no file, key or table is made that `serve` would make. Each check is a
//! question with one answer, `ok`, `warn` (works, but look at it) or `fail`, and says what to do.

mod database;
mod keys;
mod litellm;
mod mlflow;
mod redis;
mod settings;

use clap::Args;
use serde::Serialize;

use super::failure::Failure;
use super::output::{self, plain, table};
use crate::config::SettingsArgs;

/// Check the settings, the database, Redis, the encryption key, LiteLLM and MLflow, and say what to do
///
/// Takes the settings of `agenthook serve`, from the same flags and environment variables. Changes nothing.
#[derive(Args)]
#[command(after_help = "\
Ends with 1 if a check fails; a warning is no failure.

Examples:
  agenthook doctor
  agenthook doctor --json | jq '.checks[] | select(.status != \"ok\")'")]
pub(super) struct Doctor {
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Ok,
    Warn,
    Fail,
}

/// The answer to one question.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    status: Status,
    message: String,
}

fn ok(check: &'static str, message: impl Into<String>) -> Finding {
    Finding { check, status: Status::Ok, message: message.into() }
}

fn warn(check: &'static str, message: impl Into<String>) -> Finding {
    Finding { check, status: Status::Warn, message: message.into() }
}

fn fail(check: &'static str, message: impl Into<String>) -> Finding {
    Finding { check, status: Status::Fail, message: message.into() }
}

impl Doctor {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let findings = findings(self.settings).await;
        let failed = findings.iter().any(|finding| finding.status == Status::Fail);
        output::print(if self.json {
            serde_json::json!({"ok": !failed, "checks": findings}).to_string()
        } else {
            let rows = findings.iter().map(|finding| {
                let status = match finding.status {
                    Status::Ok => "ok",
                    Status::Warn => "warn",
                    Status::Fail => "fail",
                };
                [status.to_owned(), finding.check.to_owned(), plain(&finding.message)]
            });
            table(["", "CHECK", "FINDING"], rows)
        })?;
        if failed { Err(Failure::Negative) } else { Ok(()) }
    }
}

async fn findings(args: SettingsArgs) -> Vec<Finding> {
    let settings = match args.resolve() {
        Ok(settings) => settings,
        // Nothing else can be looked at without knowing where it is.
        Err(error) => return vec![fail("settings", error.to_string())],
    };
    let mut findings = settings::check(&settings);
    let (found, store) = database::check(&settings).await;
    findings.extend(found);
    // A module of ours, not the crate.
    findings.extend(self::redis::check(&settings).await);
    findings.extend(keys::check(&settings, store.as_ref()).await);
    findings.extend(litellm::check(&settings, store.as_ref()).await);
    findings.extend(mlflow::check(&settings).await);
    if let Some(store) = store {
        store.close().await;
    }
    findings
}

#[cfg(test)]
mod tests;
