//! `agenthook audit …`

use clap::{Args, Subcommand};
use serde_json::Value;

use super::api::ApiArgs;
use super::failure::Failure;
use super::output::field;
use super::paging::PageArgs;
use crate::model::{ApiKeyId, TenantId};

/// The audit log: who changed what, and to whom secrets were shown
#[derive(Args)]
pub(super) struct Audit {
    #[command(flatten)]
    api: ApiArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Entries as a table, newest first
    #[command(after_help = "\
Examples:
  agenthook audit list --subject AGENT_ID
  agenthook audit list --tenant acme --action webhook_secret.revealed --from 2026-01-31T00:00:00Z
  agenthook audit list --key KEY_ID --all --json | jq '.audit[].detail'")]
    List {
        /// Only what concerns this tenant
        #[arg(long, value_name = "TENANT_ID")]
        tenant: Option<TenantId>,
        /// Only about the agent, tenant, key or execution with this id
        #[arg(long, value_name = "ID")]
        subject: Option<String>,
        /// Only of this kind, such as agent.updated
        #[arg(long)]
        action: Option<String>,
        /// Only by the holder of this key
        #[arg(long, value_name = "KEY_ID")]
        key: Option<ApiKeyId>,
        /// Only at this time or later (RFC 3339)
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Only before this time (RFC 3339)
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
}

impl Audit {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (api, json) = (self.api.api()?, self.api.json);
        let What::List { tenant, subject, action, key, from, to, page } = self.what;
        let filter = [
            ("tenant_id", tenant.map(String::from)),
            ("subject", subject),
            ("action", action),
            ("key_id", key.map(|id| id.to_string())),
            ("from", from),
            ("to", to),
        ];
        let page = page.read(&api, "audit", &filter).await?;
        page.show(json, ["WHEN", "WHO", "ROLE", "FROM", "ACTION", "SUBJECT", "DETAIL"], row)
    }
}

fn row(entry: &Value) -> [String; 7] {
    let text = |pointer| field(entry, pointer);
    let detail = entry.pointer("/detail").and_then(Value::as_object);
    let detail = detail.into_iter().flatten().map(|(name, value)| format!("{name}={}", field(value, "")));
    [
        text("/at"),
        text("/actor/name"),
        text("/actor/role"),
        text("/actor/address"),
        text("/action"),
        format!("{} {}", text("/subject/type"), text("/subject/id")),
        detail.collect::<Vec<_>>().join(" "),
    ]
}
