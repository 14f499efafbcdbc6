//! One delivery as `agenthook listen` prints it.

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use owo_colors::OwoColorize;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::body::Json;
use super::proof::{Proof, Proofs, Verdict};
use super::receiver::Received;
use crate::cli::output::{field, plain};
use crate::model::Time;
use crate::signature::HeaderSource;

/// Event ids that are remembered to mark repeats: the newest.
const REMEMBERED: u64 = 10_000;
/// How much of an id is looked at, in characters: ours have 36.
const ID_CHARS: usize = 256;
/// How much of a body people are shown, in characters. Programs get all of it.
const SHOWN_CHARS: usize = 65_536;

/// How often each event has come.
pub(super) struct Seen(Cache<String, u32>);

impl Seen {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(REMEMBERED).eviction_policy(EvictionPolicy::lru()).build())
    }

    /// How often it has come before.
    fn before(&mut self, id: &str) -> u32 {
        let before = self.0.get(id).unwrap_or_default();
        self.0.insert(id.to_owned(), before.saturating_add(1));
        before
    }
}

/// A delivery for programs.
#[derive(Serialize)]
struct Object<'a> {
    at: String,
    path: &'a str,
    event_id: Option<&'a str>,
    event_type: &'a Value,
    retry_count: &'a Value,
    repeat: bool,
    signature: Verdict,
    signatures: &'a [Proof],
    body: Box<RawValue>,
}

/// What there is to say of one.
pub(super) struct Delivery {
    at: Time,
    path: String,
    event_id: Option<String>,
    event_type: Value,
    retry_count: Value,
    /// How often the same event has come before.
    before: u32,
    verdict: Verdict,
    proofs: Vec<Proof>,
    body: Body,
}

/// A body as it was sent.
enum Body {
    Json(Json),
    /// What is no JSON.
    Text(String),
}

impl Delivery {
    pub(super) fn of(received: Received, proofs: &Proofs, seen: &mut Seen) -> Self {
        let (verdict, proofs) = proofs.check(&received);
        // What is nested too deep is text too: it would be laid out in more blanks than anybody has room for.
        let parsed: Option<Value> = serde_json::from_slice(&received.body).ok();
        let (is_json, value) = (parsed.is_some(), parsed.unwrap_or_default());
        let event_id = event_id(&received.headers, &value);
        let member = |names: [&str; 2]| names.iter().find_map(|name| value.get(name)).cloned();
        let text = String::from_utf8_lossy(&received.body).into_owned();
        Self {
            at: received.at,
            path: received.path,
            before: event_id.as_deref().map_or(0, |id| seen.before(id)),
            event_id,
            event_type: member(["event_type", "type"]).unwrap_or_default(),
            retry_count: value.get("retry_count").cloned().unwrap_or_default(),
            verdict,
            proofs,
            body: Json::read(&text).filter(|_| is_json).map_or(Body::Text(text), Body::Json),
        }
    }

    /// One object a line, for programs.
    pub(super) fn json(&self) -> String {
        let body = match &self.body {
            Body::Json(json) => json.on_one_line(),
            // A text can be written.
            Body::Text(text) => to_raw_value(text).unwrap_or_else(|_| RawValue::NULL.to_owned()),
        };
        let object = Object {
            at: stamp(self.at),
            path: &self.path,
            event_id: self.event_id.as_deref(),
            event_type: &self.event_type,
            retry_count: &self.retry_count,
            repeat: self.before > 0,
            signature: self.verdict,
            signatures: &self.proofs,
            body,
        };
        serde_json::to_string(&object).unwrap_or_default()
    }

    /// For people. What strangers wrote is made plain.
    pub(super) fn text(&self) -> String {
        let id = self.event_id.as_deref().map_or_else(|| "-".to_owned(), plain);
        let mut head = format!("{} {} {id}", stamp(self.at).dimmed(), field(&self.event_type, "").bold());
        if let Some(earlier) = self.retry_count.as_u64() {
            head += &format!(" attempt {}", earlier.saturating_add(1));
        }
        if self.before > 0 {
            head += &format!(" {}", "(this event has come before)".yellow());
        }
        let mut lines = vec![head, format!("  signature: {}", self.signature())];
        let wrong = self.proofs.iter().filter_map(|proof| Some((proof.header, proof.detail.as_ref()?)));
        lines.extend(wrong.map(|(header, detail)| format!("    {header}: {}", plain(detail))));
        lines.extend(self.shown_body().lines().map(|line| format!("  {line}")));
        lines.join("\n")
    }

    fn signature(&self) -> String {
        let headers: Vec<_> = self.proofs.iter().map(|proof| proof.header).collect();
        let headers = headers.join(", ");
        match self.verdict {
            Verdict::Valid => format!("{} ({headers})", "valid".green()),
            Verdict::Invalid => format!("{} ({headers})", "invalid".red()),
            Verdict::Missing => format!("{}: no signature header", "missing".red()),
            Verdict::NotChecked if headers.is_empty() => "not checked: there is none".to_owned(),
            Verdict::NotChecked => format!("not checked: give --secret ({headers})"),
        }
    }

    fn shown_body(&self) -> String {
        let text = match &self.body {
            Body::Text(text) => text.clone(),
            Body::Json(json) => json.in_lines(),
        };
        let (shown, rest) = match text.char_indices().nth(SHOWN_CHARS) {
            Some((end, _)) => (&text[..end], text.len() - end),
            None => (text.as_str(), 0),
        };
        match rest {
            0 => plain(shown),
            rest => format!("{}\n… and {rest} more bytes: --json prints all", plain(shown)),
        }
    }
}

/// The event's id: the same on every attempt.
fn event_id(headers: &[(String, Vec<u8>)], body: &Value) -> Option<String> {
    let header = |name| headers.values(name).next().map(|id| String::from_utf8_lossy(id).into_owned());
    let member = |name| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let id = header("X-Event-ID")
        .or_else(|| header("webhook-id"))
        .or_else(|| member("event_id"))
        .or_else(|| member("idempotency_key"))?;
    Some(id.chars().take(ID_CHARS).collect())
}

fn stamp(at: Time) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
