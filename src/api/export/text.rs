//! Executions as lines of JSON, and as a table.

use csv::{Terminator, WriterBuilder};
use serde_json::Value;

use crate::api::view::{self, ExportView};
use crate::store::Exported;

/// The columns of the table, and where each is in a line of JSON. `input` and `output` follow.
const COLUMNS: [(&str, &str); 25] = [
    ("execution_id", "/execution_id"),
    ("tenant_id", "/tenant_id"),
    ("agent_id", "/agent_id"),
    ("agent_version", "/agent_version"),
    ("status", "/status"),
    ("run", "/run"),
    ("source", "/source"),
    ("replay_of", "/replay_of"),
    ("held_reason", "/held_reason"),
    ("received_at", "/timing/received_at"),
    ("started_at", "/timing/started_at"),
    ("finished_at", "/timing/finished_at"),
    ("queue_ms", "/timing/queue_ms"),
    ("llm_ms", "/timing/llm_ms"),
    ("total_ms", "/timing/total_ms"),
    ("model", "/model"),
    ("key_source", "/key_source"),
    ("prompt_tokens", "/usage/prompt_tokens"),
    ("completion_tokens", "/usage/completion_tokens"),
    ("total_tokens", "/usage/total_tokens"),
    ("cached_tokens", "/usage/cached_tokens"),
    ("reasoning_tokens", "/usage/reasoning_tokens"),
    ("cost_usd", "/cost_usd"),
    ("error_code", "/error/code"),
    ("error_message", "/error/message"),
];

/// Each as a line of JSON.
pub(super) fn lines(rows: Vec<Exported>) -> Vec<u8> {
    let mut text = Vec::new();
    for row in rows {
        // Our own struct can be written, and memory takes all of it.
        if serde_json::to_writer(&mut text, &view::exported(row)).is_ok() {
            text.push(b'\n');
        }
    }
    text
}

/// The table's head.
pub(super) fn head() -> Vec<u8> {
    let names = COLUMNS.iter().map(|(name, _)| *name).chain(["input", "output"]);
    records([names.map(str::to_owned).collect()])
}

/// Each as a row of the table.
pub(super) fn table(rows: Vec<Exported>) -> Vec<u8> {
    records(rows.into_iter().map(|row| record(&view::exported(row))))
}

fn record(view: &ExportView) -> Vec<String> {
    let fields = serde_json::to_value(view.execution()).unwrap_or_default();
    let cells = COLUMNS.iter().map(|(_, pointer)| cell(fields.pointer(pointer)));
    let texts = [view.input(), view.output()].map(|text| text.map(neutral).unwrap_or_default());
    cells.chain(texts).collect()
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => neutral(text),
        // Without an exponent, which not every program reads.
        Some(Value::Number(number)) if number.is_f64() => number.as_f64().unwrap_or_default().to_string(),
        Some(value @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_))) => {
            value.to_string()
        }
    }
}

/// The text as no program takes it for a formula: strangers write what is in these cells, and a spreadsheet would compute,
/// or fetch, what they say. The list is OWASP's ("CSV Injection"), with the full-width forms.
fn neutral(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    if is_formula { format!("'{text}") } else { text.to_owned() }
}

fn records(records: impl IntoIterator<Item = Vec<String>>) -> Vec<u8> {
    let mut table = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    for record in records {
        // Memory takes all of it, and all records are equally long.
        let _ = table.write_record(record);
    }
    table.into_inner().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_formula_is_text() {
        for (text, shown) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("\n=1", "'\n=1"),
            ("＝1", "'＝1"),
            ("a=1", "a=1"),
            (" =1", " =1"),
            ("", ""),
        ] {
            assert_eq!(neutral(text), shown);
        }
        assert_eq!(cell(Some(&serde_json::json!(-5))), "-5", "numbers are ours");
        assert_eq!(cell(Some(&serde_json::json!(1.33e-5))), "0.0000133");
    }

    #[test]
    fn a_table_is_as_rfc_4180_says() {
        let row = ["a,b", "say \"x\"", "two\r\nlines", "plain"].map(str::to_owned);
        let text = String::from_utf8(records([row.to_vec()])).expect("text");
        assert_eq!(text, "\"a,b\",\"say \"\"x\"\"\",\"two\r\nlines\",plain\r\n");
    }
}
