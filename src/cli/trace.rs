//! One execution for people: what came in, what was called, what it took, what came out.

use owo_colors::OwoColorize;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::api::Api;
use super::failure::Failure;
use super::output::{self, field, plain, sheet, table};
use super::timeline;

/// Of a longer input or output only the beginning is shown; `--json` has all of it.
const MAX_CHARS: usize = 8000;

/// The trace of the execution in this JSON.
pub(super) fn of(text: &str) -> String {
    with(text, None)
}

/// The same, and why it did not go straight, where it did not.
pub(super) async fn with_reasons(api: &Api, execution: &str, text: &str) -> Result<String, Failure> {
    let answer = api.get(&["executions", execution, "timeline"], &[]).await?;
    Ok(with(text, timeline::reasons(&answer.json)))
}

fn with(text: &str, reasons: Option<String>) -> String {
    let execution: Value = serde_json::from_str(text).unwrap_or_default();
    let mut parts = vec![summary(&execution)];
    let attempts = execution.pointer("/attempts").and_then(Value::as_array);
    if let Some(attempts) = attempts.filter(|attempts| !attempts.is_empty()) {
        parts.push(format!("{}\n{}", "calls".bold(), calls(attempts, execution.pointer("/error"))));
    }
    parts.extend(reasons.map(|reasons| format!("{}\n{reasons}", "why".bold())));
    parts.extend(schema_errors(&execution));
    parts.push(format!("{}\n{}", "input".bold(), shortened(&input(text))));
    if let Some(output) = execution.pointer("/output").and_then(Value::as_str) {
        parts.push(format!("{}\n{}", "output".bold(), shortened(output)));
    }
    parts.join("\n\n")
}

fn summary(execution: &Value) -> String {
    let text = |pointer| field(execution, pointer);
    let ms = |pointer| millis(execution.pointer(pointer));
    let mut rows = vec![
        ("execution", text("/execution_id")),
        ("status", output::status(&text("/status"))),
        ("agent", format!("{} (version {})", text("/agent_id"), text("/agent_version"))),
        ("tenant", text("/tenant_id")),
        ("model", format!("{} (key: {})", text("/model"), text("/key_source"))),
        ("received", text("/timing/received_at")),
        (
            "took",
            format!(
                "{} (queued {}, LLM {})",
                ms("/timing/total_ms"),
                ms("/timing/queue_ms"),
                ms("/timing/llm_ms")
            ),
        ),
        ("tokens", tokens(execution.pointer("/usage"))),
        ("cost", dollars(execution.pointer("/cost_usd"))),
    ];
    if execution.pointer("/run").and_then(Value::as_i64).is_some_and(|run| run > 1) {
        rows.insert(2, ("run", format!("{} (times are of this run, tokens and cost of all)", text("/run"))));
    }
    if execution.pointer("/replay_of").is_some_and(Value::is_string) {
        rows.insert(2, ("replay of", text("/replay_of")));
    }
    if execution.pointer("/held_reason").is_some_and(Value::is_string) {
        rows.push(("held for", text("/held_reason")));
    }
    if execution.pointer("/callback/host").is_some_and(Value::is_string) {
        rows.push(("calls back", text("/callback/host")));
    }
    if execution.pointer("/due_at").is_some_and(Value::is_string) {
        rows.push(("due", text("/due_at")));
    }
    if execution.pointer("/error").is_some_and(Value::is_object) {
        rows.push(("error", failure(execution.pointer("/error"))));
    }
    sheet(rows)
}

/// One row a call. `told` is the execution's own error, which stands above: its text is not said twice.
fn calls(attempts: &[Value], told: Option<&Value>) -> String {
    let rows = attempts.iter().map(|attempt| {
        let result = match attempt.pointer("/error") {
            Some(error) if error.is_object() && told == Some(error) => field(error, "/code"),
            Some(error) if error.is_object() => failure(Some(error)),
            _ => tokens(attempt.pointer("/usage")),
        };
        let run = match attempt.pointer("/run").and_then(Value::as_i64) {
            Some(run @ 2..) => format!(" (run {run})"),
            _ => String::new(),
        };
        [
            field(attempt, "/number") + &run,
            field(attempt, "/started_at"),
            took(attempt),
            field(attempt, "/key_source"),
            field(attempt, "/model"),
            field(attempt, "/status_code"),
            field(attempt, "/llm_call_id"),
            result,
        ]
    });
    table(["#", "STARTED", "TOOK", "KEY", "MODEL", "HTTP", "CALL ID", "TOKENS OR ERROR"], rows)
}

/// Where the payload of one that is held does not match the schema.
fn schema_errors(execution: &Value) -> Option<String> {
    let errors = execution.pointer("/schema_errors").and_then(Value::as_array)?;
    let rows =
        errors.iter().map(|error| ["/instance_path", "/schema_path", "/message"].map(|at| field(error, at)));
    Some(format!("does not match the schema\n{}", table(["IN THE PAYLOAD", "IN THE SCHEMA", "WHAT"], rows)))
}

fn took(attempt: &Value) -> String {
    let time = |pointer| {
        let text = attempt.pointer(pointer)?.as_str()?;
        chrono::DateTime::parse_from_rfc3339(text).ok()
    };
    match (time("/started_at"), time("/finished_at")) {
        (Some(start), Some(end)) => millis(Some(&(end - start).num_milliseconds().into())),
        _ => "-".to_owned(),
    }
}

fn tokens(usage: Option<&Value>) -> String {
    let Some(usage) = usage.filter(|usage| usage.is_object()) else { return "-".to_owned() };
    let count = |name| usage.pointer(name).and_then(Value::as_i64).unwrap_or_default();
    let part = |count: i64, word: &str| if count == 0 { String::new() } else { format!(" ({count} {word})") };
    format!(
        "{}: {} prompt{} + {} completion{}",
        count("/total_tokens"),
        count("/prompt_tokens"),
        part(count("/cached_tokens"), "cached"),
        count("/completion_tokens"),
        part(count("/reasoning_tokens"), "reasoning"),
    )
}

fn failure(error: Option<&Value>) -> String {
    let error = error.unwrap_or(&Value::Null);
    format!("{}: {}", field(error, "/code"), field(error, "/message").replace('\n', " "))
}

/// Milliseconds as people say them.
pub(super) fn millis(ms: Option<&Value>) -> String {
    match ms.and_then(Value::as_i64) {
        None => "-".to_owned(),
        Some(ms @ ..10_000) => format!("{ms} ms"),
        Some(ms @ ..600_000) => format!("{:.1} s", ms as f64 / 1e3),
        Some(ms) => format!("{:.1} min", ms as f64 / 6e4),
    }
}

/// An amount to the nano-dollar, without the zeros at its end.
pub(super) fn dollars(usd: Option<&Value>) -> String {
    match usd.and_then(Value::as_f64) {
        None => "-".to_owned(),
        Some(usd) => {
            let digits = format!("{usd:.9}");
            format!("${}", digits.trim_end_matches('0').trim_end_matches('.'))
        }
    }
}

/// The payload as the server wrote it: read into numbers and back, a long one would lose digits.
fn input(text: &str) -> String {
    #[derive(Deserialize)]
    struct Input<'a> {
        #[serde(borrow)]
        input: Option<&'a RawValue>,
    }
    let input = serde_json::from_str::<Input<'_>>(text).ok().and_then(|execution| execution.input);
    input.map_or("-", RawValue::get).to_owned()
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        None => plain(text),
        Some((end, _)) => {
            format!("{}\n… {} bytes more: --json shows all", plain(&text[..end]), text.len() - end)
        }
    }
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_trace_is_read_from_top_to_bottom() {
        let text = r#"{"execution_id":"E","agent_id":"A","agent_version":3,"tenant_id":"acme","status":"success",
            "input":{"n":12345678901234567890123},"output":"High\u001b[2J","error":null,"model":"gpt-4o-mini",
            "key_source":"tenant","cost_usd":0.0000133,
            "usage":{"prompt_tokens":41,"completion_tokens":12,"total_tokens":53,"cached_tokens":8,"reasoning_tokens":0},
            "timing":{"received_at":"2026-01-02T03:04:05.678Z","queue_ms":3,"llm_ms":812,"total_ms":818},
            "attempts":[
              {"number":1,"started_at":"2026-01-02T03:04:05.000Z","finished_at":null,"key_source":"tenant",
               "status_code":null,"error":{"code":"crashed","message":"the worker\ndied"},"llm_call_id":"c1","model":"m"},
              {"number":2,"started_at":"2026-01-02T03:04:05.000Z","finished_at":"2026-01-02T03:04:05.812Z",
               "key_source":"tenant","status_code":200,"error":null,"llm_call_id":"c2","model":"m",
               "usage":{"prompt_tokens":41,"completion_tokens":12,"total_tokens":53}}]}"#;
        insta::assert_snapshot!(strip_str(&of(text)), @r#"
        execution  E
        status     success
        agent      A (version 3)
        tenant     acme
        model      gpt-4o-mini (key: tenant)
        received   2026-01-02T03:04:05.678Z
        took       818 ms (queued 3 ms, LLM 812 ms)
        tokens     53: 41 prompt (8 cached) + 12 completion
        cost       $0.0000133

        calls
        #  STARTED                   TOOK    KEY     MODEL  HTTP  CALL ID  TOKENS OR ERROR
        1  2026-01-02T03:04:05.000Z  -       tenant  m      -     c1       crashed: the worker died
        2  2026-01-02T03:04:05.000Z  812 ms  tenant  m      200   c2       53: 41 prompt + 12 completion

        input
        {"n":12345678901234567890123}

        output
        High\u{1b}[2J
        "#);
    }

    #[test]
    fn later_runs_and_replays_say_so() {
        let text = r#"{"execution_id":"E","status":"success","run":2,"replay_of":"D","input":1,
            "attempts":[{"number":1,"run":1},{"number":2,"run":2}]}"#;
        insta::assert_snapshot!(strip_str(&with(text, Some("because".to_owned()))), @r"
        execution  E
        status     success
        replay of  D
        run        2 (times are of this run, tokens and cost of all)
        agent      - (version -)
        tenant     -
        model      - (key: -)
        received   -
        took       - (queued -, LLM -)
        tokens     -
        cost       -

        calls
        #          STARTED  TOOK  KEY  MODEL  HTTP  CALL ID  TOKENS OR ERROR
        1          -        -     -    -      -     -        -
        2 (run 2)  -        -     -    -      -     -        -

        why
        because

        input
        1
        ");
    }

    #[test]
    fn what_did_not_happen_is_a_dash() {
        let text = r#"{"execution_id":"E","status":"failed","input":1,"attempts":[],
            "error":{"code":"no_key","message":"no key"}}"#;
        insta::assert_snapshot!(strip_str(&of(text)), @r"
        execution  E
        status     failed
        agent      - (version -)
        tenant     -
        model      - (key: -)
        received   -
        took       - (queued -, LLM -)
        tokens     -
        cost       -
        error      no_key: no key

        input
        1
        ");
        assert!(of("{}").contains("execution"));
    }

    #[test]
    fn amounts() {
        let cost = |usd: f64| dollars(Some(&json!(usd)));
        assert_eq!(
            [cost(0.000_013_3), cost(0.0), cost(12.5), cost(1e-9)],
            ["$0.0000133", "$0", "$12.5", "$0.000000001"]
        );
        let time = |ms: i64| millis(Some(&json!(ms)));
        assert_eq!(
            [time(0), time(9999), time(12_340), time(900_000)],
            ["0 ms", "9999 ms", "12.3 s", "15.0 min"]
        );
        let long = shortened(&"é".repeat(MAX_CHARS + 1));
        assert!(long.ends_with("\n… 2 bytes more: --json shows all"));
    }
}
