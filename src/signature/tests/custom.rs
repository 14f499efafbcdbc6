//! `custom`: what is taken, and what is refused and why.

use serde_json::{Value, json};

use super::*;

fn read(value: Value) -> Result<Scheme, Vec<(&'static str, String)>> {
    let custom: CustomScheme = serde_json::from_value(value).expect("the form of a custom scheme");
    Scheme::of(SchemeName::Custom, Some(&custom))
}

/// The members that are named as wrong when these are added to a right scheme.
fn faults(members: Value) -> Vec<&'static str> {
    let mut custom = json!({"header": "X-Signature"});
    for (name, value) in members.as_object().expect("members") {
        custom[name] = value.clone();
    }
    match read(custom) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.into_iter().map(|(member, _)| member).collect(),
    }
}

#[test]
fn limits_and_what_belongs_together() {
    assert_eq!(faults(json!({})), Vec::<&str>::new());
    for (member, fine, wrong) in [
        ("header", json!("a".repeat(100)), json!("a".repeat(101))),
        ("header", json!("X_Sig.1-a"), json!("X Sig")),
        ("header", json!("h"), json!("")),
        ("prefix", json!("p".repeat(100)), json!("p".repeat(101))),
        ("prefix", json!("sha256 "), json!(" sha256")),
        ("prefix", json!("~"), json!("\u{7f}")),
        ("separator", json!(","), json!("")),
        ("separator", json!(", "), json!("a")),
        ("separator", json!(";".repeat(100)), json!(";".repeat(101))),
        ("separator", Value::Null, json!("=")),
        ("tolerance_seconds", json!(1), json!(0)),
        ("tolerance_seconds", json!(86_400), json!(86_401)),
        (
            "template",
            json!(format!("{{body}}{}", "x".repeat(994))),
            json!(format!("{{body}}{}", "x".repeat(995))),
        ),
        ("template", json!("x{body}"), json!("x")),
        ("template", json!("{url}{body}"), json!("{body}{body}")),
        ("template", json!("}{body}"), json!("{body}{nonsense}")),
        ("id_header", json!("X-Id"), json!("é")),
    ] {
        assert_eq!(faults(json!({member: fine})), Vec::<&str>::new(), "{member} {fine}");
        assert_eq!(faults(json!({member: wrong})), [member], "{member} {wrong}");
    }
    assert_eq!(faults(json!({"template": "{timestamp}{body}"})), ["timestamp_header"]);
    let timed = |name: &str| json!({"template": "{timestamp}{body}", "timestamp_header": name});
    assert_eq!(faults(timed("X-Time")), Vec::<&str>::new());
    assert_eq!(faults(timed("X:Time")), ["timestamp_header"]);
    assert_eq!(faults(json!({"timestamp_header": "X-Time"})), ["timestamp_header"], "it is not signed");
    assert_eq!(faults(json!({"template": "{id}{body}"})), ["id_header"]);
    assert_eq!(faults(json!({"id_header": "x-signature"})), ["header"]);
    let several = json!({"header": "", "template": "", "tolerance_seconds": 0});
    assert_eq!(faults(several), ["header", "tolerance_seconds", "template"]);
    let missing = Scheme::of(SchemeName::Custom, None).map(drop);
    assert_eq!(missing.map_err(|faults| faults[0].0), Err(""));
}

#[test]
fn digits_in_either_case_but_not_in_both() {
    let scheme = read(json!({"header": "X-Signature"})).expect("a scheme");
    let (sign, key) = keys(&scheme);
    let what = ToSign::body(b"{}");
    let lower = scheme.sign(&sign, &what).expect("signed");
    let with = |value: String| verify(&scheme, &key, &[("x-signature".to_owned(), value)], &what);
    assert!(with(lower[0].1.clone()).is_ok() && with(lower[0].1.to_uppercase()).is_ok());
    let letters = lower[0].1.bytes().filter(u8::is_ascii_alphabetic).count();
    assert!(letters > 1, "such a signature is rarer than a collision");
    let at = lower[0].1.find(|digit: char| digit.is_ascii_alphabetic()).expect("a letter");
    let mixed = [&lower[0].1[..at], &lower[0].1[at..=at].to_uppercase(), &lower[0].1[at + 1..]].concat();
    assert!(matches!(with(mixed), Err(Refusal::Malformed { .. })));
}

#[test]
fn an_id_counts_as_signed_only_where_it_is() {
    for (template, signed) in [("{id}.{body}", true), ("{body}", false)] {
        let custom = json!({"header": "X-Sig", "id_header": "X-Id", "template": template});
        let scheme = read(custom).expect("a scheme");
        let (sign, key) = keys(&scheme);
        let what = ToSign { id: "d1", ..ToSign::body(b"{}") };
        let mut headers = scheme.sign(&sign, &what).expect("signed");
        headers.retain(|(name, _)| name != "X-Id");
        headers.push(("X-Id".to_owned(), "d1".to_owned()));
        let id = verify(&scheme, &key, &headers, &what).expect("verified");
        assert_eq!(id.is_some(), signed);
        assert_eq!(scheme.id_headers().any(|name| name == "X-Id"), !signed);
        headers[1].1 = "d2".to_owned();
        assert_eq!(verify(&scheme, &key, &headers, &what).is_err(), signed);
    }
}
