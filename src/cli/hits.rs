//! `agenthook hits …`

use clap::{Args, Subcommand};
use serde_json::Value;

use super::api::ApiArgs;
use super::failure::Failure;
use super::output::{field, plain, sheet};
use super::paging::PageArgs;
use super::{hit_words, input};
use crate::model::{AgentId, HitId, HitReason, HitVerdict};

const VERDICTS: &[&str] = &["accepted", "held", "duplicate", "ignored", "rejected"];
/// Of a longer body only the beginning is shown; `--json` has more.
const MAX_CHARS: usize = 4000;

/// Hits: every POST to an agent's webhook, what became of it, and why
#[derive(Args)]
pub(super) struct Hits {
    #[command(flatten)]
    api: ApiArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// An agent's hits as a table, newest first
    #[command(after_help = "\
Examples:
  agenthook hits list --agent AGENT_ID
  agenthook hits list --agent AGENT_ID --verdict rejected --limit 20
  agenthook hits list --agent AGENT_ID --json | jq '.counts.by_reason'")]
    List {
        /// The agent
        #[arg(long, value_name = "AGENT_ID")]
        agent: AgentId,
        /// Only those with this verdict
        #[arg(long, value_parser = input::word::<HitVerdict>(VERDICTS))]
        verdict: Option<HitVerdict>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// One hit whole: its headers without secrets, and its body
    #[command(after_help = "\
The id is the X-Request-Id of the answer to the hit; of one that was accepted it is the execution's too.

Example:
  agenthook hits show REQUEST_ID")]
    Show {
        #[arg(value_name = "HIT_ID")]
        hit_id: HitId,
    },
    /// Why a hit did not run, and what to do
    #[command(after_help = "\
The id is the X-Request-Id of the answer that the sender got.

Example:
  agenthook hits explain REQUEST_ID")]
    Explain {
        #[arg(value_name = "HIT_ID")]
        hit_id: HitId,
    },
}

impl Hits {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (api, json) = (self.api.api()?, self.api.json);
        match self.what {
            What::List { agent, verdict, page } => {
                let verdict = verdict.and_then(|verdict| serde_json::to_value(verdict).ok());
                let filter = [("verdict", verdict.map(|verdict| field(&verdict, "")))];
                let agent = agent.to_string();
                let page = page.read_at(&api, &["agents", &agent, "hits"], "hits", &filter).await?;
                page.show(
                    json,
                    ["HIT", "RECEIVED", "VERDICT", "REASON", "DIAGNOSIS", "STATUS", "EXECUTION"],
                    row,
                )
            }
            What::Show { hit_id } => {
                let answer = api.get(&["hits", &hit_id.to_string()], &[]).await?;
                answer.show(json, shown)
            }
            What::Explain { hit_id } => {
                let answer = api.get(&["hits", &hit_id.to_string()], &[]).await?;
                answer.show(json, explained)
            }
        }
    }
}

fn row(hit: &Value) -> [String; 7] {
    let text = |pointer| field(hit, pointer);
    [
        text("/hit_id"),
        text("/received_at"),
        text("/verdict"),
        text("/reason"),
        text("/diagnosis/code"),
        text("/status_code"),
        text("/execution_id"),
    ]
}

fn summary(hit: &Value) -> Vec<(&'static str, String)> {
    let text = |pointer| field(hit, pointer);
    let mut rows = vec![
        ("hit", text("/hit_id")),
        ("received", text("/received_at")),
        ("agent", text("/agent_id")),
        ("tenant", text("/tenant_id")),
        ("verdict", format!("{} ({})", text("/verdict"), text("/reason"))),
    ];
    if hit.pointer("/status_code").is_some_and(Value::is_u64) {
        rows.push(("answer", text("/status_code")));
    }
    if hit.pointer("/execution_id").is_some_and(Value::is_string) {
        rows.push(("execution", text("/execution_id")));
    }
    rows
}

fn shown(hit: &Value) -> String {
    let mut rows = summary(hit);
    if hit.pointer("/diagnosis").is_some_and(Value::is_object) {
        rows.push(("diagnosis", diagnosis(hit)));
    }
    if hit.pointer("/detail").is_some_and(Value::is_string) {
        rows.push(("detail", field(hit, "/detail")));
    }
    let mut parts = vec![sheet(rows)];
    let headers = hit.pointer("/headers").and_then(Value::as_object);
    if let Some(headers) = headers.filter(|headers| !headers.is_empty()) {
        let lines: Vec<_> =
            headers.iter().map(|(name, value)| format!("{}: {}", plain(name), field(value, ""))).collect();
        parts.push(format!("headers\n{}", lines.join("\n")));
    }
    parts.push(format!("body ({})\n{}", size(hit), body(hit)));
    parts.join("\n\n")
}

fn explained(hit: &Value) -> String {
    let word = |pointer| hit.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let mut parts = vec![sheet(summary(hit))];
    // A newer server may know more reasons.
    if let Ok(reason) = serde_json::from_value::<HitReason>(word("/reason").into()) {
        parts.push(hit_words::reason(reason).to_owned());
    }
    if hit.pointer("/diagnosis").is_some_and(Value::is_object) {
        parts.push(diagnosis(hit));
    }
    if hit.pointer("/detail").is_some_and(Value::is_string) {
        parts.push(field(hit, "/detail"));
    }
    if word("/verdict") == "rejected" {
        parts.push(format!("What came in: agenthook hits show {}", field(hit, "/hit_id")));
    } else if hit.pointer("/execution_id").is_some_and(Value::is_string) {
        parts.push(format!("What came of it: agenthook executions show {}", field(hit, "/execution_id")));
    }
    parts.join("\n\n")
}

fn diagnosis(hit: &Value) -> String {
    format!("{}: {}", field(hit, "/diagnosis/code"), field(hit, "/diagnosis/detail"))
}

fn size(hit: &Value) -> String {
    match hit.pointer("/body_bytes").and_then(Value::as_u64) {
        None => "not read to its end".to_owned(),
        Some(bytes) => format!("{bytes} bytes"),
    }
}

fn body(hit: &Value) -> String {
    let text = field(hit, "/body/text");
    let is_cut = hit.pointer("/body/cut").and_then(Value::as_bool).unwrap_or_default();
    let shown: String = text.chars().take(MAX_CHARS).collect();
    if is_cut || shown.len() < text.len() { format!("{shown}…") } else { shown }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_is_explained_on_one_page() {
        let hit = json!({
            "hit_id": "H", "agent_id": "A", "tenant_id": "acme", "received_at": "T", "verdict": "rejected",
            "reason": "invalid_signature", "status_code": 401, "execution_id": null,
            "diagnosis": {"code": "trailing_newline", "detail": "cut it off\u{1b}[2J"}, "body_bytes": 70_000,
            "headers": {"host": "h"}, "body": {"text": "{}", "cut": true, "utf8": true},
        });
        insta::assert_snapshot!(explained(&hit), @r"
        hit       H
        received  T
        agent     A
        tenant    acme
        verdict   rejected (invalid_signature)
        answer    401

        Its signature could not be verified. The sender was told no more than that.

        trailing_newline: cut it off\u{1b}[2J

        What came in: agenthook hits show H
        ");
        insta::assert_snapshot!(shown(&hit), @r"
        hit        H
        received   T
        agent      A
        tenant     acme
        verdict    rejected (invalid_signature)
        answer     401
        diagnosis  trailing_newline: cut it off\u{1b}[2J

        headers
        host: h

        body (70000 bytes)
        {}…
        ");
    }

    #[test]
    fn what_ran_leads_to_its_execution() {
        let hit = json!({
            "hit_id": "H", "verdict": "accepted", "reason": "queued", "status_code": null, "execution_id": "H",
            "diagnosis": null, "body_bytes": null, "headers": {}, "body": {"text": "", "cut": false, "utf8": true},
        });
        assert!(explained(&hit).ends_with("What came of it: agenthook executions show H"));
        assert!(shown(&hit).ends_with("body (not read to its end)\n"), "{}", shown(&hit));
    }
}
