//! When a failed delivery is tried again, as an endpoint's owner says it: a preset's word, or a schedule of one's own.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::json;

use crate::model::{MAX_TIMEOUT_SECONDS, RetrySchedule};
use crate::web::ApiError;

/// Retries of a schedule, at most.
pub const MAX_RETRIES: usize = 20;
/// Longest wait of a schedule, in s: a week.
pub const MAX_WAIT_SECONDS: u32 = 604_800;

/// A schedule as it is given.
pub struct Retry(RetrySchedule);

/// One's own; strict, where the stored form is lenient.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    schedule_seconds: Vec<u32>,
    timeout_seconds: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Preset {
    Standard,
    Fast,
    Hokusai,
}

impl<'de> Deserialize<'de> for Retry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = RetrySchedule;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("standard, fast, hokusai, or an object with schedule_seconds")
            }
            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<RetrySchedule, E> {
                Ok(match Preset::deserialize(StrDeserializer::<E>::new(word))? {
                    Preset::Standard => RetrySchedule::Standard,
                    Preset::Fast => RetrySchedule::Fast,
                    Preset::Hokusai => RetrySchedule::Hokusai,
                })
            }
            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<RetrySchedule, A::Error> {
                let Own { schedule_seconds, timeout_seconds } =
                    Own::deserialize(MapAccessDeserializer::new(fields))?;
                Ok(RetrySchedule::Own { schedule_seconds, timeout_seconds })
            }
        }
        deserializer.deserialize_any(Either).map(Self)
    }
}

impl Retry {
    /// The schedule, if it is within bounds.
    ///
    /// # Errors
    /// 422, with a pointer to what is not.
    pub fn checked(self) -> Result<RetrySchedule, ApiError> {
        let Self(schedule) = self;
        if let RetrySchedule::Own { schedule_seconds, timeout_seconds } = &schedule {
            let fine = |seconds: &u32| (1..=MAX_WAIT_SECONDS).contains(seconds);
            if schedule_seconds.len() > MAX_RETRIES || !schedule_seconds.iter().all(fine) {
                let message =
                    format!("must be at most {MAX_RETRIES} waits of 1 to {MAX_WAIT_SECONDS} s (a week)");
                return Err(ApiError::field("/retry/schedule_seconds", message));
            }
            check_timeout("/retry/timeout_seconds", *timeout_seconds)?;
        }
        Ok(schedule)
    }
}

/// # Errors
/// 422: it is out of bounds.
pub fn check_timeout(pointer: &str, seconds: Option<u32>) -> Result<(), ApiError> {
    if seconds.is_none_or(|seconds| (1..=MAX_TIMEOUT_SECONDS).contains(&seconds)) {
        return Ok(());
    }
    Err(ApiError::field(pointer, format!("must be between 1 and {MAX_TIMEOUT_SECONDS}")))
}

/// A schedule as the document says it.
pub fn retry_schema() -> utoipa::openapi::schema::Schema {
    let schema = json!({
        "description": "When a failed delivery is tried again.",
        "oneOf": [
            {"type": "null"},
            {"type": "string", "enum": ["standard", "fast", "hokusai"]},
            {"type": "object", "additionalProperties": false, "required": ["schedule_seconds"], "properties": {
                "schedule_seconds": {"type": "array", "maxItems": MAX_RETRIES, "items":
                    {"type": "integer", "minimum": 1, "maximum": MAX_WAIT_SECONDS}},
                "timeout_seconds": {"type": ["integer", "null"], "minimum": 1, "maximum": MAX_TIMEOUT_SECONDS}
            }}
        ]
    });
    serde_json::from_value(schema).expect("a schema")
}
