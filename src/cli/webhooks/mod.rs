//! `agenthook webhooks …`

mod fields;
mod text;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::api::{Answer, Api, ApiArgs};
use super::failure::Failure;
use super::output::field;
use super::paging::PageArgs;
use super::{input, progress};
use crate::model::{DeliveryId, DeliveryStatus, EventType, TenantId, WebhookId};
use fields::Fields;

const STATUSES: &[&str] = &["pending", "success", "failed", "exhausted"];

/// Webhooks that go out: who is told of events, and how that went
#[derive(Args)]
pub(super) struct Webhooks {
    #[command(flatten)]
    api: ApiArgs,
    #[command(subcommand)]
    what: Box<What>,
}

#[derive(Subcommand)]
enum What {
    /// Make a webhook; its secret is printed this once
    #[command(after_help = "\
Examples:
  agenthook webhooks create --tenant acme --url https://example.com/hook --events execution.completed,model.*
  agenthook webhooks create --url https://example.com/hook --events '*' --profile hub --retry fast
  agenthook webhooks create --fields webhook.json      (headers, rate_limit and all else of the API)")]
    Create {
        /// Whose it is; a key of one tenant may leave it out
        #[arg(long, value_name = "TENANT_ID")]
        tenant: Option<TenantId>,
        #[command(flatten)]
        fields: Fields,
    },
    /// Webhooks as a table, newest first
    #[command(after_help = "Example:\n  agenthook webhooks list --tenant acme")]
    List {
        /// Only this tenant's
        #[arg(long, value_name = "TENANT_ID")]
        tenant: Option<TenantId>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// One webhook, with how its deliveries go
    #[command(after_help = "Example:\n  agenthook webhooks show WEBHOOK_ID")]
    Show { webhook_id: WebhookId },
    /// Change a webhook: only what is given changes
    #[command(
        after_help = "Example:\n  agenthook webhooks update WEBHOOK_ID --events execution.* --timeout 10"
    )]
    Update {
        webhook_id: WebhookId,
        #[command(flatten)]
        fields: Fields,
        /// Only if it is still at this version
        #[arg(long, value_name = "VERSION")]
        if_version: Option<i32>,
    },
    /// Delete a webhook: what waits for it is not sent any more
    #[command(after_help = "Example:\n  agenthook webhooks delete WEBHOOK_ID")]
    Delete { webhook_id: WebhookId },
    /// Make a webhook active again, its circuit closed
    #[command(after_help = "Example:\n  agenthook webhooks enable WEBHOOK_ID")]
    Enable { webhook_id: WebhookId },
    /// Send nothing to a webhook until it is enabled
    #[command(after_help = "Example:\n  agenthook webhooks disable WEBHOOK_ID")]
    Disable { webhook_id: WebhookId },
    /// Exchange the secret; it is printed this once, and earlier ones sign too until the overlap ends
    #[command(after_help = "\
Examples: for a day both; and at once, if it has leaked
  agenthook webhooks rotate-secret WEBHOOK_ID
  agenthook webhooks rotate-secret WEBHOOK_ID --overlap 0")]
    RotateSecret {
        webhook_id: WebhookId,
        /// How long earlier secrets sign too, in s [default: 86400]
        #[arg(long, value_name = "SECONDS")]
        overlap: Option<u32>,
        /// A file that holds the new secret; `-` is standard input [default: one is made]
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
    },
    /// Send a test event to a webhook
    #[command(after_help = "\
Examples:
  agenthook webhooks test WEBHOOK_ID
  agenthook webhooks test WEBHOOK_ID --event-type optimization.completed")]
    Test {
        webhook_id: WebhookId,
        /// Of this type [default: the first that the webhook hears of]
        #[arg(long, value_name = "TYPE")]
        event_type: Option<EventType>,
    },
    /// A webhook's deliveries as a table, newest first; one of them whole, with its attempts
    #[command(after_help = "\
Examples:
  agenthook webhooks deliveries WEBHOOK_ID --status exhausted
  agenthook webhooks deliveries WEBHOOK_ID DELIVERY_ID")]
    Deliveries {
        webhook_id: WebhookId,
        /// Only this one, with its attempts, as JSON
        delivery_id: Option<DeliveryId>,
        /// Only those with this status
        #[arg(long, value_parser = input::word::<DeliveryStatus>(STATUSES))]
        status: Option<DeliveryStatus>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Send a delivery once more
    #[command(after_help = "Example:\n  agenthook webhooks retry WEBHOOK_ID DELIVERY_ID")]
    Retry { webhook_id: WebhookId, delivery_id: DeliveryId },
    /// Send everything once more that has failed since a time
    #[command(after_help = "Example:\n  agenthook webhooks recover WEBHOOK_ID --since 2026-01-31T12:00:00Z")]
    Recover {
        webhook_id: WebhookId,
        /// What failed at this time or later (RFC 3339)
        #[arg(long, value_name = "TIME")]
        since: String,
        /// And before this time [default: now]
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
        /// Show how many deliveries of this webhook have not succeeded yet, until all have or their number stands still
        #[arg(long)]
        wait: bool,
    },
}

impl Webhooks {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (api, json) = (self.api.api()?, self.api.json);
        let post = async |webhook_id: WebhookId, action: &[&str], body: Value| {
            let id = webhook_id.to_string();
            api.write(Method::POST, &[&["webhooks", &id], action].concat(), &body).await
        };
        match *self.what {
            What::Create { tenant, fields } => {
                let mut body = fields.into_json()?;
                body.extend(tenant.map(|id| ("tenant_id".to_owned(), id.as_str().into())));
                let answer = api.write(Method::POST, &["webhooks"], &body.into()).await?;
                show(&answer, json)
            }
            What::List { tenant, page } => {
                let filter = [("tenant_id", tenant.map(String::from))];
                page.read(&api, "webhooks", &filter).await?.show(json, text::COLUMNS, text::row)
            }
            What::Show { webhook_id } => {
                show(&api.get(&["webhooks", &webhook_id.to_string()], &[]).await?, json)
            }
            What::Update { webhook_id, fields, if_version } => {
                let body = fields.into_json()?;
                if body.is_empty() {
                    let why = "nothing to change: see agenthook webhooks update --help";
                    return Err(Failure::Usage(why.into()));
                }
                let path = ["webhooks", &webhook_id.to_string()];
                show(&api.write_if(if_version, Method::PATCH, &path, &body.into()).await?, json)
            }
            What::Delete { webhook_id } => {
                let answer = api.delete(&["webhooks", &webhook_id.to_string()]).await?;
                answer.show(json, |_| format!("deleted webhook {webhook_id}"))
            }
            What::Enable { webhook_id } => show(&post(webhook_id, &["enable"], json!({})).await?, json),
            What::Disable { webhook_id } => show(&post(webhook_id, &["disable"], json!({})).await?, json),
            What::RotateSecret { webhook_id, overlap, secret_file } => {
                let secret = secret_file.as_deref().map(input::secret).transpose()?;
                let secret = secret.as_ref().map(|text| text.expose_secret());
                let body = json!({ "overlap_seconds": overlap, "secret": secret });
                post(webhook_id, &["secret", "rotate"], body).await?.show(json, text::rotated)
            }
            What::Test { webhook_id, event_type } => {
                let body = json!({ "event_type": event_type });
                let answer = post(webhook_id, &["test"], body).await?;
                answer.show(json, |event| format!("event {} is on its way", field(event, "/event_id")))
            }
            What::Deliveries { webhook_id, delivery_id: Some(delivery_id), .. } => {
                let path = ["webhooks", &webhook_id.to_string(), "deliveries", &delivery_id.to_string()];
                let answer = api.get(&path, &[]).await?;
                answer.show(json, |delivery| serde_json::to_string_pretty(delivery).unwrap_or_default())
            }
            What::Deliveries { webhook_id, delivery_id: None, status, page } => {
                let status = status.and_then(|status| serde_json::to_value(status).ok());
                let filter = [("status", status.map(|status| field(&status, "")))];
                let path = ["webhooks", &webhook_id.to_string(), "deliveries"];
                let page = page.read_at(&api, &path, "deliveries", &filter).await?;
                page.show(json, text::DELIVERY_COLUMNS, text::delivery_row)
            }
            What::Retry { webhook_id, delivery_id } => {
                let answer =
                    post(webhook_id, &["deliveries", &delivery_id.to_string(), "retry"], json!({})).await?;
                answer.show(json, |_| format!("delivery {delivery_id} is sent once more"))
            }
            What::Recover { webhook_id, since, until, wait } => {
                let body = match until {
                    Some(until) => json!({ "since": since, "until": until }),
                    None => json!({ "since": since }),
                };
                let answer = post(webhook_id, &["recover"], body).await?;
                answer.show(json, |answer| match &answer["matched"] {
                    Value::Number(none) if none.as_u64() == Some(0) => {
                        format!("nothing has failed since {since}")
                    }
                    matched => format!("{matched} deliveries that failed since {since} are sent once more"),
                })?;
                if !wait {
                    return Ok(());
                }
                progress::follow(&api, async |api| outstanding(api, webhook_id).await).await
            }
        }
    }
}

/// Deliveries that have not succeeded yet.
async fn outstanding(api: &Api, webhook_id: WebhookId) -> Result<u64, Failure> {
    let mut count = 0;
    for status in ["pending", "failed", "exhausted"] {
        let query = [("status", status.to_owned()), ("limit", "1".to_owned())];
        let page = api.get(&["webhooks", &webhook_id.to_string(), "deliveries"], &query).await?;
        count += page.json["total"].as_u64().unwrap_or_default();
    }
    Ok(count)
}

/// A webhook; what its owner should know goes to stderr.
fn show(answer: &Answer, json: bool) -> Result<(), Failure> {
    answer.show(json, text::describe)?;
    let warnings = answer.json.pointer("/warnings").and_then(Value::as_array);
    for warning in warnings.into_iter().flatten().filter(|_| !json) {
        anstream::eprintln!("warning: {}", field(warning, ""));
    }
    Ok(())
}
