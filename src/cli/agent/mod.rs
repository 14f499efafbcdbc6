//! `agenthook agent …`

mod spec;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::api::ApiArgs;
use super::curl::quoted;
use super::failure::Failure;
use super::input;
use super::output::{field, plain, sheet, table};
use super::paging::PageArgs;
use crate::model::{AgentId, TenantId};
use spec::SpecArgs;

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
    /// The secret that signs its webhooks, masked; whole with --reveal, which the audit log notes
    #[command(after_help = "Example:\n  agenthook agent secret AGENT_ID --reveal")]
    Secret {
        agent_id: AgentId,
        /// Show it whole
        #[arg(long)]
        reveal: bool,
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
        }
    }
}

fn describe(agent: &Value) -> String {
    let text = |pointer| field(agent, pointer);
    let mut rows = vec![
        ("agent", text("/agent_id")),
        ("name", text("/name")),
        ("status", text("/status")),
        ("tenant", text("/tenant_id")),
        ("version", text("/version")),
        ("llm", text("/llm_config")),
        ("timeout", format!("{} s per call", text("/timeout_seconds"))),
        ("retry", text("/retry")),
        ("prompt", text("/system_prompt")),
    ];
    match agent.pointer("/trigger") {
        Some(trigger) if trigger.is_object() => {
            let signed =
                format!("{}, secret in {}", field(trigger, "/scheme"), field(trigger, "/secret_encoding"));
            rows.push(("webhook", text("/webhook_url")));
            rows.push(("signed", signed));
            rows.push(("dedupe", field(trigger, "/dedupe")));
            rows.push(("schema", field(trigger, "/payload_schema")));
        }
        _ => rows.push(("webhook", "takes none".to_owned())),
    }
    sheet(rows)
}

/// What its owner needs now, ready to be pasted.
fn created(agent: &Value, server: Option<&str>) -> String {
    let text = |pointer| field(agent, pointer);
    let Some(secret) = agent.pointer("/webhook_secret").and_then(Value::as_str) else {
        return describe(agent);
    };
    let id = text("/agent_id");
    let sheet = sheet([
        ("agent", id.clone()),
        ("webhook", text("/webhook_url")),
        ("secret", format!("{}\nagain with: agenthook agent secret {id} --reveal", plain(secret))),
    ]);
    let mut send = format!("AGENTHOOK_SECRET={} agenthook send --agent {id}", plain(&quoted(secret)));
    match text("/trigger/secret_encoding").as_str() {
        "base64" | "-" => {}
        other => send.push_str(&format!(" --secret-encoding {other}")),
    }
    if let Some(server) = server {
        send.push_str(&format!(" --server {}", quoted(server)));
    }
    format!(
        "{sheet}\n\nSend it a signed payload and see what becomes of it:\n  \
         printf '%s' '{{\"ticket_id\":\"TKT-123\",\"description\":\"Issue\"}}' | {send} --wait -"
    )
}

fn secrets(answer: &Value) -> String {
    let secrets = answer.pointer("/secrets").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let rows = secrets.iter().map(|secret| {
        ["/webhook_secret", "/secret_encoding", "/created_at", "/expires_at", "/last_used_at", "/secret_id"]
            .map(|pointer| field(secret, pointer))
    });
    table(["SECRET", "ENCODING", "CREATED", "EXPIRES", "LAST USED", "ID"], rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_new_agents_next_step_can_be_pasted() {
        let agent = json!({"agent_id": "A", "webhook_url": "http://h/webhook/agents/A/webhook",
            "webhook_secret": "it's", "trigger": {"secret_encoding": "utf8"}});
        insta::assert_snapshot!(created(&agent, Some("http://h:1/x y")), @r#"
        agent    A
        webhook  http://h/webhook/agents/A/webhook
        secret   it's
                 again with: agenthook agent secret A --reveal

        Send it a signed payload and see what becomes of it:
          printf '%s' '{"ticket_id":"TKT-123","description":"Issue"}' | AGENTHOOK_SECRET='it'\''s' agenthook send --agent A --secret-encoding utf8 --server 'http://h:1/x y' --wait -
        "#);
    }

    #[test]
    fn an_agent_without_a_webhook_says_so() {
        let agent = json!({"agent_id": "A", "name": "n\u{1b}", "version": 1, "trigger": null,
            "llm_config": {"model": "m"}, "system_prompt": "one\ntwo"});
        insta::assert_snapshot!(describe(&agent), @r#"
        agent    A
        name     n\u{1b}
        status   -
        tenant   -
        version  1
        llm      {"model":"m"}
        timeout  - s per call
        retry    -
        prompt   one
                 two
        webhook  takes none
        "#);
        assert_eq!(created(&agent, None), describe(&agent));
    }
}
