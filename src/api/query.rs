//! What query strings have in common.

use chrono::{DateTime, Datelike, Utc};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::model::Time;

/// A point in time. A field of this takes `#[serde(default)]` too, like that of [`text`].
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    // A `+` that was not escaped arrives as a space.
    let text = String::deserialize(deserializer)?.replace(' ', "+");
    parse_time(&text).map(Some).map_err(D::Error::custom)
}

/// A point in time that the databases can compare.
pub(super) fn parse_time(text: &str) -> Result<Time, &'static str> {
    let parsed = DateTime::parse_from_rfc3339(text)
        .map_err(|_| "must be an RFC 3339 time such as 2026-01-31T12:00:00Z")?;
    let time = parsed.with_timezone(&Utc);
    if (0..=9999).contains(&time.year()) {
        Ok(time)
    } else {
        Err("must be a time of the years 0000 to 9999 in UTC")
    }
}

/// A text that the database is asked for.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    // Postgres has it in no text, and takes it in none.
    if text.contains('\0') {
        return Err(D::Error::custom("must not contain the character U+0000"));
    }
    Ok(Some(text))
}
