//! An agent for people.

use serde_json::{Value, json};

use super::super::curl::quoted;
use super::super::limits::{concurrency, rate};
use super::super::output::{field, plain, sheet, table};
use crate::model::SchemeName;

/// Characters of a prompt in a table.
const PROMPT_CHARS: usize = 40;

/// Its settings, one a line.
pub(super) fn describe(agent: &Value) -> String {
    let text = |pointer| field(agent, pointer);
    let mut rows = vec![
        ("agent", text("/agent_id")),
        ("name", text("/name")),
        ("status", text("/status")),
        ("tenant", text("/tenant_id")),
        ("version", text("/version")),
        ("llm", text("/llm_config")),
        ("timeout", format!("{} s per call", text("/timeout_seconds"))),
        ("retry", text("/retry")),
        ("prompt", text("/system_prompt")),
    ];
    match agent.pointer("/trigger") {
        Some(trigger) if trigger.is_object() => {
            let signed =
                format!("{}, secret in {}", field(trigger, "/scheme"), field(trigger, "/secret_encoding"));
            rows.push(("webhook", text("/webhook_url")));
            rows.push(("signed", signed));
            rows.push(("dedupe", field(trigger, "/dedupe")));
            rows.push(("filter", field(trigger, "/filter")));
            rows.push(("schema", field(trigger, "/payload_schema")));
            rows.push(("template", field(trigger, "/prompt_template")));
            rows.push(("rate", rate(trigger, "/rate_limit")));
            rows.push(("at once", concurrency(trigger, "/concurrency")));
            rows.push(("calls back", field(trigger, "/callback_hosts")));
        }
        _ => rows.push(("webhook", "takes none".to_owned())),
    }
    rows.extend(callback_secret(agent));
    sheet(rows)
}

/// What signs callbacks, in the answer that made it.
fn callback_secret(answer: &Value) -> Option<(&'static str, String)> {
    let secret = answer.pointer("/callback_secret").and_then(Value::as_str)?;
    Some(("callbacks", format!("signed with {}\nshown this once: keep it for the receiver", plain(secret))))
}

/// The secret of callbacks that a rotation made.
pub(super) fn callbacks_rotated(answer: &Value) -> String {
    let ids = [("endpoint", field(answer, "/webhook_id")), ("secret id", field(answer, "/secret_id"))];
    sheet(ids.into_iter().chain(callback_secret(answer)))
}

/// What its owner needs now, ready to be pasted.
pub(super) fn created(agent: &Value, server: Option<&str>) -> String {
    let text = |pointer| field(agent, pointer);
    let Some(secret) = agent.pointer("/webhook_secret").and_then(Value::as_str) else {
        return describe(agent);
    };
    let id = text("/agent_id");
    let rows = [
        ("agent", id.clone()),
        ("webhook", text("/webhook_url")),
        ("secret", format!("{}\nagain with: agenthook agent secret {id} --reveal", plain(secret))),
    ];
    let sheet = sheet(rows.into_iter().chain(callback_secret(agent)));
    let mut send = format!("AGENTHOOK_SECRET={} agenthook send --agent {id}", plain(&quoted(secret)));
    let scheme: SchemeName = agent
        .pointer("/trigger/scheme")
        .and_then(|scheme| serde_json::from_value(scheme.clone()).ok())
        .unwrap_or_default();
    match scheme {
        // Only Discord has the key that signs.
        SchemeName::Discord => return sheet,
        SchemeName::Hub => {}
        // It says how by a file, which only its owner knows.
        SchemeName::Custom => send.push_str(" --custom FILE.json"),
        _ => send.push_str(&format!(" --scheme {}", text("/trigger/scheme"))),
    }
    let encoding = agent.pointer("/trigger/secret_encoding");
    if encoding.is_some_and(|encoding| *encoding != json!(scheme.default_encoding())) {
        send.push_str(&format!(" --secret-encoding {}", text("/trigger/secret_encoding")));
    }
    if scheme == SchemeName::Twilio {
        send.push_str(&format!(" --url {}", quoted(&text("/webhook_url"))));
    }
    if let Some(server) = server {
        send.push_str(&format!(" --server {}", quoted(server)));
    }
    format!(
        "{sheet}\n\nSend it a signed payload and see what becomes of it:\n  \
         printf '%s' '{{\"ticket_id\":\"TKT-123\",\"description\":\"Issue\"}}' | {send} --wait -"
    )
}

/// The secret that a rotation made.
pub(super) fn rotated(answer: &Value, agent_id: &str) -> String {
    let secret = answer.pointer("/webhook_secret").and_then(Value::as_str).unwrap_or("-");
    sheet([
        ("agent", agent_id.to_owned()),
        ("secret", format!("{}\nearlier ones: agenthook agent secret {agent_id}", plain(secret))),
        ("id", field(answer, "/secret_id")),
    ])
}

/// The beginning of a text, on one line.
pub(super) fn beginning(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let start: String = line.chars().take(PROMPT_CHARS).collect();
    if start.len() < text.len() { format!("{start}…") } else { start }
}

/// Its secrets as a table.
pub(super) fn secrets(answer: &Value) -> String {
    let secrets = answer.pointer("/secrets").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let rows = secrets.iter().map(|secret| {
        ["/webhook_secret", "/secret_encoding", "/created_at", "/expires_at", "/last_used_at", "/secret_id"]
            .map(|pointer| field(secret, pointer))
    });
    table(["SECRET", "ENCODING", "CREATED", "EXPIRES", "LAST USED", "ID"], rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_new_agents_next_step_can_be_pasted() {
        let agent = json!({"agent_id": "A", "webhook_url": "http://h/webhook/agents/A/webhook",
            "webhook_secret": "it's", "trigger": {"secret_encoding": "utf8"}});
        insta::assert_snapshot!(created(&agent, Some("http://h:1/x y")), @r#"
        agent    A
        webhook  http://h/webhook/agents/A/webhook
        secret   it's
                 again with: agenthook agent secret A --reveal

        Send it a signed payload and see what becomes of it:
          printf '%s' '{"ticket_id":"TKT-123","description":"Issue"}' | AGENTHOOK_SECRET='it'\''s' agenthook send --agent A --secret-encoding utf8 --server 'http://h:1/x y' --wait -
        "#);
    }

    #[test]
    fn an_agent_without_a_webhook_says_so() {
        let agent = json!({"agent_id": "A", "name": "n\u{1b}", "version": 1, "trigger": null,
            "llm_config": {"model": "m"}, "system_prompt": "one\ntwo"});
        insta::assert_snapshot!(describe(&agent), @r#"
        agent    A
        name     n\u{1b}
        status   -
        tenant   -
        version  1
        llm      {"model":"m"}
        timeout  - s per call
        retry    -
        prompt   one
                 two
        webhook  takes none
        "#);
        assert_eq!(created(&agent, None), describe(&agent));
    }
}
