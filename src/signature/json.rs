//! One member of a JSON body, found without building the rest. What is not JSON has no members.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The member at this path of names, as it stands in the body. Of duplicate names the last one counts, as everywhere.
pub(super) fn find<'b>(body: &'b [u8], path: &[&str]) -> Option<&'b RawValue> {
    let text = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    Seek(path).deserialize(&mut serde_json::Deserializer::from_slice(text)).ok()?
}

/// The member as text, if it is a text that is not empty, or a number.
pub(super) fn find_text(body: &[u8], path: &[&str]) -> Option<String> {
    let found = find(body, path)?.get();
    match found.as_bytes().first()? {
        b'"' => serde_json::from_str(found).ok().filter(|text: &String| !text.is_empty()),
        b'-' | b'0'..=b'9' => Some(found.to_owned()),
        _ => None,
    }
}

/// The body before the member and after it; all of it where there is none.
pub(super) fn without<'b>(body: &'b [u8], path: &[&str]) -> [&'b [u8]; 2] {
    let Some(found) = find(body, path) else { return [body, &[]] };
    let start = found.get().as_ptr().addr() - body.as_ptr().addr();
    [&body[..start], &body[start + found.get().len()..]]
}

struct Seek<'p>(&'p [&'p str]);

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.0.is_empty() {
            serde::Deserialize::deserialize(deserializer).map(Some)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = members.next_key::<String>()? {
            if self.0.first() == Some(&name.as_str()) {
                found = members.next_value_seed(Seek(&self.0[1..]))?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_as_they_stand_there() {
        let body =
            br#" {"a": {"id": 1, "b": [{"id": 2}], "id": "x\u0041"}, "t" : 12345678901234567890123 } "#;
        assert_eq!(find_text(body, &["a", "id"]).as_deref(), Some("xA"), "the last one counts");
        assert_eq!(find_text(body, &["t"]).as_deref(), Some("12345678901234567890123"));
        for (body, path) in [
            (&br#"{"a":{"b":1}}"#[..], &["a"][..]),
            (br#"{"a":""}"#, &["a"]),
            (br#"{"a":null}"#, &["a"]),
            (br#"{"a":"\ud800"}"#, &["a"]),
            (br#"{"a":1"#, &["a"]),
            (br#"{"a":{"id":"first"},"a":7}"#, &["a", "id"]),
            (b"[1]", &["a"]),
            (b"\xFF", &["a"]),
            (b"", &["a"]),
        ] {
            assert_eq!(find_text(body, path), None, "{}", String::from_utf8_lossy(body));
        }
        assert_eq!(find_text(b"\xEF\xBB\xBF{\"a\":\"b\"}", &["a"]).as_deref(), Some("b"));
    }

    #[test]
    fn a_body_without_a_member() {
        assert_eq!(without(br#"{"t": 1, "u": 2}"#, &["t"]), [&br#"{"t": "#[..], br#", "u": 2}"#]);
        assert_eq!(without(b"no JSON", &["t"]), [&b"no JSON"[..], b""]);
    }
}
