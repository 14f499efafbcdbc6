//! `agenthook tenant …`

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::api::ApiArgs;
use super::failure::Failure;
use super::input;
use super::limits::{LimitArgs, concurrency, rate};
use super::output::{field, sheet};
use super::paging::PageArgs;
use crate::model::TenantId;

const POLICIES: [&str; 3] = ["tenant_then_platform", "tenant_only", "platform_only"];
const COLUMNS: [&str; 7] = ["TENANT", "NAME", "KEY POLICY", "FALLBACK ON", "RATE", "AT ONCE", "LLM KEY"];
const REASONS: [&str; 4] = ["missing", "rejected", "budget_exceeded", "rate_limited"];

/// Tenants: whose agents, and whose LLM key pays
#[derive(Args)]
pub(super) struct Tenant {
    #[command(flatten)]
    api: ApiArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Make a tenant
    #[command(after_help = "\
Examples:
  agenthook tenant create acme --name 'Acme Ltd'
  agenthook tenant create acme --key-policy tenant_only --allowed-models gpt-4o-mini,gpt-4o
  agenthook tenant create acme --rate 600/min --burst 100 --concurrency 20")]
    Create {
        /// Its id for ever: 1 to 100 of A-Z a-z 0-9 . _ -
        tenant_id: TenantId,
        #[command(flatten)]
        fields: Fields,
    },
    /// All tenants, as a table
    #[command(after_help = "Example:\n  agenthook tenant list --all --json")]
    List {
        #[command(flatten)]
        page: PageArgs,
    },
    /// One tenant
    #[command(after_help = "Example:\n  agenthook tenant show acme")]
    Show { tenant_id: TenantId },
    /// Change a tenant: only what is given changes
    #[command(after_help = "\
Examples: let the platform's key pay too when the tenant's budget is spent; lift one limit, set the other
  agenthook tenant update acme --fallback-on missing,budget_exceeded
  agenthook tenant update acme --no-rate --concurrency 50")]
    Update {
        tenant_id: TenantId,
        #[command(flatten)]
        fields: Fields,
        /// Its agents may call any model again
        #[arg(long, conflicts_with = "allowed_models")]
        any_model: bool,
    },
    /// Delete a tenant
    #[command(after_help = "Example:\n  agenthook tenant delete acme")]
    Delete { tenant_id: TenantId },
    /// Store the tenant's own LiteLLM key; it is encrypted and never shown again
    #[command(after_help = "\
Examples:
  agenthook tenant set-llm-key acme --key-file acme.key
  pass show acme/litellm | agenthook tenant set-llm-key acme")]
    SetLlmKey {
        tenant_id: TenantId,
        // Never shown: arguments can be read by everybody on the machine. The variable is what it is for.
        #[arg(long, hide = true, env = "AGENTHOOK_TENANT_LLM_KEY", hide_env_values = true)]
        key: Option<SecretString>,
        /// A file that holds the key, sk-…; `-` is standard input [default: the variable AGENTHOOK_TENANT_LLM_KEY, else
        /// standard input]
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
    },
    /// Forget the tenant's own LiteLLM key
    #[command(after_help = "Example:\n  agenthook tenant remove-llm-key acme")]
    RemoveLlmKey { tenant_id: TenantId },
}

#[derive(Args)]
struct Fields {
    /// For people
    #[arg(long)]
    name: Option<String>,
    /// Which key pays; tenant_then_platform is the default
    #[arg(long, value_name = "POLICY", value_parser = PossibleValuesParser::new(POLICIES))]
    key_policy: Option<String>,
    /// When the platform's key may stand in for the tenant's, comma-separated; the default is missing alone
    #[arg(long, value_name = "REASONS", value_delimiter = ',', value_parser = PossibleValuesParser::new(REASONS))]
    fallback_on: Option<Vec<String>>,
    /// The only models its agents may call, comma-separated
    #[arg(long, value_name = "MODELS", value_delimiter = ',')]
    allowed_models: Option<Vec<String>>,
    #[command(flatten)]
    limits: LimitArgs,
}

impl Fields {
    /// What was given, as the API names it.
    fn into_json(self) -> Map<String, Value> {
        let fields = [
            ("name", self.name.map(Value::from)),
            ("key_policy", self.key_policy.map(Value::from)),
            ("fallback_on", self.fallback_on.map(Value::from)),
            ("allowed_models", self.allowed_models.map(Value::from)),
        ];
        let fields = fields.into_iter().chain(self.limits.fields());
        fields.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

impl Tenant {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (api, json) = (self.api.api()?, self.api.json);
        match self.what {
            What::Create { tenant_id, fields } => {
                let mut body = fields.into_json();
                body.insert("tenant_id".into(), tenant_id.as_str().into());
                api.write(Method::POST, &["tenants"], &body.into()).await?.show(json, describe)
            }
            What::List { page } => {
                let page = page.read(&api, "tenants", &[]).await?;
                page.show(json, COLUMNS, |tenant| {
                    let [id, name, policy, fallback, key] =
                        ["/tenant_id", "/name", "/key_policy", "/fallback_on", "/llm_key/hint"]
                            .map(|pointer| field(tenant, pointer));
                    let (rate, at_once) = (rate(tenant, "/rate_limit"), concurrency(tenant, "/concurrency"));
                    [id, name, policy, fallback, rate, at_once, key]
                })
            }
            What::Show { tenant_id } => {
                api.get(&["tenants", tenant_id.as_str()], &[]).await?.show(json, describe)
            }
            What::Update { tenant_id, fields, any_model } => {
                let mut body = fields.into_json();
                if any_model {
                    body.insert("allowed_models".into(), Value::Null);
                }
                if body.is_empty() {
                    return Err(Failure::Usage(
                        "nothing to change: see agenthook tenant update --help".into(),
                    ));
                }
                let path = ["tenants", tenant_id.as_str()];
                api.write(Method::PATCH, &path, &body.into()).await?.show(json, describe)
            }
            What::Delete { tenant_id } => {
                let answer = api.delete(&["tenants", tenant_id.as_str()]).await?;
                answer.show(json, |_| format!("deleted tenant {tenant_id}"))
            }
            What::SetLlmKey { tenant_id, key, key_file } => {
                let key = match (key_file, key) {
                    (Some(path), _) => input::secret(&path)?,
                    (None, Some(key)) => key,
                    (None, None) => {
                        if std::io::stdin().is_terminal() {
                            anstream::eprintln!("paste the key, then press Enter and Ctrl-D:");
                        }
                        input::secret(Path::new("-"))?
                    }
                };
                if key.expose_secret().is_empty() {
                    let ways = "no key: give --key-file FILE, or AGENTHOOK_TENANT_LLM_KEY, or pipe it in";
                    return Err(Failure::Usage(ways.into()));
                }
                let path = ["tenants", tenant_id.as_str(), "llm-key"];
                let answer = api.write(Method::PUT, &path, &json!({"key": key.expose_secret()})).await?;
                answer.show(json, |_| format!("stored the LLM key of tenant {tenant_id}"))?;
                let warnings = answer.json.pointer("/warnings").and_then(Value::as_array);
                for warning in warnings.into_iter().flatten().filter(|_| !json) {
                    anstream::eprintln!("warning: {}", field(warning, ""));
                }
                Ok(())
            }
            What::RemoveLlmKey { tenant_id } => {
                let answer = api.delete(&["tenants", tenant_id.as_str(), "llm-key"]).await?;
                answer.show(json, |_| format!("removed the LLM key of tenant {tenant_id}"))
            }
        }
    }
}

fn describe(tenant: &Value) -> String {
    let models = match field(tenant, "/allowed_models").as_str() {
        "-" if tenant.pointer("/allowed_models").is_some_and(Value::is_array) => "none".to_owned(),
        "-" => "any".to_owned(),
        models => models.to_owned(),
    };
    sheet([
        ("tenant", field(tenant, "/tenant_id")),
        ("name", field(tenant, "/name")),
        ("key policy", field(tenant, "/key_policy")),
        ("fallback on", field(tenant, "/fallback_on")),
        ("models", models),
        ("rate", rate(tenant, "/rate_limit")),
        ("at once", concurrency(tenant, "/concurrency")),
        ("LLM key", field(tenant, "/llm_key/hint")),
        ("created", field(tenant, "/created_at")),
    ])
}
