//! What a request that does not fit is told: a table.

use std::collections::BTreeMap;

use actix_web::body::MessageBody;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "what matters is whether they can be made")]
struct Request {
    name: String,
    small: Option<u32>,
    large: Option<u64>,
    signed: Option<i64>,
    byte: Option<u8>,
    ratio: Option<f64>,
    flag: Option<bool>,
    id: Option<Uuid>,
    kind: Option<Kind>,
    only: Option<Only>,
    kinds: Option<Vec<Kind>>,
    inner: Option<Inner>,
    stop: Option<Stop>,
    biases: Option<BTreeMap<String, f64>>,
    object: Option<serde_json::Map<String, Value>>,
    even: Option<Even>,
    any: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "as above")]
struct Inner {
    r#type: Kind,
    #[serde(default)]
    list: Vec<Inner>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Plain,
    VeryFancy,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Only {
    Webhook,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "must be a string or a list of strings")]
#[allow(dead_code, reason = "as above")]
enum Stop {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "u32")]
#[allow(dead_code, reason = "as above")]
struct Even(u32);

impl TryFrom<u32> for Even {
    type Error = &'static str;
    fn try_from(number: u32) -> Result<Self, Self::Error> {
        if number.is_multiple_of(2) { Ok(Self(number)) } else { Err("must be even") }
    }
}

/// The pointer and the message of the refusal.
fn refused(body: &Value) -> (String, String) {
    let error = from_value::<Request>(body.clone()).map(drop).expect_err("refused");
    let answer = error.render(Uuid::nil(), None).into_body().try_into_bytes().expect("bytes");
    let problem: Value = serde_json::from_slice(&answer).expect("JSON");
    assert!(!String::from_utf8_lossy(&answer).contains("s3cret"), "a value is repeated: {problem}");
    let text = |pointer| problem.pointer(pointer).and_then(Value::as_str).expect("text").to_owned();
    (text("/errors/0/pointer"), text("/errors/0/message"))
}

#[test]
fn a_fault_says_where_it_is_and_what_has_to_stand_there() {
    const INTEGER: &str = "must be an integer between 0 and 4294967295";
    let known = "is not a known field; known: name, small, large, signed, byte, ratio, flag, id, kind, only, kinds, \
                 inner, stop, biases, object, even, any";
    let table = [
        (json!([]), "", "the body must be a JSON object"),
        (json!("s3cret"), "", "the body must be a JSON object"),
        (json!({}), "/name", "is required"),
        (json!({"name": null}), "/name", "must be a string"),
        (json!({"name": 5}), "/name", "must be a string"),
        (json!({"name": ["s3cret"]}), "/name", "must be a string"),
        (json!({"small": "s3cret"}), "/small", INTEGER),
        (json!({"small": -1}), "/small", INTEGER),
        (json!({"small": 4_294_967_296_u64}), "/small", INTEGER),
        (json!({"small": 1.5}), "/small", INTEGER),
        (json!({"small": {}}), "/small", INTEGER),
        (json!({"large": -1}), "/large", "must be an integer, 0 or more"),
        (json!({"signed": 1e300}), "/signed", "must be an integer"),
        (json!({"byte": 256}), "/byte", "must be an integer between 0 and 255"),
        (json!({"ratio": "s3cret"}), "/ratio", "must be a number"),
        (json!({"flag": "true"}), "/flag", "must be true or false"),
        (json!({"id": "s3cret"}), "/id", "must be a UUID"),
        (json!({"id": 7}), "/id", "must be a UUID"),
        (json!({"kind": "s3cret"}), "/kind", "must be one of: plain, very_fancy"),
        (json!({"kind": 7}), "/kind", "must be one of: plain, very_fancy"),
        (json!({"kind": {}}), "/kind", "must be one of: plain, very_fancy"),
        (json!({"only": "s3cret"}), "/only", "must be \"webhook\""),
        (json!({"kinds": ["plain", "s3cret"]}), "/kinds/1", "must be one of: plain, very_fancy"),
        (json!({"kinds": {"s3cret": 1}}), "/kinds", "must be a list"),
        (json!({"inner": []}), "/inner", "must be a JSON object"),
        (json!({"inner": "s3cret"}), "/inner", "must be a JSON object"),
        (json!({"inner": {}}), "/inner/type", "is required"),
        (
            json!({"inner": {"type": "plain", "a/b~c": 1}}),
            "/inner/a~1b~0c",
            "is not a known field; known: type, list",
        ),
        (
            json!({"inner": {"type": "plain", "list": [{"type": "plain"}, {}]}}),
            "/inner/list/1/type",
            "is required",
        ),
        (json!({"stop": {"s3cret": 1}}), "/stop", "must be a string or a list of strings"),
        (json!({"biases": {"50256": "s3cret"}}), "/biases/50256", "must be a number"),
        (json!({"biases": []}), "/biases", "must be a JSON object"),
        (json!({"object": "s3cret"}), "/object", "must be a JSON object"),
        (json!({"even": 3}), "/even", "must be even"),
        (json!({"nmae": "s3cret"}), "/nmae", known),
        (json!({"": "s3cret"}), "/", known),
    ];
    for (mut body, pointer, message) in table {
        // Every row but those about the name has one.
        if let Some(fields) = body.as_object_mut().filter(|fields| !fields.is_empty()) {
            fields.entry("name").or_insert("n".into());
        }
        assert_eq!(refused(&body), (pointer.into(), message.into()), "{body}");
    }
    let (pointer, _) = refused(&json!({"x".repeat(5000): 1}));
    assert_eq!(pointer, format!("/{}…", "x".repeat(100)), "a name has its limit");
}

#[test]
fn what_fits_is_taken() {
    for body in [
        json!({"name": "n"}),
        json!({"name": "n", "small": null, "kind": null, "inner": null}),
        json!({"name": "n", "small": 4_294_967_295_u32, "large": u64::MAX, "signed": i64::MIN, "byte": 255}),
        // An integer is an integer however it is written (JSON Schema, "integer").
        json!({"name": "n", "small": 1.0, "signed": -1e2}),
        json!({"name": "n", "ratio": 1}),
        json!({"name": "n", "stop": ["a", "b"], "biases": {"1": -1}, "object": {"a": [1, {"b": null}]}, "even": 4}),
        json!({"name": "n", "inner": {"type": "very_fancy", "list": [{"type": "plain"}]}}),
    ] {
        from_value::<Request>(body.clone()).unwrap_or_else(|error| panic!("{body}: {error}"));
    }
    let any = json!({"b": [1.0, -5, u64::MAX, 1e300, "x", null, true], "a": {}});
    let request: Request = from_value(json!({"name": "n", "any": any})).expect("fits");
    assert_eq!(request.any, Some(any), "what is free stays as it is");
}
