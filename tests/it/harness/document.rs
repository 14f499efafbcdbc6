//! Every answer that a story gets is held against the API's document: a status, a header or a field that it does not
//! know fails the story.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use agenthook::openapi::document;
use jsonschema::Validator;
use serde_json::{Value, json};

use super::Answer;

/// The document.
pub static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| document(&"http://127.0.0.1:8000".parse().expect("a URL")));

/// Compiled schemas, by their text.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// Fails unless the answer is one that the document has for this request.
pub fn hold_against(method: &str, address: &str, answer: &Answer) {
    let path = address.split('?').next().unwrap_or_default();
    let place = || format!("{method} {path}: {} {}", answer.status, answer.text);
    let operation = template(path).map(|template| &DOCUMENT["paths"][template][method.to_lowercase()]);
    let Some(operation) = operation.filter(|operation| operation.is_object()) else {
        // No such address or method, which is for all the same.
        assert!(answer.status >= 400, "the document does not know {}", place());
        return matches(&json!({ "$ref": "#/components/schemas/Problem" }), &answer.body, &place());
    };
    let said = resolved(&operation["responses"][answer.status.to_string()]);
    assert!(said.is_object(), "the document does not know this status: {}", place());
    for (name, header) in said["headers"].as_object().into_iter().flatten() {
        let header = resolved(header);
        let Some(value) = answer.headers.get(name) else {
            assert_ne!(header["required"], true, "{name} is missing: {}", place());
            continue;
        };
        let text = value.to_str().expect("text");
        let value = match header["schema"]["type"] == "integer" {
            true => json!(text.parse::<u64>().unwrap_or_else(|_| panic!("{name}: {text}"))),
            false => json!(text),
        };
        matches(&header["schema"], &value, &format!("{name} of {}", place()));
    }
    let Some(content) = said["content"].as_object() else {
        assert_eq!(answer.text, "", "the document knows no body: {}", place());
        return;
    };
    let kind = answer.header("content-type").split(';').next().unwrap_or_default();
    let content =
        content.get(kind).unwrap_or_else(|| panic!("the document does not know {kind}: {}", place()));
    if kind == "application/x-ndjson" {
        for line in answer.text.lines() {
            matches(&content["schema"], &serde_json::from_str(line).expect("a line of JSON"), &place());
        }
    } else if kind.ends_with("json") {
        matches(&content["schema"], &answer.body, &place());
    }
}

/// The document's name for a path.
fn template(path: &str) -> Option<&'static str> {
    let path = path.trim_end_matches('/');
    let fits = |template: &&String| {
        let (mut is, mut said) = (path.split('/'), template.split('/'));
        is.by_ref().zip(said.by_ref()).all(|(is, said)| is == said || said.starts_with('{') && !is.is_empty())
            && path.split('/').count() == template.split('/').count()
    };
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    paths.keys().filter(fits).min_by_key(|template| template.matches('{').count()).map(String::as_str)
}

fn resolved(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => DOCUMENT.pointer(&reference[1..]).unwrap_or_else(|| panic!("no {reference}")),
        None => value,
    }
}

/// Fails unless the value matches, and has no field that the schema does not name.
pub fn matches(schema: &Value, value: &Value, place: &str) {
    let text = schema.to_string();
    let validator = VALIDATORS.lock().expect("nobody panicked").get(&text).cloned();
    let validator = validator.unwrap_or_else(|| {
        let mut whole = schema.clone();
        whole["components"] = DOCUMENT["components"].clone();
        seal(&mut whole);
        let components = whole["components"]["schemas"].as_object_mut();
        components.into_iter().flatten().for_each(|(_, schema)| close(schema));
        let made = jsonschema::options().should_validate_formats(true).build(&whole);
        let made = Arc::new(made.unwrap_or_else(|error| panic!("{text} is no schema: {error}")));
        VALIDATORS.lock().expect("nobody panicked").insert(text, Arc::clone(&made));
        made
    });
    let faults: Vec<_> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(faults.is_empty(), "{place}\nis not as documented:\n{}", faults.join("\n"));
}

/// Refuses fields that no part of a schema names. Clients of the API must not: new fields come with new versions.
fn close(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    for (name, value) in fields.iter_mut() {
        match name.as_str() {
            "allOf" => value.as_array_mut().into_iter().flatten().for_each(close),
            "components" | "example" | "examples" | "default" | "enum" | "const" => {}
            "properties" => value.as_object_mut().into_iter().flatten().for_each(|(_, field)| seal(field)),
            _ => match value {
                Value::Array(items) => items.iter_mut().for_each(seal),
                Value::Object(_) => seal(value),
                _ => {}
            },
        }
    }
}

fn seal(schema: &mut Value) {
    close(schema);
    let Some(fields) = schema.as_object_mut() else { return };
    let named = ["$ref", "properties", "allOf"].iter().any(|name| fields.contains_key(*name));
    if named && !fields.contains_key("additionalProperties") {
        fields.insert("unevaluatedProperties".into(), false.into());
    }
}
