//! JSON bodies of the management API.

use actix_web::{FromRequest, HttpRequest, web};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{ApiError, Code};

/// Largest body of the management API, in bytes.
pub const MAX_BODY_BYTES: usize = 1_048_576;

/// A JSON body: read whole, bounded, and still untyped so that [`from_value`] can say where it is wrong.
pub struct Json(pub Value);

impl std::fmt::Debug for Json {
    /// Not what is in it: that may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Json(…)")
    }
}

impl FromRequest for Json {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut actix_web::dev::Payload) -> Self::Future {
        let payload = web::Payload::from_request(request, payload).into_inner();
        Box::pin(async move {
            let mut payload =
                payload.map_err(|_| ApiError::new(Code::MalformedJson, "the body cannot be read"))?;
            let mut body = web::BytesMut::new();
            while let Some(chunk) = payload.next().await {
                let chunk = chunk.map_err(|_| {
                    ApiError::new(Code::IncompleteBody, "the body ended early; send it again")
                })?;
                if body.len() + chunk.len() > MAX_BODY_BYTES {
                    let detail = format!("at most {MAX_BODY_BYTES} bytes are taken");
                    return Err(ApiError::new(Code::PayloadTooLarge, detail));
                }
                body.extend_from_slice(&chunk);
            }
            let value = serde_json::from_slice(&body).map_err(|error| {
                ApiError::new(Code::MalformedJson, format!("the body is not JSON: {error}"))
            })?;
            match nul(&value, &mut String::new()) {
                None => Ok(Self(value)),
                // Postgres can store it in no text and no jsonb; nobody means it.
                Some(pointer) => Err(ApiError::field(pointer, "must not contain the character U+0000")),
            }
        })
    }
}

/// Gives a body its type; unknown fields are refused where the type says so.
///
/// # Errors
/// 422 with a JSON Pointer to the first field that does not fit.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    // serde would take a struct's fields in a row, without their names.
    if !value.is_object() {
        return Err(ApiError::field("", "the body must be a JSON object"));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        use serde_path_to_error::Segment;
        let pointer: String = error
            .path()
            .iter()
            .map(|segment| match segment {
                Segment::Seq { index } => format!("/{index}"),
                Segment::Map { key } => format!("/{}", escape(key)),
                Segment::Enum { variant } => format!("/{variant}"),
                Segment::Unknown => String::new(),
            })
            .collect();
        ApiError::field(pointer, unquoted(&error.inner().to_string()))
    })
}

/// A message of serde without the text that it quotes: a key that was put into the wrong field is still a key, and what
/// is refused is logged and shown in more places than what is taken.
fn unquoted(message: &str) -> String {
    for (start, short) in [
        ("invalid type: string ", "invalid type: string"),
        ("invalid value: string ", "invalid value: string"),
        ("unknown variant ", "unknown value"),
    ] {
        if let Some(rest) = message.strip_prefix(start) {
            // The text itself may hold these words, so the last ones count.
            return match rest.rfind(", expected ") {
                Some(at) => format!("{short}{}", &rest[at..]),
                None => short.to_owned(),
            };
        }
    }
    message.to_owned()
}

/// One step of a JSON Pointer (RFC 6901).
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Where a NUL stands, if anywhere.
fn nul(value: &Value, path: &mut String) -> Option<String> {
    let mut below = |step: String, child: &Value| {
        let length = path.len();
        path.push('/');
        path.push_str(&step);
        let found = nul(child, path);
        path.truncate(length);
        found
    };
    match value {
        Value::String(text) => text.contains('\0').then(|| path.clone()),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| below(index.to_string(), item))
        }
        // A key with a NUL cannot be printed: the place of its object has to do.
        Value::Object(fields) if fields.keys().any(|key| key.contains('\0')) => Some(path.clone()),
        Value::Object(fields) => fields.iter().find_map(|(key, field)| below(escape(key), field)),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        First,
        Second,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only read")]
    struct Request {
        word: Option<Word>,
        number: Option<u32>,
        list: Option<Vec<u32>>,
        letter: Option<char>,
    }

    #[test]
    fn a_refusal_does_not_repeat_what_was_given() {
        const SECRET: &str = "sk-planted, expected `x`";
        for (body, message) in [
            (json!({"word": SECRET}), "unknown value, expected `first` or `second`"),
            (json!({"number": SECRET}), "invalid type: string, expected u32"),
            (json!({"list": [1, SECRET]}), "invalid type: string, expected u32"),
            (json!({"letter": SECRET}), "invalid value: string, expected a character"),
            (json!({"number": -1}), "invalid value: integer `-1`, expected u32"),
            (
                json!({"numbr": 1}),
                "unknown field `numbr`, expected one of `word`, `number`, `list`, `letter`",
            ),
        ] {
            let error = from_value::<Request>(body.clone()).expect_err("refused");
            assert!(format!("{error:?}").contains(message), "{body}: {error:?}");
            assert!(!format!("{error:?}").contains("planted"), "{error:?}");
        }
    }

    #[test]
    fn a_body_prints_nothing_of_what_is_in_it() {
        assert_eq!(format!("{:?}", Json(json!({"key": "sk-planted"}))), "Json(…)");
    }
}
