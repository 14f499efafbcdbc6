//! JSON bodies of the management API.

use std::collections::BTreeMap;

use actix_web::{FromRequest, HttpRequest, web};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::typed::{escape, from_value};
use super::{ApiError, Code};

/// Largest body of the management API, in bytes.
pub const MAX_BODY_BYTES: usize = 1_048_576;

/// A body: read whole, bounded. What is wrong with it is told only when it is asked for, so that who may not see a
/// thing hears nothing but 404 of it.
pub struct Body(Result<web::Bytes, ApiError>);

impl std::fmt::Debug for Body {
    /// Not what is in it: that may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Body(…)")
    }
}

impl FromRequest for Body {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut actix_web::dev::Payload) -> Self::Future {
        let payload = web::Payload::from_request(request, payload).into_inner();
        Box::pin(async move {
            let unreadable = |_| ApiError::new(Code::MalformedJson, "the body cannot be read");
            Ok(Self(match payload.map_err(unreadable) {
                Ok(payload) => read(payload).await,
                Err(error) => Err(error),
            }))
        })
    }
}

impl Body {
    /// What somebody would have sent who asks for this.
    #[must_use]
    pub fn of(value: &impl Serialize) -> Self {
        let unwritten = |error| ApiError::new(Code::Internal, format!("the body cannot be written: {error}"));
        Self(serde_json::to_vec(value).map(web::Bytes::from).map_err(unwritten))
    }

    /// The same of something whose spelling counts.
    ///
    /// # Errors
    /// 500: it cannot be written as JSON.
    pub fn written(value: &impl Serialize) -> Result<Self, ApiError> {
        let fault = |_| ApiError::new(Code::Internal, "a request cannot be written");
        Ok(Self(Ok(serde_json::to_vec(value).map_err(fault)?.into())))
    }

    /// The JSON in it, still untyped so that [`super::from_value`] can say where it is wrong.
    ///
    /// # Errors
    /// 400 for what is no JSON, 413 for too much of it, 422 for U+0000 in a string.
    pub fn json(self) -> Result<Value, ApiError> {
        let body = self.0?;
        let value = serde_json::from_slice(&body)
            .map_err(|error| ApiError::new(Code::MalformedJson, format!("the body is not JSON: {error}")))?;
        match nul(&value, &mut String::new()) {
            None => Ok(value),
            // Postgres can store it in no text and no jsonb; nobody means it.
            Some(pointer) => Err(ApiError::field(pointer, "must not contain the character U+0000")),
        }
    }

    /// The JSON in it as this type ([`super::from_value`]).
    ///
    /// # Errors
    /// As [`Body::json`], and 422 for what does not fit.
    pub fn parse<T: DeserializeOwned>(self) -> Result<T, ApiError> {
        from_value(self.json()?)
    }

    /// As [`Body::parse`]; nothing at all is the same as `{}`.
    ///
    /// # Errors
    /// As [`Body::parse`].
    pub fn parse_or_default<T: DeserializeOwned>(self) -> Result<T, ApiError> {
        match &self.0 {
            Ok(body) if body.is_empty() => from_value(Value::Object(serde_json::Map::new())),
            _ => self.parse(),
        }
    }

    /// The bytes of one member as they came, and the other members as this type. Of two with one name the last counts.
    ///
    /// # Errors
    /// As [`Body::parse`], and 422 without that member. What the member's bytes say is not looked at.
    pub fn split<T: DeserializeOwned>(self, member: &str) -> Result<(web::Bytes, T), ApiError> {
        let body = self.0?;
        let not_json = |error| ApiError::new(Code::MalformedJson, format!("the body is not JSON: {error}"));
        let whole: &RawValue = serde_json::from_slice(&body).map_err(not_json)?;
        if !whole.get().starts_with('{') {
            return Err(ApiError::field("", "the body must be a JSON object"));
        }
        let mut members: BTreeMap<String, &RawValue> = serde_json::from_slice(&body).map_err(not_json)?;
        let found = members.remove(member);
        let others = members.into_iter().map(|(name, raw)| {
            serde_json::from_str(raw.get()).map(|value: Value| (name, value)).map_err(not_json)
        });
        let others = from_value(Value::Object(others.collect::<Result<_, _>>()?))?;
        match found {
            Some(raw) => Ok((body.slice_ref(raw.get().as_bytes()), others)),
            None => Err(ApiError::field(format!("/{member}"), "is required")),
        }
    }

    /// The bytes as they came.
    ///
    /// # Errors
    /// 413 for too many.
    pub fn bytes(self) -> Result<web::Bytes, ApiError> {
        self.0
    }
}

async fn read(mut payload: web::Payload) -> Result<web::Bytes, ApiError> {
    let mut body = web::BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk =
            chunk.map_err(|_| ApiError::new(Code::IncompleteBody, "the body ended early; send it again"))?;
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            let detail = format!("at most {MAX_BODY_BYTES} bytes are taken");
            return Err(ApiError::new(Code::PayloadTooLarge, detail));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
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
    use super::*;

    #[test]
    fn a_body_prints_nothing_of_what_is_in_it() {
        assert_eq!(format!("{:?}", Body(Ok(r#"{"key": "sk-planted"}"#.into()))), "Body(…)");
    }
}
