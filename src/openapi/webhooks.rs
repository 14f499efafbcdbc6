//! What a request says about an endpoint, made of its settings: a new one has a tenant, each may bring a secret, and a
//! change may leave everything out.

use serde_json::{Value, json};

use super::agents::change;

/// Adds `WebhookCreate`, `WebhookReplace` and `WebhookPatch`.
pub(super) fn complete(document: &mut Value) {
    let mut replace = document["components"]["schemas"]["WebhookSettings"].clone();
    replace["properties"]["secret"] = json!({
        "type": ["string", "null"], "writeOnly": true, "minLength": 16, "maxLength": 1024,
        "description": "What deliveries are signed with. Without it one is made, or the present one stays."
    });
    let mut patch = change(&replace);
    patch["description"] = json!("A change of an endpoint.");
    patch["example"] = json!({ "events": ["execution.*"], "description": "for the on-call team" });
    let mut create = replace.clone();
    create["description"] = json!("A new endpoint.");
    create["properties"]["tenant_id"] = json!({
        "oneOf": [{ "$ref": "#/components/schemas/TenantId" }, { "type": "null" }],
        "description": "Whose it is. Only a key of one tenant may leave it out."
    });
    create["example"] = json!({
        "tenant_id": "acme", "url": "https://example.com/hook", "events": ["execution.completed", "execution.failed"]
    });
    replace["description"] = json!("An endpoint, said anew.");
    replace["example"] = json!({ "url": "https://example.com/hook", "events": ["execution.*"] });
    let schemas = &mut document["components"]["schemas"];
    schemas["WebhookCreate"] = create;
    schemas["WebhookReplace"] = replace;
    schemas["WebhookPatch"] = patch;
    if let Some(schemas) = schemas.as_object_mut() {
        schemas.remove("WebhookSettings");
    }
}
