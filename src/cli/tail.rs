//! `agenthook executions tail`: what happens to executions, while it happens.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::api::{Api, Opened};
use super::execution_filter::STATUSES;
use super::failure::Failure;
use super::output::field;
use super::sse::{Message, Messages};
use super::{input, output, trace};
use crate::model::{AgentId, ExecutionStatus, TenantId};

/// From one try to connect again to the next: at first, and at most.
const SOON: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_secs(15);
/// Changes that are known again when they are told again, at most.
const REMEMBERED: usize = 20_000;

/// Follow executions: one line for each change, as it happens, until Ctrl-C
///
/// When the connection breaks it comes back by itself, and misses nothing.
#[derive(Args)]
#[command(after_help = "\
Examples:
  agenthook executions tail
  agenthook executions tail --agent AGENT_ID --status failed
  agenthook executions tail --json | jq -c '{execution_id, status, cost_usd}'")]
pub(super) struct Tail {
    /// Only what comes into this state
    #[arg(long, value_parser = input::word::<ExecutionStatus>(STATUSES))]
    status: Option<ExecutionStatus>,
    /// Only this agent's
    #[arg(long, value_name = "AGENT_ID")]
    agent: Option<AgentId>,
    /// Only this tenant's
    #[arg(long, value_name = "TENANT_ID")]
    tenant: Option<TenantId>,
}

/// Changes that were shown.
#[derive(Default)]
struct Shown {
    known: HashSet<[String; 3]>,
    order: VecDeque<[String; 3]>,
}

impl Tail {
    pub(super) async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        tokio::select! {
            ended = self.follow(api, json) => ended,
            // What was asked for.
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    }

    async fn follow(&self, api: &Api, json: bool) -> Result<(), Failure> {
        let query: Vec<_> = [
            ("status", self.status.map(|status| status.as_str().to_owned())),
            ("agent_id", self.agent.map(|id| id.to_string())),
            ("tenant_id", self.tenant.clone().map(String::from)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
        let (mut messages, mut shown, mut wait) = (Messages::default(), Shown::default(), SOON);
        let mut was_there = false;
        loop {
            let opened = api.follow(&["executions", "stream"], &query, messages.last_id.as_deref()).await?;
            let why = match opened {
                Opened::Stream(mut stream) => {
                    (was_there, wait) = (true, SOON);
                    messages.begin_anew();
                    loop {
                        match stream.next().await {
                            Ok(Some(piece)) => {
                                for message in messages.of(piece.as_ref()) {
                                    show(&message, &mut shown, json)?;
                                }
                            }
                            Ok(None) => break "the server has ended the stream".to_owned(),
                            Err(Failure::Fault(why)) => break why,
                            Err(other) => return Err(other),
                        }
                    }
                }
                Opened::NotNow(why) if was_there => why,
                Opened::NotNow(why) => return Err(Failure::Fault(why)),
            };
            anstream::eprintln!("{}: connecting again in {} s", output::plain(&why), wait.as_secs());
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LATE);
        }
    }
}

fn show(message: &Message, shown: &mut Shown, json: bool) -> Result<(), Failure> {
    if message.event == "reset" {
        anstream::eprintln!(
            "that is too long ago, or too much has happened, to show all of it; see what there is: agenthook executions list"
        );
        return Ok(());
    }
    let execution: Value = serde_json::from_str(&message.data).unwrap_or_default();
    if !shown.is_new(["/execution_id", "/run", "/status"].map(|at| field(&execution, at))) {
        return Ok(());
    }
    output::print(if json { message.data.clone() } else { line(&execution) })
}

/// When, what, which, whose; and how it went, once it has ended.
fn line(execution: &Value) -> String {
    let text = |pointer| field(execution, pointer);
    let time = ["/timing/finished_at", "/timing/started_at", "/timing/received_at"];
    let time = time.into_iter().map(text).find(|time| time != "-").unwrap_or_default();
    let status = output::status(&format!("{:9}", text("/status")));
    let mut parts = vec![time, status, text("/execution_id"), text("/tenant_id")];
    if execution.pointer("/run").and_then(Value::as_i64).is_some_and(|run| run > 1) {
        parts.push(format!("run {}", text("/run")));
    }
    if execution.pointer("/timing/total_ms").is_some_and(Value::is_number) {
        parts.push(trace::millis(execution.pointer("/timing/total_ms")));
        parts.push(trace::dollars(execution.pointer("/cost_usd")));
    }
    if execution.pointer("/error").is_some_and(Value::is_object) {
        parts.push(format!("{}: {}", text("/error/code"), text("/error/message").replace('\n', " ")));
    }
    parts.join("  ")
}

impl Shown {
    fn is_new(&mut self, change: [String; 3]) -> bool {
        if !self.known.insert(change.clone()) {
            return false;
        }
        self.order.push_back(change);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_what_there_is_to_say() {
        let queued = json!({"execution_id": "E", "tenant_id": "acme", "run": 1, "status": "queued",
            "timing": {"received_at": "T1", "started_at": null, "finished_at": null, "total_ms": null}});
        let failed = json!({"execution_id": "E", "tenant_id": "acme", "run": 2, "status": "failed", "cost_usd": null,
            "error": {"code": "llm_timeout", "message": "late\n\u{1b}[2J"},
            "timing": {"received_at": "T1", "started_at": "T2", "finished_at": "T3", "total_ms": 12}});
        let plain = |execution| anstream::adapter::strip_str(&line(execution)).to_string();
        assert_eq!(plain(&queued), "T1  queued     E  acme");
        assert_eq!(plain(&failed), "T3  failed     E  acme  run 2  12 ms  -  llm_timeout: late \\u{1b}[2J");
    }

    #[test]
    fn repeats_are_known_as_far_as_is_remembered() {
        let mut shown = Shown::default();
        let change = |n: usize| [n.to_string(), "1".into(), "success".into()];
        assert!(shown.is_new(change(0)) && !shown.is_new(change(0)));
        assert!((1..=REMEMBERED).all(|n| shown.is_new(change(n))));
        assert!(shown.is_new(change(0)) && !shown.is_new(change(REMEMBERED)));
        assert_eq!(shown.known.len(), REMEMBERED);
    }
}
