//! `data` of an event that is published: bounded, JSON, an object, as the type's schema has it, and then a text again,
//! so that neither the order of its keys nor the spelling of its numbers is lost.

use std::collections::HashMap;
use std::sync::LazyLock;

use actix_web::web;
use actix_web::web::Bytes;

use crate::ingress::validate;
use crate::model::{EventType, catalogue, in_javascripts_form};
use crate::schema::PayloadSchema;
use crate::web::{ApiError, Code};

/// Data above this size, in bytes, is read off the server's threads: any other takes less time than the hand-over.
const INLINE: usize = 32 * 1024;

/// Data that may be stored, in JavaScript's form.
pub(super) struct Data(pub String);

/// Checks data.
///
/// # Errors
/// 413 for more than `max` bytes, 400 for what is no JSON within the bounds of a webhook's, 422 for what is no object or
/// does not match.
pub(super) async fn read(bytes: Bytes, event_type: &EventType, max: usize) -> Result<Data, ApiError> {
    if bytes.len() > max {
        let detail = format!(
            "data has {} bytes, and at most {max} are taken (AGENTHOOK_MAX_EVENT_BYTES): send a link to the rest",
            bytes.len()
        );
        return Err(ApiError::new(Code::PayloadTooLarge, detail));
    }
    if bytes.len() <= INLINE {
        return check(&bytes, event_type);
    }
    let event_type = event_type.clone();
    let checked = web::block(move || check(&bytes, &event_type)).await;
    checked.map_err(|_| ApiError::unavailable("the server is stopping; send it again"))?
}

fn check(bytes: &[u8], event_type: &EventType) -> Result<Data, ApiError> {
    let not_json = |error: String| ApiError::new(Code::MalformedJson, format!("in data, {error}"));
    let data = validate::parse(bytes).map_err(|error| not_json(error.to_string()))?;
    if !data.is_object() {
        return Err(ApiError::field("/data", "must be a JSON object"));
    }
    let checked = SCHEMAS.get(event_type.entry()).map_or(Ok(()), |schema| schema.check(&data));
    checked.map_err(|mismatches| {
        let detail = format!("data does not match the schema of {event_type}; `errors` says where");
        ApiError::new(Code::SchemaMismatch, detail).with_errors(mismatches)
    })?;
    let text = std::str::from_utf8(bytes).map_err(|error| not_json(error.to_string()))?;
    in_javascripts_form(text).map(Data).map_err(|error| not_json(error.to_string()))
}

/// The schemas of the catalogue, by the names of their entries.
static SCHEMAS: LazyLock<HashMap<&'static str, PayloadSchema>> = LazyLock::new(|| {
    let compiled = |(name, _, info): (&'static str, _, &crate::model::EventInfo)| {
        let schema = serde_json::from_str(info.schema.get()).ok()?;
        Some((name, PayloadSchema::compile(&schema).ok()?))
    };
    catalogue().filter_map(compiled).collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    /// What `data` becomes.
    fn of(event_type: &str, data: &str) -> Result<String, ApiError> {
        check(data.as_bytes(), &event_type.parse().expect("a type")).map(|data| data.0)
    }

    #[test]
    fn every_schema_compiles_and_every_example_matches_its_own() {
        let names: Vec<_> = catalogue().map(|(name, ..)| name).collect();
        assert_eq!(SCHEMAS.len(), names.len());
        for (name, _, info) in catalogue() {
            let example = serde_json::from_str(info.example.get()).expect("JSON");
            assert_eq!(SCHEMAS[name].check(&example), Ok(()), "{name}");
            // So that what is sent as an example is what a receiver in JavaScript verifies.
            let compact = serde_json::value::to_raw_value(&info.example).expect("JSON");
            assert!(in_javascripts_form(compact.get()).is_ok(), "{name}");
        }
    }

    #[test]
    fn schemas_ask_for_what_names_the_thing() {
        for name in ["optimization.completed", "batch.progress", "training.started", "inference.failed"] {
            let error = of(name, r#"{"status":"x"}"#).expect_err("no job");
            assert_eq!(error.code(), Code::SchemaMismatch, "{name}");
            assert!(
                error.errors()[0]["message"].as_str().is_some_and(|text| text.contains("job_id")),
                "{name}"
            );
        }
        assert!(of("query.created", r#"{"query_id":"q","anything":[1]}"#).is_ok());
        assert!(of("query.created", r#"{"query_id":7}"#).is_err());
        assert!(of("model.registered", r#"{"model_id":"m/1","name":"m","version":1}"#).is_err(), "a text");
    }

    #[test]
    fn keys_stay_in_order_and_numbers_are_javascripts() {
        let sent = r#" {"z": 1.0, "a": 9007199254740993, "m": {"y": 1e2, "b": "\u00e4"}} "#;
        let kept = of("custom.x", sent).expect("taken");
        assert_eq!(kept, r#"{"z":1,"a":9007199254740993,"m":{"y":100,"b":"ä"}}"#);
    }

    #[test]
    fn what_is_no_object_or_beyond_the_bounds_is_refused() {
        for wrong in ["[]", "null", "\"x\"", "1"] {
            assert_eq!(of("custom.x", wrong).expect_err(wrong).code(), Code::InvalidRequest);
        }
        let nested =
            |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        assert!(of("custom.x", &nested(validate::MAX_DEPTH)).is_ok());
        let error = of("custom.x", &nested(validate::MAX_DEPTH + 1)).expect_err("too deep");
        assert_eq!(error.code(), Code::MalformedJson);
        let members = |count: usize| format!("{{{}}}", vec!["\"a\":1"; count].join(","));
        assert!(of("custom.x", &members(validate::MAX_MEMBERS)).is_ok());
        assert!(of("custom.x", &members(validate::MAX_MEMBERS + 1)).is_err());
        assert!(of("custom.x", r#"{"a":"\ud800"}"#).is_err(), "a lone surrogate");
    }
}
