//! From the bytes that were signed to the JSON that is checked: the row `malformed_json` of the contract.
//!
//! The bytes themselves are kept elsewhere as they came; what is built here serves the schema, the prompt
//! and the dedupe rules. A body is scanned once before anything is built from it: nesting costs stack and
//! every member costs some fifty bytes of memory, so a hostile body must be refused while it is still bytes.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How deep arrays and objects may be nested. It is `serde_json`'s own limit, told before it is hit.
pub const MAX_DEPTH: usize = 127;

/// How many object members and array elements a body may have in all.
pub const MAX_MEMBERS: usize = 100_000;

/// U+FEFF in UTF-8: some senders on Windows put it first. The JSON grammar leaves it to us (RFC 8259 §8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Parses a body, or says what is wrong with it. Of duplicate keys the last one wins.
pub fn parse(body: &[u8]) -> Result<Value, Malformed> {
    let bytes = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    if bytes.iter().all(|byte| is_whitespace(*byte)) {
        return Err(Malformed { reason: Reason::Empty, place: None });
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Malformed::at(Reason::NotUtf8, bytes, error.valid_up_to()))?;
    scan(bytes)?;
    let mut json = serde_json::Deserializer::from_str(text);
    let value = Plain.deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    value.map_err(|error| Malformed {
        reason: Reason::NotJson(what(&error)),
        place: Some((error.line(), error.column())),
    })
}

/// Why a body is not taken. Its text holds no byte of the body: it goes into answers and logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    reason: Reason,
    /// Line and byte column, both from 1, after a byte order mark.
    place: Option<(usize, usize)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Reason {
    Empty,
    NotUtf8,
    TooDeep,
    TooManyMembers,
    NotJson(String),
}

impl Malformed {
    fn at(reason: Reason, bytes: &[u8], offset: usize) -> Self {
        let before = &bytes[..offset];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let column = 1 + before.iter().rev().take_while(|byte| **byte != b'\n').count();
        Self { reason, place: Some((line, column)) }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Empty => f.write_str("the body is empty: send a JSON document")?,
            Reason::NotUtf8 => f.write_str("the body is not UTF-8")?,
            Reason::TooDeep => write!(f, "the body is nested deeper than {MAX_DEPTH} levels")?,
            Reason::TooManyMembers => {
                write!(f, "the body has more than {MAX_MEMBERS} object members and array elements")?;
            }
            Reason::NotJson(what) => write!(f, "the body is not JSON that can be kept: {what}")?,
        }
        match self.place {
            Some((line, column)) => write!(f, " (line {line}, byte {column})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Malformed {}

/// The parser's own words without its "at line …". They are fixed texts ("expected value", "number out of
/// range", "lone leading surrogate in hex escape"); none quotes its input.
fn what(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]).to_owned()
}

fn is_whitespace(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Counts levels and members in one pass over the bytes outside strings. Brackets need not match here:
/// that is the parser's to say. A container has one member more than commas, unless it is empty.
fn scan(bytes: &[u8]) -> Result<(), Malformed> {
    let (mut depth, mut members) = (0_usize, 0_usize);
    let (mut in_string, mut escaped, mut just_opened) = (false, false, false);
    for (offset, &byte) in bytes.iter().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        if is_whitespace(byte) {
            continue;
        }
        let closes = matches!(byte, b']' | b'}');
        if (just_opened && !closes) || byte == b',' {
            members += 1;
            if members > MAX_MEMBERS {
                return Err(Malformed::at(Reason::TooManyMembers, bytes, offset));
            }
        }
        just_opened = matches!(byte, b'[' | b'{');
        in_string = byte == b'"';
        if just_opened {
            depth += 1;
            if depth > MAX_DEPTH {
                return Err(Malformed::at(Reason::TooDeep, bytes, offset));
            }
        } else if closes {
            depth = depth.saturating_sub(1);
        }
    }
    Ok(())
}

/// Builds a [`Value`] from what the text says and nothing else. `Value`'s own `Deserialize` reads an object
/// whose first key is `$serde_json::private::RawValue` as JSON in a string (feature `raw_value`): a payload
/// could then be checked as one document and stored as another, past the limits above.
struct Plain;

impl<'de> DeserializeSeed<'de> for Plain {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Plain {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        // the parser refuses what is not finite before it comes here
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(Plain)? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            object.insert(name, members.next_value_seed(Plain)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
