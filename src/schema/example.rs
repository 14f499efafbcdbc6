//! A payload that a schema takes, to try an agent with. No crate that lives makes examples of JSON Schemas (the npm
//! package `json-schema-faker` has no equal among them), so these are the few rules that most people's schemas need:
//! what the schema itself gives as an example first, else the least that its type allows. Whether the result is one is
//! for [`PayloadSchema`] to say: what does not match is never shown.

use serde_json::{Map, Number, Value, json};

use super::PayloadSchema;

/// Levels of an example, at most: a schema may refer to itself.
const MAX_DEPTH: usize = 12;
/// Levels from which on only what must be there is made.
const MAX_OPTIONAL_DEPTH: usize = 4;
/// Parts of an example, at most: a schema may refer to one place from many.
const MAX_PARTS: usize = 2000;
/// Items and characters that are made because a schema wants so many.
const MAX_MADE: u64 = 1000;
const NONE: &str = "no example could be made of the schema: write a payload that matches it";

/// A payload that matches the schema.
///
/// # Errors
/// Why there is none: the schema asks for more than the rules here know, or takes nothing.
pub fn example(schema: &Value) -> Result<Value, &'static str> {
    let made = Maker { root: schema, parts: 0 }.value(schema, 0).ok_or(NONE)?;
    let compiled = PayloadSchema::compile(schema).map_err(|_| NONE)?;
    // The quick check is enough for what is small, and this is no place to spend more.
    match compiled.quick_check(&made) {
        Some(Ok(())) => Ok(made),
        Some(Err(_)) | None => Err(NONE),
    }
}

struct Maker<'s> {
    root: &'s Value,
    parts: usize,
}

impl Maker<'_> {
    fn value(&mut self, schema: &Value, depth: usize) -> Option<Value> {
        self.parts += 1;
        if depth > MAX_DEPTH || self.parts > MAX_PARTS {
            return None;
        }
        let schema = match schema {
            Value::Bool(true) => return Some(json!({})),
            Value::Object(members) => members,
            _ => return None,
        };
        if let Some(given) = given(schema) {
            return Some(given);
        }
        if let Some(Value::String(reference)) = schema.get("$ref") {
            let target = self.root.pointer(reference.strip_prefix('#')?)?.clone();
            return self.value(&target, depth + 1);
        }
        if let Some(Value::Array(parts)) = schema.get("allOf") {
            let merged = merged(schema, parts)?;
            return self.value(&merged, depth + 1);
        }
        for word in ["oneOf", "anyOf"] {
            if let Some(Value::Array(ways)) = schema.get(word) {
                return ways.iter().find_map(|way| {
                    let whole = merged_without(schema, word, std::slice::from_ref(way))?;
                    self.value(&whole, depth + 1)
                });
            }
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, depth),
            "string" => text(schema).map(Value::String),
            "integer" => number(schema, true),
            "number" => number(schema, false),
            "boolean" => Some(json!(true)),
            "null" => Some(Value::Null),
            _ => None,
        }
    }

    fn object(&mut self, schema: &Map<String, Value>, depth: usize) -> Option<Value> {
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let properties = schema.get("properties").and_then(Value::as_object);
        let mut made = Map::new();
        for (name, property) in properties.into_iter().flatten() {
            let is_required = required.contains(&name.as_str());
            if depth >= MAX_OPTIONAL_DEPTH && !is_required {
                continue;
            }
            match self.value(property, depth + 1) {
                Some(value) => drop(made.insert(name.clone(), value)),
                None if is_required => return None,
                // What need not be there is left out where nothing fits.
                None => {}
            }
        }
        for name in required {
            if !made.contains_key(name) {
                let others = schema.get("additionalProperties").filter(|others| others.is_object());
                let value =
                    others.map_or(Some(json!("example")), |others| self.value(&others.clone(), depth + 1))?;
                made.insert(name.to_owned(), value);
            }
        }
        Some(Value::Object(made))
    }

    fn array(&mut self, schema: &Map<String, Value>, depth: usize) -> Option<Value> {
        let first =
            schema.get("prefixItems").or_else(|| schema.get("items").filter(|items| items.is_array()));
        let mut made = Vec::new();
        for item in first.and_then(Value::as_array).into_iter().flatten() {
            made.push(self.value(item, depth + 1)?);
        }
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0).min(MAX_MADE);
        let rest = schema.get("items").filter(|items| !items.is_array()).cloned();
        // One item shows what the items are, where none is needed.
        let wanted = least.max(u64::from(rest.is_some() && made.is_empty()));
        while (made.len() as u64) < wanted {
            match self.value(rest.as_ref().unwrap_or(&json!({"type": "string"})), depth + 1) {
                Some(item) => made.push(item),
                None if (made.len() as u64) >= least => break,
                None => return None,
            }
        }
        let most = schema.get("maxItems").and_then(Value::as_u64).unwrap_or(u64::MAX);
        made.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        Some(Value::Array(made))
    }
}

/// What the schema itself gives as an example.
fn given(schema: &Map<String, Value>) -> Option<Value> {
    let first = |word: &str| schema.get(word).and_then(Value::as_array).and_then(|list| list.first());
    let examples = first("examples").or_else(|| schema.get("example"));
    let found = examples.or_else(|| schema.get("default")).or_else(|| schema.get("const"));
    found.or_else(|| first("enum")).cloned()
}

fn kind(schema: &Map<String, Value>) -> &str {
    let said = match schema.get("type") {
        Some(Value::String(kind)) => Some(kind.as_str()),
        Some(Value::Array(kinds)) => {
            let kinds = || kinds.iter().filter_map(Value::as_str);
            kinds().find(|kind| *kind != "null").or_else(|| kinds().next())
        }
        _ => None,
    };
    let has = |words: &[&str]| words.iter().any(|word| schema.contains_key(*word));
    said.unwrap_or_else(|| match () {
        () if has(&["properties", "required", "additionalProperties"]) => "object",
        () if has(&["items", "prefixItems", "minItems"]) => "array",
        () if has(&["minLength", "maxLength", "pattern", "format"]) => "string",
        () if has(&["minimum", "maximum", "multipleOf"]) => "number",
        () => "object",
    })
}

fn text(schema: &Map<String, Value>) -> Option<String> {
    let of_format = schema.get("format").and_then(Value::as_str).and_then(|format| {
        Some(match format {
            "date-time" => "2026-01-31T12:00:00Z",
            "date" => "2026-01-31",
            "time" => "12:00:00Z",
            "duration" => "PT1H",
            "email" | "idn-email" => "somebody@example.com",
            "hostname" | "idn-hostname" => "example.com",
            "ipv4" => "192.0.2.1",
            "ipv6" => "2001:db8::1",
            "uri" | "uri-reference" | "iri" | "iri-reference" => "https://example.com/",
            "uuid" => "01a20174-af9d-764c-ac07-00a385c2f011",
            "json-pointer" => "/example",
            "regex" => "^example$",
            _ => return None,
        })
    });
    let mut made = of_format.unwrap_or("example").to_owned();
    let length = |word: &str| schema.get(word).and_then(Value::as_u64);
    let least = length("minLength").unwrap_or(0);
    if least > MAX_MADE {
        return None;
    }
    while (made.len() as u64) < least {
        made.push('x');
    }
    let most = length("maxLength").and_then(|most| usize::try_from(most).ok());
    made.truncate(most.unwrap_or(usize::MAX));
    Some(made)
}

fn number(schema: &Map<String, Value>, whole: bool) -> Option<Value> {
    let bound = |word: &str| schema.get(word).and_then(Value::as_f64);
    // Draft 4 has `exclusiveMinimum: true` beside `minimum`; a step further is right for both.
    let excludes = |word: &str| schema.get(word).and_then(Value::as_bool) == Some(true);
    let least = bound("exclusiveMinimum").map(|low| (low, true));
    let least = least.or_else(|| bound("minimum").map(|low| (low, excludes("exclusiveMinimum"))));
    let most = bound("exclusiveMaximum").map(|high| (high, true));
    let most = most.or_else(|| bound("maximum").map(|high| (high, excludes("exclusiveMaximum"))));
    let step = bound("multipleOf").filter(|step| *step > 0.0).unwrap_or(1.0);
    let step = if whole && step.fract() != 0.0 { 1.0 } else { step };
    let up = |(low, beyond): (f64, bool)| {
        let steps = (low / step).ceil();
        if beyond && steps * step <= low { (steps + 1.0) * step } else { steps * step }
    };
    let down = |(high, beyond): (f64, bool)| {
        let steps = (high / step).floor();
        if beyond && steps * step >= high { (steps - 1.0) * step } else { steps * step }
    };
    let made = match (least, most) {
        (Some(least), Some(most)) if !whole && up(least) > down(most) => f64::midpoint(least.0, most.0),
        (Some(least), _) => up(least),
        (None, Some(most)) => down(most).min(step),
        (None, None) => step,
    };
    if made.fract() == 0.0 && made.abs() < 9e15 {
        return Some(json!(made as i64));
    }
    Number::from_f64(made).map(Value::Number)
}

/// The schema with what its parts say besides.
fn merged(schema: &Map<String, Value>, parts: &[Value]) -> Option<Value> {
    merged_without(schema, "allOf", parts)
}

fn merged_without(schema: &Map<String, Value>, word: &str, parts: &[Value]) -> Option<Value> {
    let mut whole = schema.clone();
    whole.remove(word);
    for part in parts {
        match part {
            Value::Bool(true) => {}
            Value::Object(part) => {
                for (name, value) in part {
                    merge(&mut whole, name, value);
                }
            }
            _ => return None,
        }
    }
    Some(Value::Object(whole))
}

fn merge(whole: &mut Map<String, Value>, name: &str, value: &Value) {
    match (whole.get_mut(name), value) {
        (Some(Value::Object(old)), Value::Object(new)) if name == "properties" => {
            old.extend(new.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        (Some(Value::Array(old)), Value::Array(new)) if matches!(name, "required" | "allOf") => {
            old.extend(new.iter().cloned());
        }
        _ => drop(whole.insert(name.to_owned(), value.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_matches() {
        for (schema, made) in [
            (json!(true), json!({})),
            (json!({}), json!({})),
            (json!({"type": "object", "required": ["ticket_id"]}), json!({"ticket_id": "example"})),
            (
                json!({"properties": {"id": {"type": "integer", "minimum": 7}, "tags": {"items": {"enum": ["a", "b"]}}},
                       "required": ["id"]}),
                json!({"id": 7, "tags": ["a"]}),
            ),
            (json!({"examples": [{"a": 1}], "default": 2}), json!({"a": 1})),
            (json!({"const": [null]}), json!([null])),
            (json!({"type": ["null", "string"], "maxLength": 3}), json!("exa")),
            (json!({"type": "string", "minLength": 9}), json!("examplexx")),
            (json!({"type": "string", "format": "date"}), json!("2026-01-31")),
            (json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}), json!(0.5)),
            (json!({"type": "integer", "maximum": -3}), json!(-3)),
            (json!({"type": "integer", "multipleOf": 5, "exclusiveMinimum": 10}), json!(15)),
            (json!({"type": "array", "items": {"type": "boolean"}, "minItems": 2}), json!([true, true])),
            (
                json!({"prefixItems": [{"const": "a"}, {"type": "null"}], "items": false, "type": "array"}),
                json!(["a", null]),
            ),
            (json!({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "string"}}}), json!("example")),
            (
                json!({"allOf": [{"properties": {"a": {"type": "null"}}}, {"required": ["b"]}], "required": ["a"]}),
                json!({"a": null, "b": "example"}),
            ),
            (
                json!({"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}),
                json!({"a": "example"}),
            ),
            (json!({"anyOf": [{"type": "integer"}, {"type": "string"}]}), json!(1)),
            // A list refers to itself: as far down as it must go, and no further.
            (
                json!({"properties": {"next": {"$ref": "#"}, "n": {"type": "integer"}}, "required": ["n"],
                       "additionalProperties": false, "maxProperties": 1, "type": "object",
                       "default": {"n": 4}}),
                json!({"n": 4}),
            ),
        ] {
            assert_eq!(example(&schema), Ok(made), "{schema}");
        }
        let list = json!({"type": "object", "properties": {"next": {"$ref": "#"}, "n": {"type": "integer"}},
                          "required": ["n"]});
        assert_eq!(example(&list).expect("an example")["n"], 1, "one that refers to itself ends");
    }

    #[test]
    fn what_cannot_be_made_is_said_so() {
        for schema in [
            json!(false),
            json!({"not": {}}),
            json!({"type": "string", "pattern": "^[0-9]{4}$"}),
            json!({"type": "string", "minLength": 1_000_000}),
            json!({"type": "array", "minItems": 2, "uniqueItems": true, "items": {"type": "boolean"}}),
            json!({"default": "wrong", "type": "integer"}),
            json!({"type": "integer", "minimum": 1, "maximum": 0}),
            json!({"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}}),
            json!({"$ref": "https://elsewhere.example/schema"}),
            json!("no schema"),
        ] {
            assert_eq!(example(&schema), Err(NONE), "{schema}");
        }
    }
}
