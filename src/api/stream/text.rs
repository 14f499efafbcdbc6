//! The form of server-sent events (WHATWG HTML, 9.2.6). Our own: each field is a line, and no value has a line end.

use serde_json::json;

use crate::api::view;
use crate::model::{EventType, Execution, Position};

/// How long a browser waits before it comes back, in ms.
const RETRY_MS: u32 = 2000;

/// The first that is said: how soon to come back, and from where.
pub(super) fn beginning(position: Position) -> String {
    format!("retry: {RETRY_MS}\nid: {position}\n\n")
}

/// How an execution stands.
pub(super) fn state(position: Position, execution: &Execution) -> String {
    let kind = EventType::of_status(execution.status);
    // JSON in one line. What we made ourselves can be written.
    let data = serde_json::to_string(&view::execution(execution.clone())).unwrap_or_default();
    message(position, kind.as_str(), &data)
}

/// So much was to be told that some of it was left out.
pub(super) fn reset(position: Position) -> String {
    let data = json!({"message": "that is too long ago, or too much has happened, to tell all of it: read the list again"});
    message(position, "reset", &data.to_string())
}

/// A run has ended, and nothing more comes.
pub(super) fn end(position: Position, execution: &Execution) -> String {
    let Execution { execution_id, run, status, .. } = execution;
    let data = json!({"execution_id": execution_id, "run": run, "status": status});
    message(position, "end", &data.to_string())
}

/// Shows that somebody is there, and how far one has come who has heard all. A message without data reaches no listener.
pub(super) fn beat(position: Option<Position>) -> String {
    match position {
        Some(position) => format!(": here\nid: {position}\n\n"),
        None => ": here\n\n".to_owned(),
    }
}

/// For whoever looks at the bytes.
pub(super) fn comment(text: &str) -> String {
    format!(": {text}\n\n")
}

fn message(position: Position, kind: &str, data: &str) -> String {
    format!("id: {position}\nevent: {kind}\ndata: {data}\n\n")
}
