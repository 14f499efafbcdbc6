//! `agenthook models …`

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::api::ApiArgs;
use super::failure::Failure;
use super::output::{field, sheet};
use crate::model::TenantId;

/// Models: register a version in MLflow, and tell of one that is registered
#[derive(Args)]
pub(super) struct Models {
    #[command(flatten)]
    api: ApiArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Register a model, if its run reaches the baseline
    #[command(after_help = "\
The same command again is the same registration: it finds what the first one made, and finishes it.

Examples:
  agenthook models register --model-uri runs:/RUN_ID/model --model-name 'My Model' --token-id LSCOR \\
    --metric-name accuracy --baseline-value 0.92 --tag environment=production
  agenthook models register … --idempotency-key 2026-02      (the same run once more, on purpose)")]
    Register(Box<Register>),
    /// Send the event of a registered version again
    #[command(after_help = "\
What the version's tags in MLflow do not say has to be given.

Examples:
  agenthook models notify 'My Model' 5
  agenthook models notify 'My Model' 4 --token-id LSCOR --metric-name accuracy --baseline-value 0.92")]
    Notify(Notify),
}

#[derive(Args)]
struct Register {
    /// What to register: runs:/RUN_ID/PATH, models:/NAME/VERSION or models:/MODEL_ID
    #[arg(long, value_name = "URI")]
    model_uri: String,
    /// The registered model in MLflow; made if there is none
    #[arg(long, value_name = "NAME")]
    model_name: String,
    /// The token, in any case
    #[arg(long, value_name = "TOKEN")]
    token_id: String,
    /// Which of the run's metrics is compared with the baseline
    #[arg(long, value_name = "NAME")]
    metric_name: String,
    /// What it has to reach
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    baseline_value: f64,
    /// A tag of the version; may be repeated
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
    /// Who made it: 0x and 40 hexadecimal digits
    #[arg(long, value_name = "ADDRESS")]
    contributor_address: Option<String>,
    /// Whose it will be; without one the key's own, and with an admin's key the platform's
    #[arg(long, value_name = "TENANT_ID")]
    tenant: Option<TenantId>,
    /// Makes it another registration than one that is the same in all else
    #[arg(long, value_name = "TEXT")]
    idempotency_key: Option<String>,
}

#[derive(Args)]
struct Notify {
    /// The registered model
    name: String,
    /// Its version
    version: u64,
    /// The token, in any case
    #[arg(long, value_name = "TOKEN")]
    token_id: Option<String>,
    /// The metric that was compared with the baseline
    #[arg(long, value_name = "NAME")]
    metric_name: Option<String>,
    /// The baseline
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    baseline_value: Option<f64>,
    /// Who made it: 0x and 40 hexadecimal digits
    #[arg(long, value_name = "ADDRESS")]
    contributor_address: Option<String>,
}

fn tag(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Models {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (api, json) = (self.api.api()?, self.api.json);
        match self.what {
            What::Register(asked) => {
                let answer = api.write(Method::POST, &["models", "register"], &asked.body()).await?;
                answer.show(json, registered)
            }
            What::Notify(asked) => {
                let version = asked.version.to_string();
                let path = ["models", &asked.name, "versions", &version, "notify"];
                api.write(Method::POST, &path, &asked.body()).await?.show(json, notified)
            }
        }
    }
}

impl Register {
    fn body(&self) -> Value {
        let tags: Map<_, _> = self.tags.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        given([
            ("model_uri", json!(self.model_uri)),
            ("model_name", json!(self.model_name)),
            ("token_id", json!(self.token_id)),
            ("metric_name", json!(self.metric_name)),
            ("baseline_value", json!(self.baseline_value)),
            ("tags", tags.into()),
            ("contributor_address", json!(self.contributor_address)),
            ("tenant_id", json!(self.tenant)),
            ("idempotency_key", json!(self.idempotency_key)),
        ])
    }
}

impl Notify {
    fn body(&self) -> Value {
        given([
            ("token_id", json!(self.token_id)),
            ("metric_name", json!(self.metric_name)),
            ("baseline_value", json!(self.baseline_value)),
            ("contributor_address", json!(self.contributor_address)),
        ])
    }
}

/// Only what was said.
fn given<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let said = fields.into_iter().filter(|(_, value)| !value.is_null());
    said.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
}

fn registered(answer: &Value) -> String {
    let text = |pointer| field(answer, pointer);
    let event = match answer["repeated"] == true {
        true => format!("{} (of an earlier registration, which was the same)", text("/event_id")),
        false => text("/event_id"),
    };
    sheet([
        ("model", text("/name")),
        ("version", text("/version")),
        ("token", text("/token_id")),
        (
            "metric",
            format!(
                "{} {}, baseline {}",
                text("/metric_name"),
                text("/metric_value"),
                text("/baseline_value")
            ),
        ),
        ("event", event),
    ])
}

fn notified(answer: &Value) -> String {
    let text = |pointer| field(answer, pointer);
    sheet([("model", text("/name")), ("version", text("/version")), ("event", text("/event_id"))])
}
