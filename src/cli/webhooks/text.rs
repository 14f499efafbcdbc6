//! Webhooks and their deliveries as people read them.

use serde_json::Value;

use crate::cli::limits::rate;
use crate::cli::output::{field, plain, sheet};

pub(super) const COLUMNS: [&str; 7] = ["WEBHOOK", "TENANT", "URL", "EVENTS", "PROFILE", "STATUS", "CIRCUIT"];
pub(super) const DELIVERY_COLUMNS: [&str; 6] =
    ["DELIVERY", "EVENT TYPE", "STATUS", "ANSWER", "ATTEMPTS", "NEXT ATTEMPT"];

pub(super) fn row(webhook: &Value) -> [String; 7] {
    ["/webhook_id", "/tenant_id", "/url", "/events", "/profile", "/status", "/stats/circuit"]
        .map(|pointer| field(webhook, pointer))
}

pub(super) fn describe(webhook: &Value) -> String {
    let text = |pointer| field(webhook, pointer);
    let retry = match webhook.pointer("/retry/schedule_seconds") {
        Some(waits) => format!("after {} s", field(waits, "")),
        None => text("/retry"),
    };
    let status = match webhook.pointer("/disabled_reason") {
        Some(Value::String(why)) => format!("{} ({})", text("/status"), plain(why)),
        _ => text("/status"),
    };
    let headers = webhook.pointer("/headers").and_then(Value::as_object);
    let headers: Vec<_> = headers.into_iter().flatten().map(|(name, _)| plain(name)).collect();
    let mut rows = vec![
        ("webhook", text("/webhook_id")),
        ("tenant", text("/tenant_id")),
        ("agent", text("/agent_id")),
        ("url", text("/url")),
        ("headers", if headers.is_empty() { "-".to_owned() } else { headers.join(", ") }),
        ("events", text("/events")),
        ("filter", text("/filter")),
        ("profile", text("/profile")),
        ("status", status),
        ("retry", retry),
        ("timeout", format!("{} s", text("/timeout_seconds"))),
        ("rate", rate(webhook, "/rate_limit")),
        (
            "when exhausted",
            match webhook.pointer("/disable_on_exhausted") {
                Some(Value::Bool(true)) => "is disabled".to_owned(),
                _ => "stays active".to_owned(),
            },
        ),
        ("description", text("/description")),
        ("created", text("/created_at")),
        ("delivered", text("/stats/delivered")),
        ("failed", text("/stats/failed")),
        ("last delivery", text("/stats/last_delivery_at")),
        ("last failure", text("/stats/last_failure_at")),
        ("circuit", text("/stats/circuit")),
    ];
    rows.extend(secret(webhook));
    sheet(rows)
}

/// What is shown once.
fn secret(answer: &Value) -> Vec<(&'static str, String)> {
    let text = |pointer| field(answer, pointer);
    let mut rows = Vec::new();
    if answer.pointer("/secret_key").is_some_and(Value::is_string) {
        rows.push(("secret", format!("{}\nshown this once: keep it", text("/secret_key"))));
    }
    if answer.pointer("/standard_webhooks_secret").is_some_and(Value::is_string) {
        rows.push(("for libraries", text("/standard_webhooks_secret")));
    }
    rows
}

pub(super) fn rotated(answer: &Value) -> String {
    let mut rows = vec![("secret id", field(answer, "/secret_id"))];
    rows.extend(secret(answer));
    sheet(rows)
}

pub(super) fn delivery_row(delivery: &Value) -> [String; 6] {
    ["/delivery_id", "/event_type", "/status", "/status_code", "/attempt_count", "/next_attempt_at"]
        .map(|pointer| field(delivery, pointer))
}
