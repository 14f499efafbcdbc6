//! `agenthook executions …`

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::api::{Answer, Api, ApiArgs};
use super::bulk::Bulk;
use super::execution_filter::FilterArgs;
use super::export::Export;
use super::failure::Failure;
use super::output::field;
use super::paging::PageArgs;
use super::tail::Tail;
use super::wait::WaitArgs;
use super::{output, timeline, trace};
use crate::model::ExecutionId;

/// Executions: what became of each accepted hook
#[derive(Args)]
pub(super) struct Executions {
    #[command(flatten)]
    api: ApiArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Executions as a table, newest first
    #[command(after_help = "\
Examples:
  agenthook executions list --status failed --limit 20
  agenthook executions list --q 'no such customer' --from 2026-01-31T00:00:00Z
  agenthook executions list --agent AGENT_ID --all --json | jq '.executions[].cost_usd'")]
    List {
        #[command(flatten)]
        filter: FilterArgs,
        /// Only those with this text in their payload, output or error, in whichever case
        #[arg(long, value_name = "TEXT")]
        q: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// One execution whole: its timing, tokens, cost, every LLM call, why there was more than one, input and output
    #[command(after_help = "Example:\n  agenthook executions show EXECUTION_ID")]
    Show {
        execution_id: ExecutionId,
    },
    /// What happened to one execution, in the order of time
    #[command(after_help = "Example:\n  agenthook executions timeline EXECUTION_ID")]
    Timeline {
        execution_id: ExecutionId,
    },
    /// End an execution that has not ended; a call that is out is given up
    #[command(after_help = "Example:\n  agenthook executions cancel EXECUTION_ID")]
    Cancel {
        execution_id: ExecutionId,
    },
    /// Let a held execution run
    #[command(after_help = "Example:\n  agenthook executions release EXECUTION_ID --wait")]
    Release {
        execution_id: ExecutionId,
        #[command(flatten)]
        wait: WaitArgs,
    },
    /// End a held execution: it never runs
    #[command(after_help = "Example:\n  agenthook executions discard EXECUTION_ID")]
    Discard {
        execution_id: ExecutionId,
    },
    Bulk(Bulk),
    Export(Export),
    Tail(Tail),
    /// Run a failed execution again, under the same id
    #[command(after_help = "Example:\n  agenthook executions retry EXECUTION_ID --wait")]
    Retry {
        execution_id: ExecutionId,
        #[command(flatten)]
        wait: WaitArgs,
    },
    /// Run the payload of an execution once more, as another execution
    #[command(after_help = "\
Examples:
  agenthook executions replay EXECUTION_ID --wait
  agenthook executions replay EXECUTION_ID --agent-version 3")]
    Replay {
        execution_id: ExecutionId,
        /// The version of the agent that runs it [default: the present one]
        #[arg(long, value_name = "N")]
        agent_version: Option<i32>,
        #[command(flatten)]
        wait: WaitArgs,
    },
}

impl Executions {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (api, json) = (self.api.api()?, self.api.json);
        match self.what {
            What::List { filter, q, page } => {
                let filter: Vec<_> = filter.query().into_iter().chain([("q", q)]).collect();
                let page = page.read(&api, "executions", &filter).await?;
                let headers =
                    ["EXECUTION", "STATUS", "TENANT", "MODEL", "TOKENS", "COST", "TOOK", "RECEIVED", "ERROR"];
                page.show(json, headers, row)
            }
            What::Show { execution_id } => {
                let id = execution_id.to_string();
                let answer = api.get(&["executions", &id], &[]).await?;
                if json {
                    return output::print(answer.text);
                }
                output::print(trace::with_reasons(&api, &id, &answer.text).await?)
            }
            What::Timeline { execution_id } => {
                let answer = api.get(&["executions", &execution_id.to_string(), "timeline"], &[]).await?;
                answer.show(json, timeline::all)
            }
            What::Cancel { execution_id } => {
                let answer = act(&api, execution_id, "cancel", &json!({})).await?;
                answer.show(json, |execution| format!("cancelled {}", field(execution, "/execution_id")))
            }
            What::Release { execution_id, wait } => {
                let answer = act(&api, execution_id, "release", &json!({})).await?;
                let told = |execution: &Value| format!("released {}", field(execution, "/execution_id"));
                wait.begun(&api, &answer, json, told).await
            }
            What::Discard { execution_id } => {
                let answer = act(&api, execution_id, "discard", &json!({})).await?;
                answer.show(json, |execution| format!("discarded {}", field(execution, "/execution_id")))
            }
            What::Bulk(bulk) => bulk.run(&api, json).await,
            What::Export(export) => export.run(&api).await,
            What::Tail(tail) => tail.run(&api, json).await,
            What::Retry { execution_id, wait } => {
                let answer = act(&api, execution_id, "retry", &json!({})).await?;
                let told = |answer: &Value| {
                    format!("run {} of {} is queued", field(answer, "/run"), field(answer, "/execution_id"))
                };
                wait.begun(&api, &answer, json, told).await
            }
            What::Replay { execution_id, agent_version, wait } => {
                let body =
                    agent_version.map_or_else(|| json!({}), |version| json!({ "agent_version": version }));
                let answer = act(&api, execution_id, "replay", &body).await?;
                let told = |answer: &Value| format!("{} is queued", field(answer, "/execution_id"));
                wait.begun(&api, &answer, json, told).await
            }
        }
    }
}

async fn act(api: &Api, id: ExecutionId, action: &str, body: &Value) -> Result<Answer, Failure> {
    api.write(Method::POST, &["executions", &id.to_string(), action], body).await
}

/// How it stands, and of what is held, why.
fn status(execution: &Value) -> String {
    let status = field(execution, "/status");
    match execution.pointer("/held_reason").and_then(Value::as_str) {
        Some(reason) if status == "held" => format!("held ({})", output::plain(reason)),
        _ => status,
    }
}

fn row(execution: &Value) -> [String; 9] {
    let text = |pointer| field(execution, pointer);
    [
        text("/execution_id"),
        status(execution),
        text("/tenant_id"),
        text("/model"),
        text("/usage/total_tokens"),
        trace::dollars(execution.pointer("/cost_usd")),
        trace::millis(execution.pointer("/timing/total_ms")),
        text("/timing/received_at"),
        text("/error/code"),
    ]
}
