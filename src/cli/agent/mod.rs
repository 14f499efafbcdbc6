//! `agenthook agent …`

mod spec;
mod text;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::api::ApiArgs;
use super::failure::Failure;
use super::input;
use super::output::field;
use super::paging::PageArgs;
use crate::model::{AgentId, TenantId};
use spec::SpecArgs;
use text::{created, describe, rotated, secrets};

/// Agents: a prompt, a model and the webhook that starts them
#[derive(Args)]
pub(super) struct Agent {
    #[command(flatten)]
    api: ApiArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Make an agent; prints its webhook URL and, this once, the secret that signs its webhooks
    #[command(after_help = "\
Examples:
  agenthook agent create --tenant acme --name 'Ticket triage' --model gpt-4o-mini \\
    --system-prompt 'You triage tickets.' --schema ticket.schema.json
  agenthook agent create --file agent.json        (the body of POST /api/v1/agents)")]
    Create {
        /// Whose agent it is
        #[arg(long, value_name = "TENANT_ID")]
        tenant: Option<TenantId>,
        #[command(flatten)]
        spec: SpecArgs,
        /// Takes no webhooks
        #[arg(long)]
        no_webhook: bool,
        /// The whole agent as JSON, instead of flags; `-` is standard input
        #[arg(long, value_name = "FILE", conflicts_with_all = ["tenant", "SpecArgs", "no_webhook"])]
        file: Option<PathBuf>,
    },
    /// Agents as a table
    #[command(after_help = "Example:\n  agenthook agent list --tenant acme")]
    List {
        /// Only this tenant's
        #[arg(long, value_name = "TENANT_ID")]
        tenant: Option<TenantId>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// One agent at its present version
    #[command(after_help = "Example:\n  agenthook agent show AGENT_ID")]
    Show { agent_id: AgentId },
    /// Change an agent: only what is given changes, and the change is a new version
    #[command(after_help = "\
Examples:
  agenthook agent update AGENT_ID --model gpt-4o --system-prompt-file prompt.md
  agenthook agent update AGENT_ID --status paused
  agenthook agent update AGENT_ID --file patch.json   (the body of PATCH /api/v1/agents/AGENT_ID)")]
    Update {
        agent_id: AgentId,
        #[command(flatten)]
        spec: SpecArgs,
        /// The change as JSON, instead of flags; `-` is standard input
        #[arg(long, value_name = "FILE", conflicts_with = "SpecArgs")]
        file: Option<PathBuf>,
    },
    /// Delete an agent; its executions stay
    #[command(after_help = "Example:\n  agenthook agent delete AGENT_ID")]
    Delete { agent_id: AgentId },
    /// The secret that signs its webhooks, masked; whole with --reveal, which the server's log notes
    #[command(after_help = "Example:\n  agenthook agent secret AGENT_ID --reveal")]
    Secret {
        agent_id: AgentId,
        /// Show it whole
        #[arg(long)]
        reveal: bool,
    },
    /// Make a new secret; the earlier ones verify until the overlap ends
    #[command(after_help = "\
Examples:
  agenthook agent rotate-secret AGENT_ID                (the earlier ones verify for a day more)
  agenthook agent rotate-secret AGENT_ID --overlap 0    (they end at once: for a secret that has leaked)")]
    RotateSecret {
        agent_id: AgentId,
        /// How long the earlier secrets still verify, at most 30 days [default: 86400]
        #[arg(long, value_name = "SECONDS")]
        overlap: Option<u32>,
        /// A file that holds the new secret, made by the sender; without it one is made. `-` is standard input
        #[arg(long, value_name = "FILE")]
        webhook_secret_file: Option<PathBuf>,
    },
}

impl Agent {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (api, json) = (self.api.api()?, self.api.json);
        match self.what {
            What::Create { tenant, spec, no_webhook, file } => {
                let body = match (file, tenant) {
                    (Some(path), _) => input::json(&path)?,
                    (None, Some(tenant)) if spec.is_enough() => spec.to_create(&tenant, no_webhook)?,
                    (None, _) => {
                        return Err(Failure::Usage(
                            "give --tenant, --name and --model, or --file FILE".into(),
                        ));
                    }
                };
                let answer = api.write(Method::POST, &["agents"], &body).await?;
                answer.show(json, |agent| created(agent, self.api.server()))
            }
            What::List { tenant, page } => {
                let page = page.read(&api, "agents", &[("tenant_id", tenant.map(String::from))]).await?;
                page.show(
                    json,
                    ["AGENT", "NAME", "STATUS", "TENANT", "MODEL", "VERSION", "UPDATED"],
                    |agent| {
                        [
                            "/agent_id",
                            "/name",
                            "/status",
                            "/tenant_id",
                            "/llm_config/model",
                            "/version",
                            "/updated_at",
                        ]
                        .map(|pointer| field(agent, pointer))
                    },
                )
            }
            What::Show { agent_id } => {
                api.get(&["agents", &agent_id.to_string()], &[]).await?.show(json, describe)
            }
            What::Update { agent_id, spec, file } => {
                let id = agent_id.to_string();
                let path = ["agents", id.as_str()];
                let body = match file {
                    Some(path) => input::json(&path)?,
                    None => spec.to_update()?,
                };
                let answer = api.write(Method::PATCH, &path, &body).await?;
                answer.show(json, |agent| match agent.pointer("/webhook_secret") {
                    Some(Value::String(_)) => created(agent, self.api.server()),
                    _ => describe(agent),
                })
            }
            What::Delete { agent_id } => {
                let answer = api.delete(&["agents", &agent_id.to_string()]).await?;
                answer.show(json, |_| format!("deleted agent {agent_id}"))
            }
            What::Secret { agent_id, reveal } => {
                let query = [("reveal", reveal.to_string())];
                let query = if reveal { &query[..] } else { &[] };
                let answer = api.get(&["agents", &agent_id.to_string(), "webhook-secret"], query).await?;
                answer.show(json, secrets)
            }
            What::RotateSecret { agent_id, overlap, webhook_secret_file } => {
                let id = agent_id.to_string();
                let secret = webhook_secret_file.map(|path| input::secret(&path)).transpose()?;
                let secret = secret.as_ref().map(ExposeSecret::expose_secret);
                let body = json!({ "overlap_seconds": overlap, "secret": secret });
                let path = ["agents", &id, "webhook-secret", "rotate"];
                api.write(Method::POST, &path, &body).await?.show(json, |answer| rotated(answer, &id))
            }
        }
    }
}
