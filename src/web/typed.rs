//! From untyped JSON to a request's struct, with faults that whoever wrote the JSON understands: where it is, and
//! what has to stand there. A fault never repeats the value, which may be a secret, and names no type of ours.

use std::fmt::Display;

use serde::de::value::{MapAccessDeserializer, StringDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use super::ApiError;

/// Longest name of a field that an answer repeats, in characters.
const MAX_NAME_CHARS: usize = 100;
/// From here on a floating-point number may be another integer than the one that was written: 2^53.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// Gives a body its type; unknown fields are refused where the type says so.
///
/// # Errors
/// 422 with a JSON Pointer to the first field that does not fit.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    if !value.is_object() {
        return Err(ApiError::field("", "the body must be a JSON object"));
    }
    T::deserialize(Json(value)).map_err(|fault| {
        let pointer: String = fault.path.iter().rev().map(|step| format!("/{}", escape(step))).collect();
        ApiError::field(pointer, fault.message)
    })
}

/// One step of a JSON Pointer (RFC 6901).
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// What does not fit, and where: the innermost step comes first.
#[derive(Debug)]
pub(super) struct Fault {
    path: Vec<String>,
    message: String,
}

impl Fault {
    fn here(message: impl Into<String>) -> Self {
        Self { path: Vec::new(), message: message.into() }
    }

    pub(super) fn at(mut self, step: impl Into<String>) -> Self {
        self.path.push(step.into());
        self
    }

    /// The steps from the inside out, and what has to stand there.
    pub(super) fn into_parts(self) -> (Vec<String>, String) {
        (self.path, self.message)
    }

    fn one_of(words: &[&str]) -> Self {
        Self::here(match words {
            [only] => format!("must be \"{only}\""),
            words => format!("must be one of: {}", words.join(", ")),
        })
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl Error for Fault {
    fn custom<T: Display>(message: T) -> Self {
        let message = message.to_string();
        // Its parser tells which character is wrong.
        Self::here(if message.starts_with("UUID parsing failed") { "must be a UUID".into() } else { message })
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::here(must_be(&expected.to_string()))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::here(must_be(&expected.to_string()))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::here(must_be(&expected.to_string()))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::one_of(expected)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let name = match field.char_indices().nth(MAX_NAME_CHARS) {
            Some((end, _)) => format!("{}…", &field[..end]),
            None => field.to_owned(),
        };
        Self::here(format!("is not a known field; known: {}", expected.join(", "))).at(name)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::here("is required").at(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::here("is given more than once").at(field)
    }
}

/// What serde's words for what it expects are in JSON.
fn must_be(expected: &str) -> String {
    let integer = |low: i64, high: u64| format!("must be an integer between {low} and {high}");
    match expected {
        "u8" => integer(0, u8::MAX.into()),
        "u16" => integer(0, u16::MAX.into()),
        "u32" => integer(0, u32::MAX.into()),
        "i32" => integer(i32::MIN.into(), i32::MAX as u64),
        "u64" | "usize" => "must be an integer, 0 or more".into(),
        "i8" | "i16" | "i64" | "isize" => "must be an integer".into(),
        "f32" | "f64" => "must be a number".into(),
        "a boolean" => "must be true or false".into(),
        "a sequence" => "must be a list".into(),
        "a map" => "must be a JSON object".into(),
        "unit" => "must be null".into(),
        "an RFC 3339 formatted date and time string" => {
            "must be an RFC 3339 time such as 2026-01-31T12:00:00Z".into()
        }
        text if text.contains("UUID") => "must be a UUID".into(),
        text if text.starts_with("struct ") => "must be a JSON object".into(),
        text if text.starts_with("must ") => text.into(),
        text if text.contains("string") => "must be a string".into(),
        text => format!("must be {text}"),
    }
}

/// A value on its way to a type.
struct Json(Value);

macro_rules! integers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.integer(visitor)
        })*
    };
}

impl Json {
    /// `1.0` and `1e2` are integers, as JSON Schema has it.
    fn integer<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.as_f64() {
            Some(number) if self.0.is_f64() && number.fract() == 0.0 && number.abs() < MAX_EXACT => {
                visitor.visit_i64(number as i64)
            }
            _ => self.deserialize_any(visitor),
        }
    }
}

impl<'de> Deserializer<'de> for Json {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => visitor.visit_u64(number),
                (_, Some(number), _) => visitor.visit_i64(number),
                (.., Some(number)) => visitor.visit_f64(number),
                _ => Err(Fault::here("must be a number within the range of a double")),
            },
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) => visitor.visit_seq(Items { items: items.into_iter(), next: 0 }),
            Value::Object(fields) => visitor.visit_map(members(fields)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    /// An object and nothing else: serde would take the fields in a row as well, without their names.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Object(fields) => visitor.visit_map(members(fields)),
            _ => Err(Fault::here("must be a JSON object")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0 {
            Value::String(word) => visitor.visit_enum(StringDeserializer::<Fault>::new(word)),
            Value::Object(fields) if fields.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(members(fields)))
            }
            _ => Err(Fault::one_of(variants)),
        }
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    forward_to_deserialize_any! {
        bool i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier
        ignored_any
    }
}

struct Items {
    items: std::vec::IntoIter<Value>,
    next: usize,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let index = self.next;
        self.next += 1;
        seed.deserialize(Json(item)).map(Some).map_err(|fault| fault.at(index.to_string()))
    }
}

/// Names and values that are still to be read: those of an object, or of a query string.
pub(super) struct Fields<I, V> {
    left: I,
    value: Option<(String, V)>,
}

impl<I: Iterator<Item = (String, V)>, V> Fields<I, V> {
    pub(super) fn of(fields: I) -> Self {
        Self { left: fields, value: None }
    }
}

impl<'de, I, V> MapAccess<'de> for Fields<I, V>
where
    I: Iterator<Item = (String, V)>,
    V: Deserializer<'de, Error = Fault>,
{
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((name, value)) = self.left.next() else { return Ok(None) };
        self.value = Some((name.clone(), value));
        seed.deserialize(IntoDeserializer::<Fault>::into_deserializer(name)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Fault> {
        let (name, value) = self.value.take().ok_or_else(|| Fault::here("must have a value"))?;
        seed.deserialize(value).map_err(|fault| fault.at(name))
    }
}

/// Those of an object.
fn members<'de>(object: Map<String, Value>) -> impl MapAccess<'de, Error = Fault> {
    Fields::of(object.into_iter().map(|(name, value)| (name, Json(value))))
}

#[cfg(test)]
#[path = "typed_tests.rs"]
mod tests;
