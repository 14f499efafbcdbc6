//! `agenthook key …`

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::api::ApiArgs;
use super::failure::Failure;
use super::output::{field, sheet};
use super::paging::PageArgs;
use crate::model::{ApiKeyId, TenantId};

/// Keys to the management API: what AGENTHOOK_API_KEY holds
#[derive(Args)]
pub(super) struct ApiKey {
    #[command(flatten)]
    api: ApiArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Make a key; it is printed this once and kept nowhere
    #[command(after_help = "\
Examples:
  agenthook key create --name 'deploy pipeline' --role operator --tenant acme
  agenthook key create --name 'on call' --role admin      (every tenant)")]
    Create {
        /// For people: who holds it, or what for
        #[arg(long)]
        name: String,
        /// What it may do: admin everything; operator writes in one tenant; viewer reads in one and never sees a secret
        #[arg(long, value_parser = PossibleValuesParser::new(["admin", "operator", "viewer"]))]
        role: String,
        /// The tenant of an operator or a viewer
        #[arg(long, value_name = "TENANT_ID", required_if_eq_any([("role", "operator"), ("role", "viewer")]))]
        tenant: Option<TenantId>,
    },
    /// Keys as a table; never the keys themselves
    #[command(after_help = "Example:\n  agenthook key list")]
    List {
        #[command(flatten)]
        page: PageArgs,
    },
    /// Revoke a key; within a second no process takes it any more
    #[command(after_help = "Example:\n  agenthook key delete KEY_ID")]
    Delete { key_id: ApiKeyId },
}

impl ApiKey {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (api, json) = (self.api.api()?, self.api.json);
        match self.what {
            What::Create { name, role, tenant } => {
                let body = json!({ "name": name, "role": role, "tenant_id": tenant });
                api.write(Method::POST, &["keys"], &body).await?.show(json, created)
            }
            What::List { page } => {
                let page = page.read(&api, "keys", &[]).await?;
                page.show(json, ["KEY ID", "NAME", "ROLE", "TENANT", "HINT", "CREATED"], |key| {
                    ["/key_id", "/name", "/role", "/tenant_id", "/hint", "/created_at"]
                        .map(|pointer| field(key, pointer))
                })
            }
            What::Delete { key_id } => {
                let answer = api.delete(&["keys", &key_id.to_string()]).await?;
                answer.show(json, |_| format!("deleted key {key_id}"))
            }
        }
    }
}

fn created(key: &Value) -> String {
    let text = |pointer| field(key, pointer);
    let shown = format!("{}\nshown this once: keep it", text("/key"));
    sheet([
        ("id", text("/key_id")),
        ("name", text("/name")),
        ("role", text("/role")),
        ("tenant", text("/tenant_id")),
        ("key", shown),
    ])
}
