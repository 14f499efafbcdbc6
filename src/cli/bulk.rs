//! `agenthook executions bulk`: one action on many executions.

use std::io::{BufRead, IsTerminal, Write};

use clap::{Args, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

use super::api::{Answer, Api};
use super::execution_filter::{HELD_REASONS, STATUSES};
use super::failure::Failure;
use super::{input, progress};
use crate::model::{AgentId, ExecutionStatus, HeldReason, TenantId};

/// Do something to all executions that match
///
/// Says how many they are and asks before it begins. The work goes on in the server.
#[derive(Args)]
#[command(after_help = "\
Examples:
  agenthook executions bulk release --agent AGENT_ID --held-reason paused --wait
  agenthook executions bulk retry --status failed --from 2026-01-31T00:00:00Z --dry-run
  agenthook executions bulk discard --held-reason quarantine --tenant acme --yes")]
pub(super) struct Bulk {
    /// What to do: release or discard what is held, retry what has failed, cancel what has not ended, replay anything
    action: Action,
    /// Only those that stand so
    #[arg(long, value_parser = input::word::<ExecutionStatus>(STATUSES))]
    status: Option<ExecutionStatus>,
    /// Only those that are held for this reason
    #[arg(long, value_name = "REASON", value_parser = input::word::<HeldReason>(HELD_REASONS))]
    held_reason: Option<HeldReason>,
    /// Only this agent's
    #[arg(long, value_name = "AGENT_ID")]
    agent: Option<AgentId>,
    /// Only this tenant's
    #[arg(long, value_name = "TENANT_ID")]
    tenant: Option<TenantId>,
    /// Only those received at this time or later (RFC 3339)
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only those received before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Only those with this text in their payload, output or error, in whichever case
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
    /// Only say how many they are
    #[arg(long, conflicts_with_all = ["yes", "wait"])]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Say how many still match, until none does or their number stands still (not of a replay, which changes none)
    #[arg(long)]
    wait: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Action {
    Retry,
    Replay,
    Cancel,
    Release,
    Discard,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Replay => "replay",
            Self::Cancel => "cancel",
            Self::Release => "release",
            Self::Discard => "discard",
        }
    }
}

impl Bulk {
    pub(super) async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        if self.wait && self.action == Action::Replay {
            return Err(Failure::Usage("--wait is not for replay: what was replayed still matches".into()));
        }
        if self.dry_run {
            return self.ask(api, true).await?.show(json, |answer| format!("{} match", matched(answer)));
        }
        if !self.yes && !self.is_wanted(api).await? {
            return Err(Failure::Negative);
        }
        let answer = self.ask(api, false).await?;
        answer.show(json, |answer| match answer.pointer("/job_id").and_then(Value::as_str) {
            Some(job_id) => format!("{} of {} begun, job {job_id}", self.action.as_str(), matched(answer)),
            None => "none match: there is nothing to do".to_owned(),
        })?;
        if !self.wait {
            return Ok(());
        }
        progress::follow(api, async |api| Ok(matched(&self.ask(api, true).await?.json))).await
    }

    /// Asks whoever sits there.
    async fn is_wanted(&self, api: &Api) -> Result<bool, Failure> {
        if !std::io::stdin().is_terminal() {
            return Err(Failure::Usage("nobody can be asked here: say --yes, or --dry-run first".into()));
        }
        let matched = matched(&self.ask(api, true).await?.json);
        anstream::eprint!("{} {matched} executions? [y/N] ", self.action.as_str());
        std::io::stderr().flush()?;
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        Ok(matches!(line.trim(), "y" | "Y" | "yes"))
    }

    async fn ask(&self, api: &Api, dry_run: bool) -> Result<Answer, Failure> {
        let filter = [
            ("status", self.status.map(|status| status.as_str().to_owned())),
            ("held_reason", self.held_reason.map(|reason| reason.as_str().to_owned())),
            ("agent_id", self.agent.map(|id| id.to_string())),
            ("tenant_id", self.tenant.clone().map(String::from)),
            ("from", self.from.clone()),
            ("to", self.to.clone()),
            ("q", self.q.clone()),
        ];
        let filter: serde_json::Map<_, _> =
            filter.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect();
        let body = json!({ "action": self.action.as_str(), "filter": filter, "dry_run": dry_run });
        api.write(Method::POST, &["executions", "bulk"], &body).await
    }
}

fn matched(answer: &Value) -> u64 {
    answer.pointer("/matched").and_then(Value::as_u64).unwrap_or_default()
}
