//! JSON as JavaScript writes it.
//!
//! Some receivers verify `JSON.stringify(JSON.parse(body))` in place of the bytes that came. For them what goes out is
//! written as `JSON.stringify` writes it (ECMA-262, 25.5.2): compact, non-ASCII as it is, numbers in JavaScript's form,
//! and of a key that stands twice the last value in the place of the first. What cannot survive a JavaScript receiver
//! goes out as it is: numbers that JavaScript would round, and keys that look like whole numbers, which it puts first.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Deepest nesting that is rewritten; what is deeper goes out as it is.
const MAX_DEPTH: usize = 128;

/// The same JSON as JavaScript writes it.
///
/// # Errors
/// The text is no JSON.
pub fn in_javascripts_form(text: &str) -> serde_json::Result<String> {
    let mut out = String::with_capacity(text.len());
    write(serde_json::from_str(text)?, 0, &mut out)?;
    Ok(out)
}

fn write(value: &RawValue, depth: usize, out: &mut String) -> serde_json::Result<()> {
    let text = value.get();
    if depth > MAX_DEPTH {
        out.push_str(text);
        return Ok(());
    }
    match text.as_bytes().first() {
        Some(b'{') => {
            let Members(members) = serde_json::from_str(text)?;
            out.push('{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&serde_json::to_string(&name)?);
                out.push(':');
                write(value, depth + 1, out)?;
            }
            out.push('}');
        }
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(text)?;
            out.push('[');
            for (index, element) in elements.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(element, depth + 1, out)?;
            }
            out.push(']');
        }
        Some(b'"') => {
            let string: String = serde_json::from_str(text)?;
            out.push_str(&serde_json::to_string(&string)?);
        }
        Some(b'-' | b'0'..=b'9') => number(text, out),
        // true, false, null
        _ => out.push_str(text),
    }
    Ok(())
}

/// A number in JavaScript's form, if it is the same number then.
fn number(text: &str, out: &mut String) {
    let value: f64 = text.parse().unwrap_or(f64::NAN);
    if !value.is_finite() || rounds(text, value) {
        out.push_str(text);
        return;
    }
    // JSON.stringify(-0) is 0.
    let value = if value == 0.0 { 0.0 } else { value };
    out.push_str(ryu_js::Buffer::new().format_finite(value));
}

/// Whether JavaScript would make another number of it: a whole one beyond ±2^53, whose digits are then others.
fn rounds(text: &str, value: f64) -> bool {
    const SAFE: f64 = 9_007_199_254_740_992.0;
    let is_whole = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    is_whole && value.abs() >= SAFE && text.parse::<i128>().ok() != Some(value as i128)
}

/// The members of an object, each key once: its first place, its last value.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut members, mut places) = (Vec::new(), HashMap::new());
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    match places.get(&name) {
                        Some(&place) => {
                            let (_, earlier): &mut (String, &'de RawValue) = &mut members[place];
                            *earlier = value;
                        }
                        None => {
                            places.insert(name.clone(), members.len());
                            members.push((name, value));
                        }
                    }
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_javascript_makes_of_it() {
        for (text, javascript) in [
            (r#" { "b" : 1.0 , "a" : [ 1e2 , -0 , 1.50 ] } "#, r#"{"b":1,"a":[100,0,1.5]}"#),
            (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
            (
                r#"[0.0000133,1.33e-5,1e-7,1e21,123456789012345680000]"#,
                "[0.0000133,0.0000133,1e-7,1e+21,123456789012345680000]",
            ),
            (
                r#"["\u00e4\/\u2028","\u001f\n\u007f","\ud83d\ude00"]"#,
                "[\"ä/\u{2028}\",\"\\u001f\\n\u{7f}\",\"😀\"]",
            ),
            (r#"[true,false,null,{},[]]"#, "[true,false,null,{},[]]"),
        ] {
            assert_eq!(in_javascripts_form(text).expect("JSON"), javascript);
        }
    }

    #[test]
    fn what_javascript_would_round_stays() {
        for text in ["9007199254740993", "-9007199254740993", "12345678901234567890123", r#"{"2":1,"1":2}"#] {
            assert_eq!(in_javascripts_form(text).expect("JSON"), text);
        }
        assert_eq!(in_javascripts_form("9007199254740992").expect("JSON"), "9007199254740992");
        assert!(in_javascripts_form("{").is_err());
    }
}
