//! `uniqueItems` in linear time.
//!
//! The crate's own check hashes values such that `[[]]` and `[[[]]]`, or integers beyond 2^53, fall together:
//! it is quadratic for whoever wants it to be. Here every element is written in a form that equal values
//! share, and a set with a keyed hash says whether one was there before.

use std::collections::HashSet;

use serde_json::{Number, Value};

/// Whether no two elements are equal; `pay` is told the price as it arises.
pub(super) fn is_unique(elements: &[Value], pay: fn(usize)) -> bool {
    let mut seen = HashSet::new();
    elements.iter().all(|element| {
        let mut key = Vec::new();
        write(element, &mut key, pay);
        pay(20 + key.len() / 8);
        seen.insert(key)
    })
}

/// Writes `value` so that two texts are the same exactly if JSON Schema calls the values equal. Every form
/// starts with its kind and, where it can vary, its length, so that no two values share one.
fn write(value: &Value, out: &mut Vec<u8>, pay: fn(usize)) {
    pay(2);
    match value {
        Value::Null => out.push(b'n'),
        Value::Bool(bool) => out.push(if *bool { b't' } else { b'f' }),
        Value::Number(number) => write_number(number, out),
        Value::String(string) => write_text(b's', string, out),
        Value::Array(elements) => {
            write_len(b'a', elements.len(), out);
            elements.iter().for_each(|element| write(element, out, pay));
        }
        Value::Object(members) => {
            write_len(b'o', members.len(), out);
            let mut members: Vec<_> = members.iter().collect();
            // the map is sorted already unless some crate of the build turns `preserve_order` on
            members.sort_unstable_by_key(|(name, _)| *name);
            for (name, value) in members {
                write_text(b's', name, out);
                write(value, out, pay);
            }
        }
    }
}

fn write_len(kind: u8, len: usize, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend((len as u64).to_le_bytes());
}

fn write_text(kind: u8, text: &str, out: &mut Vec<u8>) {
    write_len(kind, text.len(), out);
    out.extend(text.as_bytes());
}

/// Integers by value, whole numbers as integers (`1.0` is `1`), the rest by their bits. A whole float beyond
/// ±2^64 equals no integer that a [`Number`] can hold, so its bits are as good.
fn write_number(number: &Number, out: &mut Vec<u8>) {
    let integer = match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(integer), _, _) => Some(i128::from(integer)),
        (_, Some(integer), _) => Some(i128::from(integer)),
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^65: exact")]
        (_, _, Some(float)) if float.fract() == 0.0 && float.abs() < 3.7e19 => Some(float as i128),
        _ => None,
    };
    match (integer, number.as_f64()) {
        (Some(integer), _) => {
            out.push(b'i');
            out.extend(integer.to_le_bytes());
        }
        (None, Some(float)) => {
            out.push(b'd');
            out.extend(float.to_bits().to_le_bytes());
        }
        (None, None) => write_text(b'x', &number.to_string(), out),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn unique(elements: &Value) -> bool {
        is_unique(elements.as_array().expect("an array"), |_| {})
    }

    #[test]
    fn equal_by_json_schema_is_equal_here() {
        let equal = [
            (json!(1), json!(1.0)),
            (json!(0), json!(-0.0)),
            (json!(u64::MAX), json!(u64::MAX)),
            (json!(1e300), json!(1e300)),
            (json!({"a": 1, "b": [2]}), json!({"b": [2.0], "a": 1.0})),
        ];
        for (left, right) in equal {
            assert!(!unique(&json!([left, 7, right])), "{left} {right}");
        }
        let unequal = [
            (json!(1), json!(true)),
            (json!("1"), json!(1)),
            (json!(null), json!(false)),
            (json!(u64::MAX), json!(u64::MAX - 1)),
            (json!([[]]), json!([[[]]])),
            (json!([1, [2]]), json!([[1], 2])),
            (json!(["a", "b"]), json!(["ab"])),
            (json!({"a": 1}), json!({"b": 1})),
            (json!({}), json!([])),
            (json!(0.1), json!(0.2)),
        ];
        for (left, right) in unequal {
            assert!(unique(&json!([left, right])), "{left} {right}");
        }
        assert!(unique(&json!([])));
    }

    proptest! {
        #[test]
        fn agrees_with_the_crate_on_numbers(numbers in prop::collection::vec(
            prop_oneof![(-3i64..3).prop_map(Value::from), (-3i64..3).prop_map(|n| Value::from(n as f64 / 2.0)),
                any::<u64>().prop_map(Value::from), any::<f64>().prop_map(Value::from)], 0..6)) {
            prop_assert_eq!(is_unique(&numbers, |_| {}), jsonschema::json::unique::is_unique(&numbers));
        }
    }
}
