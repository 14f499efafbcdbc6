//! `agenthook executions …`

use clap::{Args, Subcommand};
use serde_json::Value;

use super::api::ApiArgs;
use super::failure::Failure;
use super::output::field;
use super::paging::PageArgs;
use super::{input, trace};
use crate::model::{AgentId, ExecutionId, ExecutionStatus, TenantId};

const STATUSES: &[&str] = &["queued", "running", "success", "failed"];

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
  agenthook executions list --agent AGENT_ID --all --json | jq '.executions[].cost_usd'")]
    List {
        /// Only those that stand so
        #[arg(long, value_parser = input::word::<ExecutionStatus>(STATUSES))]
        status: Option<ExecutionStatus>,
        /// Only this agent's
        #[arg(long, value_name = "AGENT_ID")]
        agent: Option<AgentId>,
        /// Only this tenant's
        #[arg(long, value_name = "TENANT_ID")]
        tenant: Option<TenantId>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// One execution whole: its timing, tokens, cost, every LLM call, input and output
    #[command(after_help = "Example:\n  agenthook executions show EXECUTION_ID")]
    Show { execution_id: ExecutionId },
}

impl Executions {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (api, json) = (self.api.api()?, self.api.json);
        match self.what {
            What::List { status, agent, tenant, page } => {
                let filter = [
                    ("status", status.map(|status| status.as_str().to_owned())),
                    ("agent_id", agent.map(|id| id.to_string())),
                    ("tenant_id", tenant.map(String::from)),
                ];
                let page = page.read(&api, "executions", &filter).await?;
                let headers =
                    ["EXECUTION", "STATUS", "TENANT", "MODEL", "TOKENS", "COST", "TOOK", "RECEIVED", "ERROR"];
                page.show(json, headers, row)
            }
            What::Show { execution_id } => {
                let answer = api.get(&["executions", &execution_id.to_string()], &[]).await?;
                answer.show(json, |_| trace::of(&answer.text))
            }
        }
    }
}

fn row(execution: &Value) -> [String; 9] {
    let text = |pointer| field(execution, pointer);
    [
        text("/execution_id"),
        text("/status"),
        text("/tenant_id"),
        text("/model"),
        text("/usage/total_tokens"),
        trace::dollars(execution.pointer("/cost_usd")),
        trace::millis(execution.pointer("/timing/total_ms")),
        text("/timing/received_at"),
        text("/error/code"),
    ]
}
