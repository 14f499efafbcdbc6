//! Every named limit one below, at and one above.

use super::*;

/// A definition for each of `names`, by `schema`.
fn definitions(count: usize, schema: impl Fn(usize) -> Value) -> Value {
    (0..count).map(|i| (format!("d{i}"), schema(i))).collect::<serde_json::Map<_, _>>().into()
}

fn around(limit: usize) -> [(usize, bool); 3] {
    [(limit - 1, true), (limit, true), (limit + 1, false)]
}

/// That a schema of size `n` is taken below and at the limit, and then refused for `reason`.
fn holds(limit: usize, reason: &str, schema: impl Fn(usize) -> Value) {
    for (n, taken) in around(limit) {
        match PayloadSchema::compile(&schema(n)) {
            Ok(_) => assert!(taken, "{n} taken, {limit} is the limit"),
            Err(fault) => {
                assert!(!taken && fault.message.contains(reason), "{n} of {limit}: {fault}");
            }
        }
    }
}

#[test]
fn limits_of_a_schema() {
    let bytes = |n: usize| {
        let empty = json!({"description": ""}).to_string().len();
        json!({"description": "x".repeat(n - empty)})
    };
    holds(MAX_SCHEMA_BYTES, "65536: describe less", bytes);
    let depth = |n: usize| (1..n).fold(json!({}), |inner, _| json!({"not": inner}));
    holds(MAX_SCHEMA_DEPTH, "deeper than 64 levels", depth);
    holds(
        MAX_ENUM_OPTIONS,
        "more than 1000 options",
        |n| json!({"items": {"enum": (0..n).collect::<Vec<_>>()}}),
    );
    let in_place = |n: usize| json!({"allOf": vec![json!({}); n - 1]});
    holds(usize::try_from(MAX_IN_PLACE).expect("small"), "more than 2000 schemas for one value", in_place);
    let chain = |n: usize| {
        let next =
            |i: usize| if i + 2 < n { json!({"$ref": format!("#/$defs/d{}", i + 1)}) } else { json!({}) };
        json!({"$ref": "#/$defs/d0", "$defs": definitions(n - 1, next)})
    };
    holds(MAX_NESTED_CHECKS as usize, "more than 1024 schemas inside one another", chain);
}

#[test]
fn limits_of_patterns() {
    holds(MAX_PATTERN_BYTES, "longer than 1024 bytes", |n| json!({"pattern": "a".repeat(n)}));
    let many = |n: usize| json!({"properties": definitions(n, |i| json!({"pattern": format!("^{i}$")}))});
    holds(MAX_PATTERNS, "more than the 500", many);
    let same = json!({"properties": definitions(600, |_| json!({"pattern": "^a$"}))});
    compiled(&same);
    holds(64, "too many of \\d", |n| json!({"pattern": "\\d".repeat(n)}));
    assert_eq!(64 * 64, MAX_ESCAPES_SQUARED);
    // `\\d` is a backslash and a letter
    compiled(&json!({"pattern": "\\\\d".repeat(200)}));
}

#[test]
fn patterns_that_could_be_slow_are_refused_and_common_ones_are_not() {
    let slow = [
        "[ab]*a[ab]{200}",
        "a[^c]{16}c",
        "[ab]{200}a[ab]*$",
        "x{0,100000000}",
        "((a{0,100}){0,100}){0,100}",
        "^[\\p{L} ]{1,500}$",
        "\\p{L}{100}",
    ];
    for pattern in slow {
        assert!(refused(&json!({"pattern": pattern})).message.contains("could be slow"), "{pattern}");
    }
    let common = [
        "(a+)+$",
        "^(a|a)*$",
        "(x+x+)+y",
        "^[A-Z]{3}-\\d+$",
        "^[\\w.+-]+@[\\w-]+\\.[\\w.]+$",
        "^.{1,255}$",
        "^[^<>]{0,500}$",
        "^\\p{L}+$",
        "\\bfoo\\b",
        "^https?://[^\\s/$.?#].[^\\s]*$",
        "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        "^(25[0-5]|2[0-4]\\d|1?\\d?\\d)(\\.(25[0-5]|2[0-4]\\d|1?\\d?\\d)){3}$",
        "^(\\d{4})-(\\d\\d)-(\\d\\d)T(\\d\\d):(\\d\\d):(\\d\\d)(\\.\\d+)?(Z|[+-]\\d\\d:\\d\\d)$",
        "^\\s*\\S[\\s\\S]*$",
    ];
    for pattern in common {
        compiled(&json!({"pattern": pattern}));
    }
}

#[test]
fn doubling_by_reference_is_counted() {
    let doubling = |levels: usize| {
        let next = |i: usize| {
            let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
            if i + 1 < levels { json!({"anyOf": [next, next]}) } else { json!({}) }
        };
        json!({"items": {"$ref": "#/$defs/d0"}, "$defs": definitions(levels, next)})
    };
    compiled(&doubling(8));
    assert!(refused(&doubling(12)).message.contains("more than 2000 schemas for one value"));
    assert!(refused(&doubling(500)).message.contains("more than 2000 schemas for one value"));
    let unevaluated = |levels: usize| {
        let next = |i: usize| json!({"$ref": format!("#/$defs/d{}", i + 1), "unevaluatedProperties": false});
        let mut definitions = definitions(levels, next);
        definitions[format!("d{levels}")] = json!({});
        json!({"$ref": "#/$defs/d0", "$defs": definitions})
    };
    compiled(&unevaluated(5));
    assert!(refused(&unevaluated(30)).message.contains("more than 2000 schemas for one value"));
}

#[test]
fn divisors_have_a_range() {
    for (divisor, taken) in
        [(1e-12, true), (1e-13, false), (1e15, true), (2e15, false), (0.01, true), (3.0, true)]
    {
        assert_eq!(
            PayloadSchema::compile(&json!({"items": {"multipleOf": divisor}})).is_ok(),
            taken,
            "{divisor}"
        );
    }
    assert_eq!(refused(&json!({"items": {"multipleOf": 1e300}})).pointer, "/items/multipleOf");
}

#[test]
fn ten_thousand_levels_are_refused_and_not_walked() {
    let mut deep = json!({});
    let wrap = |name: &str, inner| Value::Object([(name.to_owned(), inner)].into_iter().collect());
    for _ in 0..10_000 {
        deep = wrap("properties", wrap("a", deep));
    }
    assert!(refused(&deep).message.contains("deeper than 64 levels"));
    // dropping it level by level, as dropping it whole would overflow this thread's stack
    while let Some(inner) = deep.pointer_mut("/properties/a").map(Value::take) {
        deep = inner;
    }
}

#[test]
fn at_most_twenty_mismatches_with_short_texts() {
    let schema = json!({"items": {"type": "null"}});
    for (n, found) in [(19, 19), (20, 20), (21, 20)] {
        assert_eq!(mismatches(&schema, &json!(vec![1; n])).len(), found);
    }
    assert_eq!(MAX_MISMATCHES, 20);
    let path = |len: usize| {
        let name = "é".repeat(len / 2) + &"x".repeat(len % 2);
        mismatches(&json!({"additionalProperties": {"type": "null"}}), &json!({ name: 1 }))[0]
            .instance_path
            .clone()
    };
    assert_eq!(path(MAX_TEXT_BYTES - 2).len(), MAX_TEXT_BYTES - 1);
    assert_eq!(path(MAX_TEXT_BYTES - 1).len(), MAX_TEXT_BYTES);
    let cut = path(MAX_TEXT_BYTES);
    assert!(cut.len() <= MAX_TEXT_BYTES && cut.ends_with('…'), "{cut}");
    let long = mismatches(&json!({"enum": ["y".repeat(5_000)]}), &json!(1));
    assert!(long[0].message.len() <= MAX_TEXT_BYTES);
}

#[test]
fn the_format_regex_has_a_length() {
    let schema = compiled(&json!({"$schema": "http://json-schema.org/draft-07/schema#", "format": "regex"}));
    for (len, valid) in around(MAX_REGEX_FORMAT_BYTES) {
        assert_eq!(schema.check(&json!("a".repeat(len))).is_ok(), valid);
    }
    assert!(schema.check(&json!("(")).is_err());
}

/// What is refused here would have taken seconds, or for ever.
#[test]
fn a_payload_that_is_too_costly_is_refused() {
    let items = |n: usize| json!((0..n).collect::<Vec<_>>());
    let everywhere = compiled(&json!({"items": {"allOf": vec![json!({}); 1_900]}}));
    let costly = everywhere.check(&items(100_000)).expect_err("refused");
    assert_eq!(costly, [Mismatch::of_the_whole(TOO_COSTLY)]);
    assert_eq!(everywhere.check(&items(10_000)), Ok(()));
    let patterns: Vec<_> = (0..400).map(|i| json!({"not": {"pattern": format!("x{i}$")}})).collect();
    assert!(compiled(&json!({"allOf": patterns})).check(&json!("a".repeat(1 << 20))).is_err());
    let constant =
        json!({"$defs": {"c": {"const": vec![1; 20_000]}}, "allOf": vec![json!({"$ref": "#/$defs/c"}); 900]});
    assert!(compiled(&constant).check(&json!(vec![1; 20_000])).is_err());
    // an object whose every member is checked against what 200 branches have seen
    let branches: Vec<_> = (0..200).map(|i| json!({"properties": {format!("p{i}"): {}}})).collect();
    let unevaluated = compiled(&json!({"anyOf": branches, "unevaluatedProperties": false}));
    let members: serde_json::Map<_, _> = (0..50_000).map(|i| (format!("p{i}"), json!(1))).collect();
    assert!(unevaluated.check(&members.into()).is_err());
}

/// Where all mismatches would be too costly to list, the first is told.
#[test]
fn a_hundred_thousand_mismatches_are_told_by_the_first() {
    let found = mismatches(&json!({"items": {"type": "string"}}), &json!(vec![1; 100_000]));
    assert_eq!((found.len(), found[0].instance_path.as_str()), (1, "/0"));
    // each of these mismatches would copy a pointer of half a megabyte
    let wide: serde_json::Map<_, _> = (0..90_000).map(|i| (i.to_string(), json!(1))).collect();
    let payload = json!({ "k".repeat(500_000): wide });
    let schema = json!({"additionalProperties": {"additionalProperties": {"type": "string"}}});
    assert!(mismatches(&schema, &payload).len() <= MAX_MISMATCHES);
}

#[test]
fn a_quick_check_gives_up_early() {
    let schema = compiled(&json!({"items": {"type": "integer"}}));
    assert_eq!(schema.quick_check(&json!([1, 2])), Some(Ok(())));
    assert!(schema.quick_check(&json!([1, "x"])).is_some_and(|verdict| verdict.is_err()));
    let large = json!(vec![1; 100_000]);
    assert_eq!(schema.quick_check(&large), None);
    assert_eq!(schema.check(&large), Ok(()));
}

/// The deepest recursion that is let through needs a fraction of a thread's 2 MiB.
#[test]
fn the_deepest_check_fits_on_the_stack() {
    let nested = |open: &str, close: &str| {
        let body = open.repeat(127) + close.repeat(127).as_str();
        serde_json::from_str(&body.replace("{\"a\":}", "{\"a\":1}")).expect("JSON")
    };
    let chain = |kind: &dyn Fn(Value) -> Value| {
        let next = |i: usize| kind(json!({"$ref": format!("#/$defs/d{}", i + 1)}));
        let mut definitions = definitions(3, next);
        definitions["d3"] = json!({"items": {"$ref": "#/$defs/d0"}, "additionalProperties": {"$ref": "#/$defs/d0"},
            "type": ["object", "array"]});
        json!({"$ref": "#/$defs/d0", "$defs": definitions})
    };
    let kinds: [&dyn Fn(Value) -> Value; 4] = [
        &|next| json!({"anyOf": [{"type": "null"}, next]}),
        &|next| json!({"oneOf": [{"type": "null"}, next]}),
        &|next| json!({"allOf": [next]}),
        &|next| json!({"if": {}, "then": next}),
    ];
    for kind in kinds {
        let schema = compiled(&chain(kind));
        assert!(schema.check(&nested("[", "]")).is_ok());
        assert!(schema.check(&nested("{\"a\":", "}")).is_err());
    }
}
