//! Our JavaScript's form is JavaScript's: random JSON, in every way to write it, as Node writes it.

use std::path::Path;
use std::process::Command;

use agenthook::model::in_javascripts_form;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::harness::{Language, fed};

/// How many documents.
const DOCUMENTS: usize = 3000;

/// JSON as text. Left out is what JavaScript cannot keep: keys that are whole numbers, and whole numbers beyond ±2^53.
fn document() -> impl Strategy<Value = String> {
    let blank = "[ \t\r\n]{0,2}";
    let leaf = prop_oneof![
        4 => number(),
        4 => string(),
        1 => "true|false|null",
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let key = prop_oneof![
            string().prop_filter("no whole number", |key| !is_index(key)),
            r#""(a|b|__proto__)""#
        ];
        let member = (blank, key, blank, inner.clone());
        let member = member.prop_map(|(before, key, after, value)| format!("{before}{key}{after}:{value}"));
        let element = (blank, inner, blank).prop_map(|(before, value, after)| before + &value + &after);
        prop_oneof![
            prop::collection::vec(element, 0..6).prop_map(|all| format!("[{}]", all.join(","))),
            prop::collection::vec(member, 0..6).prop_map(|all| format!("{{{}}}", all.join(","))),
        ]
    })
}

/// Whether JavaScript takes the key for an index and puts it first.
fn is_index(key: &str) -> bool {
    let key: String = serde_json::from_str(key).expect("a string");
    key.parse::<u64>().is_ok_and(|number| number.to_string() == key)
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(|number| format!("{number:e}")),
        "-?(0|[1-9][0-9]{0,14})\\.[0-9]{1,25}",
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,20})?[eE][+-]?[0-9]{1,2}",
        Just("-0".to_owned()),
        Just("5e-324".to_owned()),
        Just("1.7976931348623157e308".to_owned()),
        Just("1e-400".to_owned()),
    ]
}

/// A string in one of its spellings.
fn string() -> impl Strategy<Value = String> {
    let escape = prop_oneof![
        Just(r#"\""#.to_owned()),
        r"\\[\\/bfnrt]",
        // all but the surrogates
        r"\\u[0-9a-cA-CeEfF][0-9a-fA-F]{3}",
        Just(r"\u2028".to_owned()),
        Just(r"\ud83d\uDE00".to_owned()),
        Just(r"\u0000".to_owned()),
    ];
    let plain = "[^\"\\\\\u{0}-\u{1f}]{1,4}";
    prop::collection::vec(prop_oneof![escape, plain.prop_map(|text| text)], 0..5)
        .prop_map(|parts| format!("\"{}\"", parts.concat()))
}

#[test]
fn random_json_is_written_as_node_writes_it() {
    if !Language::here().iter().any(|language| language.ending == "mjs") {
        return;
    }
    let (mut runner, strategy) = (TestRunner::default(), document());
    let texts: Vec<String> =
        (0..DOCUMENTS).map(|_| strategy.new_tree(&mut runner).expect("a document").current()).collect();
    let lines: String = texts.iter().map(|text| serde_json::json!(text).to_string() + "\n").collect();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/receivers/stringify.mjs");
    let output = fed(Command::new("node").arg(program), lines.as_bytes());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let written = String::from_utf8(output.stdout).expect("text");
    assert_eq!(written.lines().count(), DOCUMENTS);
    for (text, line) in texts.iter().zip(written.lines()) {
        let javascript: String = serde_json::from_str(line).expect("a string");
        let ours = in_javascripts_form(text).expect("JSON");
        assert_eq!(ours, javascript, "of {text}");
        assert_eq!(in_javascripts_form(&ours).expect("JSON"), ours, "and it stays so");
    }
}
