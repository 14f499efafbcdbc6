//! What query strings have in common.

use chrono::{DateTime, Datelike, Utc};

use crate::model::{TenantId, Time};
use crate::web::ApiError;

/// A parameter's value, or what is wrong with it.
pub(super) fn parameter<T>(
    name: &str,
    text: &Option<String>,
    parse: impl Fn(&str) -> Result<T, &'static str>,
) -> Result<Option<T>, ApiError> {
    text.as_deref().map(parse).transpose().map_err(|message| ApiError::field(name, message))
}

/// A tenant.
pub(super) fn tenant_id(text: &str) -> Result<TenantId, &'static str> {
    text.parse().map_err(|_| "is no tenant id")
}

/// A point in time.
pub(super) fn time(text: &str) -> Result<Time, &'static str> {
    // A `+` that was not escaped arrives as a space.
    let text = text.replace(' ', "+");
    let parsed = DateTime::parse_from_rfc3339(&text)
        .map_err(|_| "is no RFC 3339 time such as 2026-01-31T12:00:00Z")?;
    let time = parsed.with_timezone(&Utc);
    if (0..=9999).contains(&time.year()) { Ok(time) } else { Err("is no time of this era") }
}
