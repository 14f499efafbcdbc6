//! Schemas and payloads by chance: nothing panics, and metering changes no verdict.

use proptest::prelude::*;

use super::*;

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "x1"]).prop_map(str::to_owned)
}

fn payload() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..9).prop_map(Value::from),
        (-6i64..18).prop_map(|n| json!(n as f64 / 2.0)),
        "[ab1é]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn object(keywords: Vec<(&'static str, Value)>) -> Value {
    keywords
        .into_iter()
        .map(|(keyword, value)| (keyword.to_owned(), value))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Keywords that apply as they stand, and those that hold `inner` schemas.
fn schema() -> impl Strategy<Value = Value> {
    let types =
        prop::sample::select(vec!["null", "boolean", "integer", "number", "string", "array", "object"]);
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        types.prop_map(|kind| json!({"type": kind})),
        payload().prop_map(|value| json!({"const": value})),
        prop::collection::vec(payload(), 1..4).prop_map(|values| json!({"enum": values})),
        (0u32..4).prop_map(|n| json!({"minLength": n, "maxItems": n, "minProperties": n})),
        (1i64..5).prop_map(|n| json!({"maximum": n, "multipleOf": n as f64 / 2.0, "uniqueItems": true})),
        name().prop_map(|name| json!({"required": [name]})),
        prop::sample::select(vec!["^a", "[ab]+$", "\\d", "é|1", "\\b1"]).prop_map(|p| json!({"pattern": p})),
        prop::sample::select(vec!["#", "#/$defs/a", "#/$defs/b", "#/properties/a"])
            .prop_map(|r| json!({"$ref": r})),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let one = inner.clone();
        let list = prop::collection::vec(inner.clone(), 1..3);
        let named = prop::collection::btree_map(name(), inner, 0..3);
        let keywords = prop::sample::subsequence(
            vec![
                "not",
                "if",
                "then",
                "else",
                "items",
                "contains",
                "additionalProperties",
                "propertyNames",
                "unevaluatedProperties",
                "unevaluatedItems",
                "allOf",
                "anyOf",
                "oneOf",
                "prefixItems",
                "properties",
                "patternProperties",
                "dependentSchemas",
                "$defs",
            ],
            1..4,
        );
        (keywords, one, list, named).prop_map(|(keywords, one, list, named)| {
            let value = |keyword: &str| match keyword {
                "allOf" | "anyOf" | "oneOf" | "prefixItems" => json!(list),
                "properties" | "patternProperties" | "dependentSchemas" | "$defs" => json!(named),
                _ => one.clone(),
            };
            object(keywords.into_iter().map(|keyword| (keyword, value(keyword))).collect())
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn verdicts_are_those_of_the_crate(schema in schema(), payloads in prop::collection::vec(payload(), 1..6)) {
        let Ok(ours) = PayloadSchema::compile(&schema) else { return Ok(()) };
        let theirs = jsonschema::options().offline().build(&schema).expect("ours was built");
        for payload in &payloads {
            let verdict = ours.check(payload);
            prop_assert_eq!(verdict.is_ok(), theirs.is_valid(payload), "{} against {}", payload, &schema);
            if let Err(mismatches) = verdict {
                prop_assert!((1..=MAX_MISMATCHES).contains(&mismatches.len()));
            }
        }
    }

    #[test]
    fn any_json_is_taken_or_refused_as_a_schema(schema in payload(), keyword in "[$a-zA-Z]{0,12}") {
        let _ = PayloadSchema::compile(&schema);
        let _ = PayloadSchema::compile(&json!({ keyword: schema }));
    }

    #[test]
    fn any_text_is_taken_or_refused_as_a_pattern(pattern in any::<String>(), text in any::<String>()) {
        if let Ok(schema) = PayloadSchema::compile(&json!({"pattern": pattern})) {
            let _ = schema.check(&json!(text));
        }
    }

    #[test]
    fn what_looks_like_a_pattern_is_taken_or_refused(pattern in "[ab.^$*+?(){}0-9,|\\[\\]\\\\dswbDcp-]{0,24}", text in "[ab1 é]{0,12}") {
        if let Ok(schema) = PayloadSchema::compile(&json!({"pattern": pattern})) {
            let _ = schema.check(&json!(text));
        }
    }

    #[test]
    fn any_reference_is_taken_or_refused(reference in "[#/$a-z0-9:.%~]{0,16}", id in "[#/a-z:.]{0,12}") {
        let _ = PayloadSchema::compile(&json!({"properties": {"a": {"$ref": reference}}, "$id": id}));
    }
}
