//! `agenthook agent …`

mod attempt;
mod spec;
mod text;
mod trial;

use std::collections::BTreeMap;
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
use super::wait::WaitArgs;
use crate::model::{AgentId, SecretId, TenantId};
use attempt::Try;
use spec::SpecArgs;
use text::{beginning, callbacks_rotated, created, describe, rotated, secrets};

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
        #[arg(long, value_name = "FILE", conflicts_with_all = ["tenant", "SpecArgs", "LimitArgs", "no_webhook"])]
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
    /// One agent at its present version, or as it was
    #[command(after_help = "\
Examples:
  agenthook agent show AGENT_ID
  agenthook agent show AGENT_ID --version 3")]
    Show {
        agent_id: AgentId,
        /// As this version said it
        #[arg(long, value_name = "N")]
        version: Option<i32>,
    },
    /// Its versions, newest first: each change made one
    #[command(after_help = "Example:\n  agenthook agent versions AGENT_ID --limit 10")]
    Versions {
        agent_id: AgentId,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Change an agent: only what is given changes, and the change is a new version
    #[command(after_help = "\
Examples:
  agenthook agent update AGENT_ID --model gpt-4o --system-prompt-file prompt.md
  agenthook agent update AGENT_ID --status paused --if-version 3
  agenthook agent update AGENT_ID --rate 60/min --burst 10 --concurrency 2
  agenthook agent update AGENT_ID --file patch.json   (the body of PATCH /api/v1/agents/AGENT_ID)")]
    Update {
        agent_id: AgentId,
        #[command(flatten)]
        spec: SpecArgs,
        /// The change as JSON, instead of flags; `-` is standard input
        #[arg(long, value_name = "FILE", conflicts_with_all = ["SpecArgs", "LimitArgs"])]
        file: Option<PathBuf>,
        /// Only if it is still at this version
        #[arg(long, value_name = "N")]
        if_version: Option<i32>,
    },
    /// Run an agent with a payload and without a signature, or see what would be done
    #[command(after_help = "\
Examples:
  agenthook agent test AGENT_ID ticket.json --wait
  printf '%s' '{\"ticket_id\":\"TKT-123\"}' | agenthook agent test AGENT_ID - --dry-run")]
    Test {
        agent_id: AgentId,
        /// The payload; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Call nothing and store nothing: show the verdict, the prompt and who would pay; ends with 1 if it is rejected or held
        #[arg(long, conflicts_with = "wait")]
        dry_run: bool,
        #[command(flatten)]
        wait: WaitArgs,
    },
    /// Show what would become of a payload: the filter's verdict, the schema's, the prompt. Calls and stores nothing
    #[command(after_help = "\
Ends with 0 if it would run, with 1 if not.

Examples:
  agenthook agent try AGENT_ID issue.json --header 'X-GitHub-Event: issues'
  agenthook agent try issue.json --filter \"payload.action == 'opened'\" --template prompt.txt   (without a server)")]
    Try(Try),
    /// Delete an agent; its executions stay
    #[command(after_help = "Example:\n  agenthook agent delete AGENT_ID")]
    Delete { agent_id: AgentId },
    /// The secrets that verify its webhooks, masked; whole with --reveal, which the audit log notes
    #[command(visible_alias = "secrets", after_help = "Example:\n  agenthook agent secret AGENT_ID --reveal")]
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
    /// Make a new secret for callbacks; in webhook-signature the earlier ones sign too until the overlap ends
    #[command(after_help = "\
Example: for a secret that has leaked
  agenthook agent rotate-callback-secret AGENT_ID --overlap 0")]
    RotateCallbackSecret {
        agent_id: AgentId,
        /// How long the earlier secrets still sign, at most 30 days [default: 86400]
        #[arg(long, value_name = "SECONDS")]
        overlap: Option<u32>,
    },
    /// Take one secret back: what it signs is refused from now on; the last one stays
    #[command(after_help = "\
Example: the ids are shown by agenthook agent secret AGENT_ID
  agenthook agent revoke-secret AGENT_ID SECRET_ID")]
    RevokeSecret {
        agent_id: AgentId,
        secret_id: SecretId,
        /// Only if the agent is still at this version
        #[arg(long, value_name = "N")]
        if_version: Option<i32>,
    },
}

impl Agent {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let json = self.api.json;
        if let What::Try(attempt) = &self.what {
            return attempt.run(|| self.api.api(), json).await;
        }
        let api = self.api.api()?;
        match self.what {
            What::Create { tenant, spec, no_webhook, file } => {
                let body = match (file, tenant) {
                    (Some(path), _) => input::json(&path)?,
                    (None, tenant) if spec.is_enough() => spec.to_create(tenant.as_ref(), no_webhook)?,
                    (None, _) => {
                        return Err(Failure::Usage(
                            "give --name and --model (and --tenant with an admin's key), or --file FILE"
                                .into(),
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
            What::Show { agent_id, version } => {
                let (id, version) = (agent_id.to_string(), version.map(|version| version.to_string()));
                let path = ["agents", &id, "versions", version.as_deref().unwrap_or_default()];
                let path = if version.is_some() { &path[..] } else { &path[..2] };
                api.get(path, &[]).await?.show(json, describe)
            }
            What::Versions { agent_id, page } => {
                let id = agent_id.to_string();
                let page = page.read_at(&api, &["agents", &id, "versions"], "versions", &[]).await?;
                page.show(json, ["VERSION", "CREATED", "NAME", "STATUS", "MODEL", "PROMPT"], |version| {
                    let [number, created, name, status, model] =
                        ["/version", "/created_at", "/name", "/status", "/llm_config/model"]
                            .map(|pointer| field(version, pointer));
                    [number, created, name, status, model, beginning(&field(version, "/system_prompt"))]
                })
            }
            What::Update { agent_id, spec, file, if_version } => {
                let id = agent_id.to_string();
                let path = ["agents", id.as_str()];
                let body = match file {
                    Some(path) => input::json(&path)?,
                    None => spec.to_update()?,
                };
                let answer = api.write_if(if_version, Method::PATCH, &path, &body).await?;
                answer.show(json, |agent| match agent.pointer("/webhook_secret") {
                    Some(Value::String(_)) => created(agent, self.api.server()),
                    _ => describe(agent),
                })
            }
            What::Test { agent_id, file, dry_run, wait } => {
                let path = ["agents", &agent_id.to_string(), "test"];
                let answer = api.post_text(&path, trial::body(&file, dry_run, &BTreeMap::new())?).await?;
                if dry_run {
                    return trial::rehearsed(&answer, json);
                }
                if answer.json.pointer("/status").is_some_and(|status| status == "ignored") {
                    answer.show(json, trial::ignored)?;
                    return Err(Failure::Negative);
                }
                let told = |answer: &Value| format!("{} is queued", field(answer, "/execution_id"));
                wait.begun(&api, &answer, json, told).await
            }
            What::Try(_) => Ok(()),
            What::RevokeSecret { agent_id, secret_id, if_version } => {
                let path = ["agents", &agent_id.to_string(), "webhook-secret", &secret_id.to_string()];
                let answer = api.delete_if(if_version, &path).await?;
                answer.show(json, |_| format!("revoked secret {secret_id}"))
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
            What::RotateCallbackSecret { agent_id, overlap } => {
                let path = ["agents", &agent_id.to_string(), "callback-secret", "rotate"];
                let body = json!({ "overlap_seconds": overlap });
                api.write(Method::POST, &path, &body).await?.show(json, callbacks_rotated)
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
