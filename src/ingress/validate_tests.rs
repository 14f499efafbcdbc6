//! Limits one below, at and one above; the list of faults; agreement with `serde_json`.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn fault(body: impl AsRef<[u8]>) -> String {
    parse(body.as_ref()).expect_err("refused").to_string()
}

fn nested(depth: usize, open: &str, close: &str) -> String {
    open.repeat(depth) + "1" + &close.repeat(depth)
}

#[test]
fn depth_is_taken_up_to_the_limit() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"{"a":["#, "]}")] {
        let levels = open.matches(['[', '{']).count();
        for depth in [MAX_DEPTH - 1, MAX_DEPTH].map(|depth| depth / levels) {
            assert!(parse(nested(depth, open, close).as_bytes()).is_ok(), "{depth} × {open}");
        }
        let over = nested(MAX_DEPTH / levels + 1, open, close);
        assert!(fault(over).starts_with("the body is nested deeper than 127 levels (line 1, byte "));
    }
    assert!(fault("[".repeat(100_000)).contains("127 levels (line 1, byte 128)"));
    assert!(fault(nested(100_000, r#"{"a":"#, "}")).contains("127 levels"));
}

#[test]
fn siblings_and_brackets_in_strings_are_no_depth() {
    assert!(parse(format!("[{}[]]", "[],".repeat(5_000)).as_bytes()).is_ok());
    let brackets = "[{,".repeat(60_000);
    assert!(parse(json!({ "a": brackets, "\\\"": "\\" }).to_string().as_bytes()).is_ok());
}

#[test]
fn members_are_taken_up_to_the_limit() {
    let array = |n: usize| format!("[ {} ]", vec!["1"; n].join(" , "));
    let object = |n: usize| {
        let members: Vec<_> = (0..n).map(|i| format!("\"{i}\" : {{ }}")).collect();
        format!("{{ {} }}", members.join(","))
    };
    let same_key = |n: usize| format!("{{{}}}", vec![r#""a":1"#; n].join(","));
    let pairs = |n: usize| format!("[{}{}]", vec!["[1]"; n / 2].join(","), ",1".repeat(n % 2));
    for build in [&array as &dyn Fn(usize) -> String, &object, &same_key, &pairs] {
        for n in [MAX_MEMBERS - 1, MAX_MEMBERS] {
            assert!(parse(build(n).as_bytes()).is_ok());
        }
        assert!(fault(build(MAX_MEMBERS + 1)).contains("more than 100000 object members and array elements"));
    }
    assert!(fault(array(1_000_000)).contains("100000"));
}

#[test]
fn what_is_not_json_is_refused_with_its_place_and_without_its_content() {
    let faults: [(&[u8], &str); 16] = [
        (b"", "the body is empty: send a JSON document"),
        (b" \r\n\t", "the body is empty: send a JSON document"),
        (b"\xEF\xBB\xBF", "the body is empty: send a JSON document"),
        (b"\xEF\xBB\xBF\xEF\xBB\xBF1", "not JSON that can be kept: expected value (line 1, byte 1)"),
        (b"\"sec\xFFret\"", "the body is not UTF-8 (line 1, byte 5)"),
        (b"{\n\"a\": \"\xC3\"}", "the body is not UTF-8 (line 2, byte 7)"),
        (b"\xFF\xFE{\x00}\x00", "the body is not UTF-8 (line 1, byte 1)"),
        (br#""\ud800 secret""#, "(line 1, byte "),
        (br#"["\udc00"]"#, "(line 1, byte "),
        (br#""\ud800\ud800""#, "(line 1, byte "),
        (b"1e400", "number out of range"),
        (b"[-1e309]", "number out of range"),
        (b"secret", "expected value (line 1, byte 1)"),
        (b"{\"a\":1,}", "trailing comma"),
        (b"{} {}", "trailing characters"),
        (b"a=1&b=secret", "expected value"),
    ];
    for (body, text) in faults {
        let fault = fault(body);
        assert!(fault.contains(text), "{fault:?} for {body:?}");
        assert!(!fault.contains("secret") && !fault.contains("sec"), "{fault}");
    }
    for body in ["NaN", "Infinity", "'a'", "{a:1}", "01", "+1", "1.", ".5", "\"\t\"", "// 1\n1", "[1", "\"a"]
    {
        assert!(fault(body).contains("not JSON"), "{body}");
    }
    assert!(fault("9".repeat(400)).contains("number out of range"));
}

#[test]
fn odd_but_valid_json_is_taken() {
    let accepted = [
        ("\u{FEFF}{\"a\":1}", json!({"a": 1})),
        (r#"{"a":1,"b":0,"a":2}"#, json!({"a": 2, "b": 0})),
        (r#""\u0000""#, json!("\0")),
        (r#""\ud83d\ude00😀""#, json!("😀😀")),
        ("\"\u{2028}\"", json!("\u{2028}")),
        ("[12345678901234567890123, 1.0, 1e2, -0]", json!([1.234_567_890_123_456_8e22, 1.0, 100.0, -0.0])),
        ("18446744073709551615", json!(u64::MAX)),
        ("1e-400", json!(0.0)),
        (" null \r\n", json!(null)),
        ("\"text\"", json!("text")),
        ("[ ]", json!([])),
    ];
    for (body, value) in accepted {
        assert_eq!(parse(body.as_bytes()), Ok(value), "{body}");
    }
}

/// The trap that [`Plain`] is for.
#[test]
fn the_parsers_private_keys_are_keys_like_any_other() {
    for key in ["$serde_json::private::RawValue", "$serde_json::private::Number"] {
        let value = json!({ key: "[1,2]" });
        assert_eq!(parse(value.to_string().as_bytes()), Ok(value));
    }
}

fn small_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[\\[\\]{},\":\\\\ ]*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map("[a-c\\[,\"\\\\]{0,3}", inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = parse(&body).map_err(|fault| fault.to_string());
    }

    #[test]
    fn bytes_that_look_like_json_get_the_parsers_verdict(body in "[\\[\\]{},:\"0-9a-c\\\\ud8.e\n -]{0,40}") {
        prop_assert_eq!(parse(body.as_bytes()).ok(), serde_json::from_str::<Value>(&body).ok());
    }

    #[test]
    fn valid_json_is_read_as_serde_json_reads_it(value in small_json(), pretty: bool) {
        let body = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let body = body.expect("JSON");
        prop_assert_eq!(parse(body.as_bytes()).ok(), serde_json::from_str::<Value>(&body).ok());
    }

}

proptest! {
    // each case scans 400 kB
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_scan_counts_what_there_is(value in small_json()) {
        fn members(value: &Value) -> usize {
            match value {
                Value::Array(items) => items.len() + items.iter().map(members).sum::<usize>(),
                Value::Object(map) => map.len() + map.values().map(members).sum::<usize>(),
                _ => 0,
            }
        }
        // fill up with siblings to the limit exactly, then one more
        let rest = MAX_MEMBERS - 1 - members(&value);
        let body = |extra: usize| format!("[{value}{}]", ",0".repeat(rest + extra));
        prop_assert!(scan(body(0).as_bytes()).is_ok());
        prop_assert!(scan(body(1).as_bytes()).is_err());
    }
}
