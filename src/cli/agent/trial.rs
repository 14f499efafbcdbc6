//! `agenthook agent test`: the payload as it is in the file, and what would become of it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::api::Answer;
use super::super::failure::Failure;
use super::super::input;
use super::super::output::{field, plain, print, sheet};

/// The body of the request. The payload is not parsed and printed: that would change its numbers.
pub(super) fn body(
    file: &Path,
    dry_run: bool,
    headers: &BTreeMap<String, String>,
) -> Result<String, Failure> {
    let text = input::text(file)?;
    let payload: &RawValue = serde_json::from_str(text.strip_prefix('\u{feff}').unwrap_or(&text))
        .map_err(|error| Failure::Usage(format!("{} is not JSON: {error}", file.display())))?;
    let headers = json!(headers);
    Ok(format!(r#"{{"payload":{},"dry_run":{dry_run},"headers":{headers}}}"#, payload.get()))
}

/// Shows a dry run; ends with 1 if nothing would run, or the run would fail before its first call.
pub(super) fn rehearsed(answer: &Answer, json: bool) -> Result<(), Failure> {
    print(if json { answer.text.clone() } else { described(&answer.json) })?;
    let runs = answer.json.pointer("/verdict").is_some_and(|verdict| verdict == "accepted")
        && answer.json.pointer("/error").is_some_and(Value::is_null);
    if runs { Ok(()) } else { Err(Failure::Negative) }
}

/// A test that its agent's filter left out.
pub(super) fn ignored(answer: &Value) -> String {
    match field(answer, "/error").as_str() {
        "-" => "ignored: the agent's filter leaves it out; nothing runs".to_owned(),
        error => format!("ignored: the agent's filter cannot be evaluated: {error}; nothing runs"),
    }
}

fn described(rehearsal: &Value) -> String {
    let text = |pointer| field(rehearsal, pointer);
    let verdict = match text("/reason").as_str() {
        "-" => text("/verdict"),
        reason => format!("{}: {reason}: {}", text("/verdict"), text("/detail")),
    };
    let mut rows = vec![("verdict", verdict)];
    if rehearsal.pointer("/filter/configured").is_some_and(|configured| configured == true) {
        let said = match (text("/filter/matched").as_str(), text("/filter/error")) {
            ("true", _) => "matches".to_owned(),
            ("-", _) => "not asked".to_owned(),
            (_, error) if error != "-" => format!("does not match: {error}"),
            _ => "does not match".to_owned(),
        };
        rows.push(("filter", said));
    }
    for fault in rehearsal.pointer("/schema/errors").and_then(Value::as_array).into_iter().flatten() {
        let place = Some(field(fault, "/instance_path")).filter(|place| !place.is_empty());
        let place = place.unwrap_or_else(|| "/".to_owned());
        rows.push(("schema", format!("{place}: {}", field(fault, "/message"))));
    }
    rows.push(("model", text("/model")));
    rows.push(("key", text("/key_source")));
    if rehearsal.pointer("/error").is_some_and(Value::is_object) {
        rows.push(("fails", format!("{}: {}", text("/error/code"), text("/error/message"))));
    }
    let mut shown = sheet(rows);
    let messages = rehearsal.pointer("/prompt/messages").and_then(Value::as_array);
    for message in messages.into_iter().flatten() {
        let content = message.pointer("/content").and_then(Value::as_str).unwrap_or_default();
        shown.push_str(&format!("\n\n{} message\n{}", field(message, "/role"), plain(content)));
    }
    if messages.is_some() {
        shown.push_str(&format!("\n\n({})", text("/prompt/note")));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_stays_as_it_is_written() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("p.json");
        std::fs::write(&path, " {\"b\": 1.0, \"a\":12345678901234567890123}\n").expect("written");
        let headers = BTreeMap::from([("X-A".to_owned(), "b".to_owned())]);
        let body = body(&path, true, &headers).expect("a body");
        assert_eq!(
            body,
            r#"{"payload":{"b": 1.0, "a":12345678901234567890123},"dry_run":true,"headers":{"X-A":"b"}}"#
        );
        std::fs::write(&path, "{").expect("written");
        assert!(matches!(super::body(&path, false, &BTreeMap::new()), Err(Failure::Usage(_))));
    }

    #[test]
    fn a_rehearsal_says_all_that_would_happen() {
        let rehearsal = json!({"verdict": "rejected", "reason": "schema_mismatch", "detail": "it does not match",
            "schema": {"errors": [{"instance_path": "", "message": "must have the property \"id\""}]}, "model": "m",
            "key_source": "none", "filter": {"configured": true, "matched": false, "error": "there is no `a`"}, "error": {"code": "no_key", "message": "set one"},
            "prompt": {"messages": [{"role": "system", "content": "be\u{1b} brief"}], "note": "as it is"}});
        insta::assert_snapshot!(described(&rehearsal), @r#"
        verdict  rejected: schema_mismatch: it does not match
        filter   does not match: there is no `a`
        schema   /: must have the property "id"
        model    m
        key      none
        fails    no_key: set one

        system message
        be\u{1b} brief

        (as it is)
        "#);
    }
}
