//! What was typed into a field, as JSON. What is not what the field wants stays the text that it is, so that the API says
//! what is wrong with it.

use serde_json::{Map, Value, json};

use crate::web::ApiError;

/// A text; nothing, if it is left empty.
pub(super) fn text(typed: &str) -> Value {
    match typed.trim() {
        "" => Value::Null,
        text => text.into(),
    }
}

/// A text of several lines, to the letter; browsers end lines in their own way.
pub(super) fn lines(typed: &str) -> Value {
    match typed.trim() {
        "" => Value::Null,
        _ => typed.replace("\r\n", "\n").into(),
    }
}

/// A whole number; nothing, if it is left empty.
pub(super) fn number(typed: &str) -> Value {
    match typed.trim() {
        "" => Value::Null,
        text => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
    }
}

/// Words between spaces, commas and ends of lines.
pub(super) fn words(typed: &str) -> impl Iterator<Item = &str> {
    typed.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty())
}

/// A rate limit; nothing, if both of its fields are left empty.
pub(super) fn rate_limit(per_minute: &str, burst: &str) -> Value {
    match (number(per_minute), number(burst)) {
        (Value::Null, Value::Null) => Value::Null,
        (per_minute, burst) => json!({"per_minute": per_minute, "burst": burst}),
    }
}

/// Headers, a line each.
///
/// # Errors
/// 422: one is there twice, and only one of the two could be kept.
pub(super) fn headers(typed: &str) -> Result<Value, ApiError> {
    let mut headers = Map::new();
    for line in typed.lines().filter(|line| !line.trim().is_empty()) {
        let (name, value) = match line.split_once(':') {
            Some((name, value)) => (name.trim(), value.trim().into()),
            None => (line.trim(), Value::Null),
        };
        if headers.insert(name.to_owned(), value).is_some() {
            return Err(ApiError::field("/headers", "must name each header once, whatever its case"));
        }
    }
    Ok(headers.into())
}

/// Settings that are not what they were.
pub(super) fn changed(settings: Map<String, Value>, were: &Map<String, Value>) -> Map<String, Value> {
    settings.into_iter().filter(|(name, value)| were.get(name) != Some(value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_json_and_what_is_wrong_stays_text() {
        assert_eq!([text(" a "), text(" ")], [json!("a"), json!(null)]);
        assert_eq!([lines("a\r\n b"), lines("\r\n")], [json!("a\n b"), json!(null)]);
        assert_eq!([number("7"), number(""), number("7 s")], [json!(7), json!(null), json!("7 s")]);
        assert_eq!(words(" a, b\r\nc ").collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(rate_limit("", " "), json!(null));
        assert_eq!(rate_limit("6", ""), json!({"per_minute": 6, "burst": null}));
        assert_eq!(
            headers("A: b:c\r\n\r\nno colon").expect("headers"),
            json!({"A": "b:c", "no colon": null})
        );
        assert!(headers("A: 1\nA: 2").is_err());
    }
}
