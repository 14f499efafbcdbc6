//! What a schema means, what a mismatch tells, and that a hostile pair of both stays within its bounds. Times
//! are measured elsewhere; here a bound is a refusal that is there or not.

mod limits;
mod random;

use serde_json::{Value, json};

use super::*;

fn compiled(schema: &Value) -> PayloadSchema {
    PayloadSchema::compile(schema).unwrap_or_else(|fault| panic!("{fault} in {schema}"))
}

fn refused(schema: &Value) -> SchemaFault {
    PayloadSchema::compile(schema).err().unwrap_or_else(|| panic!("taken: {schema}"))
}

fn mismatches(schema: &Value, payload: &Value) -> Vec<Mismatch> {
    compiled(schema).check(payload).expect_err("a mismatch")
}

#[test]
fn a_mismatch_says_where_and_why() {
    let schema = json!({
        "type": "object",
        "required": ["ticket_id"],
        "properties": {"ticket_id": {"type": "string"}, "lines": {"items": {"minimum": 1}}},
    });
    assert_eq!(compiled(&schema).check(&json!({"ticket_id": "TKT-123", "more": 1})), Ok(()));
    let found = mismatches(&schema, &json!({"lines": [1, 0, {}]}));
    insta::assert_json_snapshot!(found, @r#"
    [
      {
        "instance_path": "",
        "schema_path": "/required",
        "message": "must have the property \"ticket_id\""
      },
      {
        "instance_path": "/lines/1",
        "schema_path": "/properties/lines/items/minimum",
        "message": "must be at least 1"
      }
    ]
    "#);
}

/// Whatever keyword refuses it: no value and no unexpected name of the payload is told.
#[test]
fn nothing_of_the_payload_is_echoed() {
    let draft7 = "http://json-schema.org/draft-07/schema#";
    let schemas = [
        json!({"type": "integer"}),
        json!({"type": ["integer", "null"]}),
        json!({"const": 1}),
        json!({"enum": [1, 2]}),
        json!({"not": {}}),
        json!(false),
        json!({"anyOf": [{"type": "integer"}, {"maxLength": 1, "maxItems": 0, "maxProperties": 0}]}),
        json!({"oneOf": [{"type": "integer"}]}),
        json!({"oneOf": [{}, {}]}),
        json!({"additionalProperties": false, "maxLength": 0, "maxItems": 0}),
        json!({"unevaluatedProperties": false, "pattern": "^x", "unevaluatedItems": false}),
        json!({"propertyNames": {"pattern": "^x"}, "items": false, "minLength": 99}),
        json!({"propertyNames": false, "minItems": 9, "pattern": "^x$"}),
        json!({"minProperties": 9, "contains": {"const": 1}, "minLength": 99}),
        json!({"maxProperties": 0, "uniqueItems": true, "maxLength": 1}),
        json!({"required": ["a"], "prefixItems": [{"type": "null"}], "minLength": 99}),
        json!({"additionalProperties": {"type": "null"}, "items": {"type": "null"}, "minLength": 99}),
        json!({"$schema": draft7, "format": "email", "dependencies": {"SECRET": ["a"]}, "items": [{}], "additionalItems": false}),
        json!({"$schema": draft7, "contentEncoding": "base64", "propertyNames": false, "maxItems": 1}),
        json!({"$schema": draft7, "contentMediaType": "application/json", "maxProperties": 0, "minItems": 5}),
    ];
    let payloads = [json!("SECRET"), json!({"SECRET": "SECRET"}), json!(["SECRET", "SECRET"])];
    for schema in &schemas {
        for payload in &payloads {
            let found = mismatches(schema, payload);
            for Mismatch { message, .. } in &found {
                assert!(!message.contains("SECRET"), "{message:?} by {schema}");
                assert_ne!(message, "could not be checked", "{schema}");
            }
        }
    }
}

#[test]
fn the_draft_is_the_one_that_the_schema_names() {
    // by the drafts in which it changed: exclusiveMaximum is a boolean in 4, const came with 6, if with 7,
    // dependentRequired with 2019-09, prefixItems with 2020-12
    let schema = |draft: &str| {
        json!({"$schema": draft, "if": true, "then": {"not": {"const": "if"}}, "not": {"const": "const"},
            "dependentRequired": {"a": ["b"]}, "prefixItems": [{"type": "null"}]})
    };
    let probes = [json!("const"), json!("if"), json!({"a": 1}), json!([1])];
    let drafts = [
        ("http://json-schema.org/draft-04/schema#", [true, true, true, true]),
        ("http://json-schema.org/draft-06/schema#", [false, true, true, true]),
        ("http://json-schema.org/draft-07/schema#", [false, false, true, true]),
        ("https://json-schema.org/draft/2019-09/schema", [false, false, false, true]),
        ("https://json-schema.org/draft/2020-12/schema", [false, false, false, false]),
    ];
    for (draft, expected) in drafts {
        let schema = compiled(&schema(draft));
        // draft 4 knows no const, so its `not` is a `not` of everything
        let draft4 = draft.contains("draft-04");
        let found = probes.each_ref().map(|probe| schema.check(probe).is_ok() || draft4);
        assert_eq!(found, expected, "{draft}");
    }
    assert!(compiled(&json!({"exclusiveMinimum": 1})).check(&json!(1)).is_err());
    let draft4 =
        json!({"$schema": "http://json-schema.org/draft-04/schema", "minimum": 1, "exclusiveMinimum": true});
    assert!(compiled(&draft4).check(&json!(1)).is_err());
    let prefix_items = json!({"prefixItems": [{"type": "null"}]});
    assert!(compiled(&prefix_items).check(&json!([1])).is_err(), "2020-12 where none is named");
}

#[test]
fn formats_are_checked_up_to_draft_7_and_patterns_always() {
    let format = |draft: &str| compiled(&json!({"$schema": draft, "format": "email"})).check(&json!("no"));
    assert!(format("http://json-schema.org/draft-04/schema#").is_err());
    assert!(format("http://json-schema.org/draft-07/schema#").is_err());
    assert!(format("https://json-schema.org/draft/2019-09/schema").is_ok());
    assert!(format("https://json-schema.org/draft/2020-12/schema").is_ok());
    assert!(compiled(&json!({"pattern": "^\\d+$"})).check(&json!("x")).is_err());
    // ECMA 262's \d is ASCII, and a pattern need not match from the start
    assert!(compiled(&json!({"pattern": "\\d"})).check(&json!("٣")).is_err());
    assert!(compiled(&json!({"pattern": "b$"})).check(&json!("ab")).is_ok());
}

#[test]
fn what_is_no_schema_is_refused_with_its_place() {
    let faults = [
        (json!([]), "", "an object, true or false"),
        (json!("x"), "", "an object, true or false"),
        (json!(null), "", "an object, true or false"),
        (json!({"type": "strnig"}), "/type", "strnig"),
        (json!({"properties": {"a/b": {"minLength": -1}}}), "/properties/a~1b/minLength", "-1"),
        (json!({"required": "a"}), "/required", "array"),
        (json!({"$schema": "https://example.com/mine"}), "/$schema", "names no draft that is known"),
        (json!({"$schema": 7}), "/$schema", "names no draft that is known"),
        (
            json!({"items": {"$schema": "http://json-schema.org/draft-07/schema#"}}),
            "/items/$schema",
            "one draft",
        ),
        (json!({"$id": "http://[", "type": "string"}), "/$id", "URI"),
        (json!({"items": {"$dynamicRef": "#x"}}), "/items/$dynamicRef", "use $ref"),
        (
            json!({"$schema": "https://json-schema.org/draft/2019-09/schema", "items": {"$recursiveRef": "#"}}),
            "/items/$recursiveRef",
            "use $ref",
        ),
        (json!({"pattern": "("}), "/pattern", "no regular expression"),
        (json!({"pattern": "a(?=b)"}), "/pattern", "look-around ((?=…)"),
        (json!({"items": {"pattern": "(?<!x)y"}}), "/items/pattern", "look-around"),
        (json!({"pattern": "(a)\\1"}), "/pattern", "backreference"),
        (json!({"patternProperties": {"a/(": {}}}), "/patternProperties/a~1(", "no regular expression"),
    ];
    for (schema, pointer, message) in faults {
        let fault = refused(&schema);
        assert!(fault.pointer == pointer && fault.message.contains(message), "{fault:?} for {schema}");
    }
    assert!(compiled(&json!(true)).check(&json!(1)).is_ok());
    assert!(
        compiled(&json!({"properties": {"$schema": {"type": "string"}, "$ref": {"type": "string"}}}))
            .check(&json!({"$ref": 1}))
            .is_err()
    );
}

#[test]
fn references_stay_inside_the_document() {
    let inside = [
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer"}}}),
        json!({"$ref": "#/definitions/a%20b~1c", "definitions": {"a b/c": {"type": "integer"}}}),
        json!({"$ref": "#/my/own/place", "my": {"own": {"place": {"type": "integer"}}}}),
        json!({"$ref": "#int", "$defs": {"a": {"$anchor": "int", "type": "integer"}}}),
        json!({"$id": "https://example.com/a.json", "$ref": "a.json#/$defs/a", "$defs": {"a": {"type": "integer"}}}),
        json!({"$id": "https://example.com/a.json", "$ref": "b.json", "$defs": {"a": {"$id": "b.json", "type": "integer"}}}),
        json!({"$schema": "http://json-schema.org/draft-07/schema#", "allOf": [{"$ref": "#int"}],
            "definitions": {"a": {"$id": "#int", "type": "integer"}}}),
    ];
    for schema in inside {
        assert!(compiled(&schema).check(&json!(1)).is_ok(), "{schema}");
        assert!(compiled(&schema).check(&json!("x")).is_err(), "{schema}");
    }
    let outside = [
        "https://example.com/schema.json",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "other.json",
        "urn:uuid:6d0f2fd8-0c0e-4dd4-9d7b-3f0d8c3bb4a1",
        "https://json-schema.org/draft/2020-12/schema",
        "http://json-schema.org/draft-07/schema#",
        "#/nowhere",
        "#nobody",
        "#/properties/0/x",
    ];
    for reference in outside {
        let fault = refused(&json!({"properties": {"a": {"$ref": reference}}}));
        assert_eq!(fault.pointer, "/properties/a/$ref", "{reference}");
        assert!(
            fault.message.contains("inside this document") || fault.message.contains("out of this document")
        );
    }
}

#[test]
fn a_tree_and_a_list_are_schemas_like_any_other() {
    let tree = json!({"$ref": "#/$defs/node", "$defs": {"node": {
        "type": "object", "required": ["name"],
        "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
        "unevaluatedProperties": false,
    }}});
    assert!(
        compiled(&tree).check(&json!({"name": "a", "children": [{"name": "b", "children": []}]})).is_ok()
    );
    let found = mismatches(&tree, &json!({"name": "a", "children": [{"name": "b", "children": [{}]}]}));
    assert_eq!(found[0].instance_path, "/children/0/children/0");
    let others = [
        json!({"properties": {"value": {}, "next": {"anyOf": [{"type": "null"}, {"$ref": "#"}]}}}),
        json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#"}},
            {"type": "object", "additionalProperties": {"$ref": "#"}}]}),
        json!({"oneOf": [{"properties": {"leaf": {}}}, {"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}]}),
        json!({"properties": {"a": {"$ref": "#"}}, "additionalProperties": {"$ref": "#"}}),
        json!({"patternProperties": {"^x": {"$ref": "#"}}, "additionalProperties": {"$ref": "#"}}),
        json!({"prefixItems": [{"$ref": "#"}, {"$ref": "#"}], "items": {"$ref": "#"}}),
        json!({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"$ref": "#"}], "additionalItems": {"$ref": "#"}}),
    ];
    for schema in others {
        compiled(&schema);
    }
}

#[test]
fn recursion_that_meets_a_place_twice_is_refused() {
    let back = json!({"$ref": "#"});
    let twice = [
        (json!({"anyOf": [{"properties": {"a": back}}, {"properties": {"a": back}}]}), "/anyOf/"),
        (json!({"properties": {"a": {"allOf": [back, back]}}}), "/properties/a"),
        (json!({"properties": {"a": back}, "patternProperties": {"^a": back}}), ""),
        (json!({"properties": {"a": back}, "allOf": [{"additionalProperties": back}]}), ""),
        (json!({"properties": {"a": back}, "if": {"properties": {"a": back}}}), ""),
        (json!({"patternProperties": {"a": back, "b": back}}), ""),
        (json!({"items": back, "contains": back}), ""),
        (json!({"items": back, "not": {"items": back}}), ""),
        (json!({"prefixItems": [{}, back], "dependentSchemas": {"a": {"items": back}}}), ""),
        (json!({"allOf": [{"properties": {"a": back}}], "unevaluatedProperties": false}), ""),
        (
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "items": [back], "not": {"items": [back]}}),
            "",
        ),
        (
            json!({"properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"oneOf": [
            {"properties": {"c": back}}, {"properties": {"c": back}}]}}}),
            "/$defs/b/oneOf/",
        ),
    ];
    for (schema, pointer) in twice {
        let fault = refused(&schema);
        assert!(fault.message.contains("takes twice as long for every level"), "{fault} for {schema}");
        assert!(fault.pointer.starts_with(pointer), "{fault} for {schema}");
    }
}

#[test]
fn a_schema_that_contains_itself_in_place_is_refused() {
    let cycles = [
        json!({"$ref": "#"}),
        json!({"allOf": [{"$ref": "#"}]}),
        json!({"not": {"$ref": "#"}}),
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}}),
        json!({"items": {"if": {"$ref": "#/items"}}}),
    ];
    for schema in cycles {
        assert!(refused(&schema).message.contains("contains itself"), "{schema}");
    }
}

#[test]
fn a_schema_can_be_shared_and_is_not_shown() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    let schema = compiled(&json!({"const": "SECRET"}));
    shared(&schema);
    assert_eq!(format!("{schema:?}"), "PayloadSchema { .. }");
}
