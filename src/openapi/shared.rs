//! What operations share, so that no handler has to say it: who may ask, what may always go wrong, which headers every
//! answer has.

use serde_json::{Map, Value, json};

use super::problems;
use crate::web::Code;

/// Adds it to all of them.
pub(super) fn complete(document: &mut Value) {
    document["components"]["schemas"]["Problem"] = problems::schema();
    document["components"]["headers"] = json!({
        "X-Request-Id": {
            "description": "Names this request in the server's log; never the sender's own.",
            "required": true, "schema": { "type": "string", "format": "uuid" }
        },
        "Retry-After": {
            "description": "Come back in so many seconds.",
            "required": true, "schema": { "type": "integer", "minimum": 0 }
        },
        "WWW-Authenticate": {
            "description": "How to say who asks.", "required": true, "schema": { "const": "Bearer" }
        },
        "Cache-Control": {
            "description": "Answers change, and some hold secrets.", "required": true,
            "schema": { "const": "no-store" }
        }
    });
    let mut refusals = Map::new();
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        for operation in item.as_object_mut().into_iter().flat_map(|item| item.values_mut()) {
            parameters(operation);
            body(operation);
            answers(path, operation, &mut refusals);
        }
    }
    document["components"]["responses"] = refusals.into();
}

/// A query string has no `null`.
fn parameters(operation: &mut Value) {
    let all = operation.get_mut("parameters").and_then(Value::as_array_mut);
    for parameter in all.into_iter().flatten() {
        let Some(schema) = parameter.get_mut("schema") else { continue };
        if let Some(types) = schema.get_mut("type").and_then(Value::as_array_mut) {
            types.retain(|name| name != "null");
            if let [only] = &types[..] {
                schema["type"] = only.clone();
            }
        }
        if let Some(choices) = schema.get_mut("oneOf").and_then(Value::as_array_mut) {
            choices.retain(|choice| choice["type"] != "null");
            if let [only] = &choices[..] {
                *schema = only.clone();
            }
        }
    }
}

/// A body of an `Option` may be left out, and is no `null` either.
fn body(operation: &mut Value) {
    let Some(body) = operation.get_mut("requestBody") else { return };
    let mut required = true;
    for content in body["content"].as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
        let Some(choices) = content["schema"].get_mut("oneOf").and_then(Value::as_array_mut) else {
            continue;
        };
        choices.retain(|choice| choice["type"] != "null");
        if let [only] = &choices[..] {
            content["schema"] = only.clone();
            required = false;
        }
    }
    body["required"] = required.into();
}

fn answers(path: &str, operation: &mut Value, refusals: &mut Map<String, Value>) {
    let with_key = path.starts_with("/api/");
    let has_query = operation
        .get("parameters")
        .and_then(Value::as_array)
        .is_some_and(|all| all.iter().any(|one| one["in"] == "query"));
    let has_body = operation.get("requestBody").is_some();
    if with_key {
        operation["security"] = json!([{ "key": [] }]);
    }
    let mut may: Vec<(bool, Vec<Code>)> = vec![
        (true, vec![Code::Internal]),
        (path != "/healthz", vec![Code::Unavailable]),
        (path.contains('{') && path != "/webhook/agents/{agent_id}/webhook", vec![Code::NotFound]),
        (with_key, vec![Code::Unauthorized]),
        (with_key, vec![Code::Forbidden]),
        (with_key, vec![Code::TooManyRequests]),
        (with_key && has_body, vec![Code::MalformedJson, Code::IncompleteBody]),
        (with_key && has_body, vec![Code::PayloadTooLarge]),
        (with_key && (has_body || has_query), vec![Code::InvalidRequest]),
    ];
    let Some(answers) = operation["responses"].as_object_mut() else { return };
    may.retain(|(may, codes)| *may && !answers.contains_key(&codes[0].parts().1.to_string()));
    for answer in answers.values_mut() {
        if let Some(codes) = problems::named(answer["description"].as_str().unwrap_or_default()) {
            may.push((true, codes));
        } else {
            headers(None, with_key, answer);
        }
    }
    for (_, codes) in may {
        let (status, name) = (codes[0].parts().1.to_string(), problems::name(&codes));
        // What has no key has fewer headers.
        let name = if with_key { name } else { format!("{name}-open") };
        let refusal = refusals.entry(name.clone()).or_insert_with(|| problems::answer(&codes));
        headers(Some(&status), with_key, refusal);
        answers.insert(status, json!({ "$ref": format!("#/components/responses/{name}") }));
    }
}

fn headers(refused: Option<&str>, with_key: bool, answer: &mut Value) {
    let mut headers = answer.get("headers").and_then(Value::as_object).cloned().unwrap_or_else(Map::new);
    let mut add = |name: &str| {
        headers.insert(name.into(), json!({ "$ref": format!("#/components/headers/{name}") }));
    };
    add("X-Request-Id");
    if with_key {
        add("Cache-Control");
    }
    if with_key && refused == Some("401") {
        add("WWW-Authenticate");
    }
    if matches!(refused, Some("429" | "503")) {
        add("Retry-After");
    }
    answer["headers"] = headers.into();
}
