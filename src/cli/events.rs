//! `agenthook events …`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::api::{Api, ApiArgs};
use super::failure::Failure;
use super::input;
use super::output::{field, print, sheet, table};
use super::paging::PageArgs;
use crate::model::{EventId, EventType, TenantId};

/// Events: what has happened, and what there may be to hear of
#[derive(Args)]
pub(super) struct Events {
    #[command(flatten)]
    api: ApiArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Report an event: it is sent to the endpoints that want to hear of it
    #[command(after_help = "\
The data is sent as it is written: no number and no order of keys changes on the way.

Examples:
  agenthook events publish optimization.completed result.json --tenant acme
  agenthook events publish custom.order.paid --data '{\"order_id\":\"A-1042\"}' --idempotency-key A-1042
  jq .result job.json | agenthook events publish custom.job.done -")]
    Publish(Publish),
    /// Events as a table, newest first
    #[command(after_help = "\
Examples:
  agenthook events list --type model.registered
  agenthook events list --tenant acme --from 2026-01-31T00:00:00Z --all --json")]
    List(List),
    /// One event whole, and what became of its deliveries
    #[command(after_help = "Example:\n  agenthook events show EVENT_ID")]
    Show {
        #[arg(value_name = "EVENT_ID")]
        event_id: EventId,
    },
    /// Every type that there is; with --json each with its schema and an example
    #[command(after_help = "\
Examples:
  agenthook events types
  agenthook events types --json | jq '.event_types[] | select(.type == \"batch.progress\").schema'")]
    Types,
}

#[derive(Args)]
struct Publish {
    /// What has happened: `agenthook events types` lists the types
    #[arg(value_name = "TYPE")]
    event_type: EventType,
    /// A file with the data, a JSON object; `-` is standard input
    #[arg(value_name = "FILE", required_unless_present = "data", conflicts_with = "data")]
    file: Option<PathBuf>,
    /// The data itself
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
    /// Whose it is; an admin's key needs it
    #[arg(long, value_name = "TENANT_ID")]
    tenant: Option<TenantId>,
    /// Names the event: the same again is no second event
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

#[derive(Args)]
struct List {
    /// Only this tenant's
    #[arg(long, value_name = "TENANT_ID")]
    tenant: Option<TenantId>,
    /// Only of this type
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<EventType>,
    /// From then on, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Before then
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

impl Events {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (api, is_json) = (self.api.api()?, self.api.json);
        match self.what {
            What::Publish(publish) => {
                let answer = publish.send(&api).await?;
                answer.show(is_json, |event| format!("published {}", field(event, "/event_id")))
            }
            What::List(List { tenant, event_type, from, to, page }) => {
                let filter = [
                    ("tenant_id", tenant.map(String::from)),
                    ("event_type", event_type.map(String::from)),
                    ("from", from),
                    ("to", to),
                ];
                let page = page.read(&api, "events", &filter).await?;
                page.show(is_json, ["EVENT", "TYPE", "HAPPENED", "TENANT", "ABOUT"], row)
            }
            What::Show { event_id } => {
                let answer = api.get(&["events", &event_id.to_string()], &[]).await?;
                answer.show(is_json, shown)
            }
            What::Types => {
                let answer = api.get(&["event-types"], &[]).await?;
                if is_json { print(&answer.text) } else { print(types(&answer.json)) }
            }
        }
    }
}

impl Publish {
    async fn send(self, api: &Api) -> Result<super::api::Answer, Failure> {
        let (text, from) = match (self.data, &self.file) {
            (Some(text), _) => (text, "--data".to_owned()),
            (None, Some(path)) => (input::text(path)?, path.display().to_string()),
            (None, None) => return Err(Failure::Usage("give the data: a FILE, or --data".into())),
        };
        let data = RawValue::from_string(text.trim().to_owned())
            .map_err(|error| Failure::Usage(format!("{from} is not JSON: {error}")))?;
        let mut body = json!({ "event_type": self.event_type });
        if let Some(tenant) = self.tenant {
            body["tenant_id"] = json!(tenant);
        }
        if let Some(key) = self.idempotency_key {
            body["idempotency_key"] = json!(key);
        }
        let mut text = to_raw_value(&body).map(|body| body.get().to_owned()).unwrap_or_default();
        // What was written stands in it as it was written.
        text.pop();
        api.post_text(&["events"], format!("{text},\"data\":{}}}", data.get())).await
    }
}

fn row(event: &Value) -> [String; 5] {
    let text = |pointer| field(event, pointer);
    let about =
        ["/execution_id", "/agent_id"].into_iter().find(|at| event.pointer(at).is_some_and(Value::is_string));
    [
        text("/event_id"),
        text("/event_type"),
        text("/timestamp"),
        text("/tenant_id"),
        about.map_or_else(|| "-".to_owned(), text),
    ]
}

fn shown(event: &Value) -> String {
    let text = |pointer| field(event, pointer);
    let mut rows = vec![
        ("event", text("/event_id")),
        ("type", text("/event_type")),
        ("happened", text("/timestamp")),
        ("tenant", text("/tenant_id")),
    ];
    let others = [
        ("agent", "/agent_id"),
        ("execution", "/execution_id"),
        ("for", "/webhook_id"),
        ("by key", "/published_by"),
    ];
    for (name, pointer) in others {
        if event.pointer(pointer).is_some_and(Value::is_string) {
            rows.push((name, text(pointer)));
        }
    }
    let data = event.get("data").map(|data| serde_json::to_string_pretty(data).unwrap_or_default());
    let mut parts = vec![sheet(rows), format!("data\n{}", super::output::plain(&data.unwrap_or_default()))];
    let deliveries = event["deliveries"].as_array().filter(|all| !all.is_empty());
    if let Some(deliveries) = deliveries {
        let rows = deliveries.iter().map(|delivery| {
            ["/delivery_id", "/webhook_id", "/status"].map(|pointer| field(delivery, pointer))
        });
        parts.push(table(["DELIVERY", "WEBHOOK", "STATUS"], rows));
    }
    parts.join("\n\n")
}

fn types(answer: &Value) -> String {
    let rows = answer["event_types"].as_array().into_iter().flatten().map(|entry| {
        let by = if entry["reserved"] == true { "agenthook" } else { "anybody" };
        [field(entry, "/type"), by.to_owned(), field(entry, "/description")]
    });
    table(["TYPE", "REPORTED BY", "WHEN"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_shown_with_what_became_of_it() {
        let event = json!({
            "event_id": "evt_1", "event_type": "custom.x", "timestamp": "T", "tenant_id": "acme", "agent_id": null,
            "execution_id": null, "webhook_id": null, "published_by": "K", "data": {"text": "a\u{1b}[2J"},
            "deliveries": [{"delivery_id": "del_1", "webhook_id": "wh_1", "status": "success"}],
        });
        let text = shown(&event);
        assert!(text.contains("evt_1") && text.contains("by key    K"), "{text}");
        assert!(text.contains("del_1") && text.contains("success") && !text.contains('\u{1b}'), "{text}");
        assert_eq!(row(&event)[4], "-");
    }
}
