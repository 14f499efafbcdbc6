//! What happened to one execution, line by line.

use serde_json::Value;

use super::output::{field, table};

/// What is not simply the next step: why there was another call, another run, or an end.
const REASONS: [&str; 11] = [
    "key_fallback",
    "retry_planned",
    "requeued",
    "held",
    "released",
    "discarded",
    "cancelled",
    "retried",
    "replayed",
    "delivery_failed",
    "delivery_exhausted",
];

/// All of it.
pub(super) fn all(answer: &Value) -> String {
    lines(answer, |_| true).unwrap_or_else(|| "nothing happened yet".to_owned())
}

/// The reasons only; `None` if everything went straight.
pub(super) fn reasons(answer: &Value) -> Option<String> {
    lines(answer, |event| REASONS.contains(&event))
}

fn lines(answer: &Value, is_wanted: impl Fn(&str) -> bool) -> Option<String> {
    let entries = answer.pointer("/timeline").and_then(Value::as_array)?.iter();
    let wanted = entries
        .filter(|entry| entry.pointer("/event").and_then(Value::as_str).is_some_and(&is_wanted))
        .map(|entry| {
            let by = entry.pointer("/by").map(|_| format!(" (by {})", field(entry, "/by")));
            [
                field(entry, "/at"),
                field(entry, "/run"),
                field(entry, "/event"),
                field(entry, "/message").replace('\n', " ") + &by.unwrap_or_default(),
            ]
        });
    let rows: Vec<_> = wanted.collect();
    (!rows.is_empty()).then(|| table(["AT", "RUN", "EVENT", "WHAT HAPPENED"], rows))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reasons_are_told_where_there_are_some() {
        let entry =
            |event: &str, message: &str| json!({"at": "T", "run": 1, "event": event, "message": message});
        let straight = json!({"timeline": [entry("received", "a webhook"), entry("succeeded", "fine")]});
        assert_eq!(reasons(&straight), None);
        insta::assert_snapshot!(all(&straight), @r"
        AT  RUN  EVENT      WHAT HAPPENED
        T   1    received   a webhook
        T   1    succeeded  fine
        ");
        let retried =
            json!({"timeline": [entry("received", "a webhook"), entry("retried", "once\nmore\u{1b}[2J")]});
        insta::assert_snapshot!(reasons(&retried).expect("one"), @r"
        AT  RUN  EVENT    WHAT HAPPENED
        T   1    retried  once more\u{1b}[2J
        ");
        assert_eq!(all(&json!({})), "nothing happened yet");
    }
}
