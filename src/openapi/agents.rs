//! What a request says about an agent, made of what an agent is: a new one has a tenant and may bring its secret, and a
//! change may leave everything out.

use serde_json::{Value, json};

use crate::model::{AgentSpec, WebhookSecret};

/// Adds `AgentCreate` and `AgentPatch`.
pub(super) fn complete(document: &mut Value) {
    let schemas = &document["components"]["schemas"];
    let secret = json!({
        "type": ["string", "null"], "writeOnly": true, "maxLength": WebhookSecret::MAX_BYTES,
        "description": "A secret that the sender made, in the form that `secret_encoding` names, of 16 bytes or more. \
                        Without it one is made. A change replaces all secrets at once."
    });
    let mut trigger = schemas["Trigger"].clone();
    trigger["properties"]["secret"] = secret;
    let mut create = schemas["AgentSpec"].clone();
    create["description"] = json!("A new agent.");
    create["properties"]["tenant_id"] = json!({
        "oneOf": [{ "$ref": "#/components/schemas/TenantId" }, { "type": "null" }],
        "description": "Whose it is. Only a key of one tenant may leave it out."
    });
    create["properties"]["trigger"]["oneOf"] = json!([
        { "type": "null" }, { "$ref": "#/components/schemas/TriggerCreate" }
    ]);
    create["example"] = json!({
        "tenant_id": "acme", "name": "Ticket enhancer", "system_prompt": "You triage tickets.",
        "llm_config": { "model": "gpt-4o-mini", "temperature": 0.2, "max_tokens": 512 },
        "trigger": { "type": "webhook", "payload_schema": { "type": "object", "required": ["ticket_id"] } }
    });
    let mut patch = change(&schemas["AgentSpec"]);
    patch["description"] = json!("A change of an agent.");
    patch["example"] = json!({ "status": "paused", "llm_config": { "temperature": 0.7 } });
    for part in AgentSpec::MERGED {
        let name = part.split('_').map(capital).collect::<String>();
        let whole = match part {
            "trigger" => &trigger,
            "retry" => &schemas["RetryPolicy"],
            _ => &schemas[name.as_str()],
        };
        patch["properties"][part] = change(whole);
        if part != "llm_config" {
            patch["properties"][part]["type"] = json!(["object", "null"]);
        }
    }
    let schemas = &mut document["components"]["schemas"];
    schemas["TriggerCreate"] = trigger;
    schemas["AgentCreate"] = create;
    schemas["AgentPatch"] = patch;
    if let Some(schemas) = schemas.as_object_mut() {
        schemas.remove("AgentSpec");
    }
}

fn capital(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_uppercase() + rest
}

/// The same object, where nothing is required and `null` goes back to the default, if there is one.
pub(super) fn change(whole: &Value) -> Value {
    let mut change = whole.clone();
    let required = change["required"].take();
    let required = |name: &str| required.as_array().is_some_and(|all| all.iter().any(|one| one == name));
    if let Some(fields) = change.as_object_mut() {
        fields.remove("required");
        fields.remove("example");
    }
    for (name, field) in change["properties"].as_object_mut().into_iter().flatten() {
        if let Some(field) = field.as_object_mut() {
            field.remove("default");
        }
        if !required(name) {
            nullable(field);
        }
    }
    change
}

fn nullable(field: &mut Value) {
    match &field["type"] {
        Value::String(one) if one != "null" => field["type"] = json!([one, "null"]),
        Value::Null if field.get("oneOf").is_none() => {
            *field = json!({ "oneOf": [{ "type": "null" }, field] });
        }
        _ => {}
    }
}
