//! The bounds of integers. `format` names a width and binds nobody (JSON Schema), and has no word for unsigned ones.

use serde_json::Value;

/// Says them wherever an integer has none of its own.
pub(super) fn complete(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(complete),
        Value::Object(fields) => {
            // utoipa's word for a type without a sign, if nobody says more.
            let unsigned = fields.get("minimum").and_then(Value::as_i64) == Some(0);
            let (low, high) = match fields.get("format").and_then(Value::as_str) {
                Some("int32") if unsigned => (0, u64::from(u32::MAX)),
                Some("int32") => (i32::MIN.into(), i32::MAX as u64),
                Some("int64") if unsigned => (0, u64::MAX),
                Some("int64") => (i64::MIN, i64::MAX as u64),
                _ => return fields.values_mut().for_each(complete),
            };
            fields.entry("minimum").or_insert(low.into());
            fields.entry("maximum").or_insert(high.into());
            if unsigned {
                fields.remove("format");
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
