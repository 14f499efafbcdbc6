//! Query strings: as strict as bodies, and told apart by the parameter's name.

use std::ops::Deref;

use actix_web::{FromRequest, HttpRequest};
use serde::de::value::{MapAccessDeserializer, StringDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde::forward_to_deserialize_any;
use url::form_urlencoded;

use super::ApiError;
use super::typed::{Fault, Fields};

/// The parameters of a request; unknown and repeated ones are refused where the type says so.
#[derive(Debug)]
pub struct Query<T>(T);

impl<T> Deref for Query<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
        std::future::ready(read(request.query_string()).map(Self))
    }
}

fn read<T: DeserializeOwned>(query: &str) -> Result<T, ApiError> {
    from_fields(form_urlencoded::parse(query.as_bytes()).into_owned())
}

/// Gives names and texts, such as a form's, their type.
///
/// # Errors
/// 422 with the name of the first that does not fit.
pub fn from_fields<T: DeserializeOwned>(
    parameters: impl Iterator<Item = (String, String)>,
) -> Result<T, ApiError> {
    let parameters = Fields::of(parameters.map(|(name, value)| (name, Text(value))));
    T::deserialize(MapAccessDeserializer::new(parameters)).map_err(|fault| {
        let (path, message) = fault.into_parts();
        ApiError::field(path.join("."), message)
    })
}

/// A value, which is text until somebody wants something else.
struct Text(String);

macro_rules! integers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            match self.0.parse() {
                Ok(number) => visitor.visit_i64(number),
                Err(_) => visitor.visit_string(self.0),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Text {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_string(self.0)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.parse() {
            Ok(flag) => visitor.visit_bool(flag),
            Err(_) => visitor.visit_string(self.0),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_enum(StringDeserializer::<Fault>::new(self.0))
    }

    integers! { deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use uuid::Uuid;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct List {
        limit: Option<i64>,
        cursor: Option<Uuid>,
        word: Option<String>,
        kind: Option<Kind>,
        #[serde(default)]
        reveal: bool,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        One,
        Two,
    }

    #[test]
    fn a_fault_names_its_parameter() {
        let known = "is not a known field; known: limit, cursor, word, kind, reveal";
        for (query, fault) in [
            ("limit=many", "limit must be an integer"),
            ("limit=", "limit must be an integer"),
            ("limit=1.5", "limit must be an integer"),
            ("limit=1&limit=2", "limit is given more than once"),
            ("cursor=s3cret", "cursor must be a UUID"),
            ("kind=three", "kind must be one of: one, two"),
            ("reveal=yes", "reveal must be true or false"),
            ("wrod=x", &format!("wrod {known}")),
        ] {
            let error = read::<List>(query).expect_err(query).to_string();
            assert_eq!(error, format!("invalid_request: {fault}"), "{query}");
        }
    }

    #[test]
    fn what_fits_is_taken() {
        let list = |query| read::<List>(query).expect(query);
        assert_eq!(list(""), List::default());
        let all =
            list("limit=-7&word=a+b%2B&kind=two&reveal=true&cursor=01a20174-af9d-764c-ac07-00a385c2f011");
        assert_eq!(
            (all.limit, all.word.as_deref(), all.kind, all.reveal),
            (Some(-7), Some("a b+"), Some(Kind::Two), true)
        );
        assert!(all.cursor.is_some());
        assert_eq!(list("word=5").word.as_deref(), Some("5"));
    }
}
