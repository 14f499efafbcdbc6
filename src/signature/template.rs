//! What is signed: text with `{id}`, `{timestamp}`, `{body}` and `{url}`.

use std::borrow::Cow;

/// A template, read once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    /// As it was written.
    pub text: Cow<'static, str>,
    before: Vec<Part>,
    after: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(Place),
}

/// A place in a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Id,
    Timestamp,
    Url,
}

/// What a template's places stand for.
#[derive(Clone, Copy, Default)]
pub(super) struct Values<'v> {
    pub id: &'v [u8],
    pub timestamp: &'v [u8],
    pub url: &'v str,
}

/// Bytes that are signed. The body is not copied.
pub(super) struct Message<'b> {
    pub before: Vec<u8>,
    pub body: &'b [u8],
    pub after: Vec<u8>,
}

impl Message<'_> {
    /// The parts in their order.
    pub fn parts(&self) -> [&[u8]; 3] {
        [&self.before, self.body, &self.after]
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: Cow<'static, str>) -> Result<Self, String> {
        let (before, after) = match text.split("{body}").collect::<Vec<_>>()[..] {
            [before, after] => (parts(before)?, parts(after)?),
            [_] => return Err("must contain {body}: what is not signed can be changed by anybody".into()),
            _ => return Err("must contain {body} once".into()),
        };
        Ok(Self { before, after, text })
    }

    /// Whether this place is in it.
    pub fn has(&self, place: Place) -> bool {
        self.before.iter().chain(&self.after).any(|part| *part == Part::Value(place))
    }

    /// The bytes that it stands for.
    pub fn fill<'b>(&self, values: Values<'_>, body: &'b [u8]) -> Message<'b> {
        Message { before: filled(&self.before, values), body, after: filled(&self.after, values) }
    }
}

fn parts(text: &str) -> Result<Vec<Part>, String> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let (literal, place) = rest.split_at(rest.find('{').unwrap_or(rest.len()));
        if !literal.is_empty() {
            parts.push(Part::Text(literal.to_owned()));
        }
        rest = place;
        if rest.is_empty() {
            break;
        }
        let known =
            [("{id}", Place::Id), ("{timestamp}", Place::Timestamp), ("{url}", Place::Url)].into_iter();
        let found = known.into_iter().find_map(|(name, place)| Some((place, rest.strip_prefix(name)?)));
        let Some((place, after)) = found else {
            return Err("has a { that begins none of {id}, {timestamp}, {body} and {url}".into());
        };
        parts.push(Part::Value(place));
        rest = after;
    }
    Ok(parts)
}

fn filled(parts: &[Part], values: Values<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(match part {
            Part::Text(text) => text.as_bytes(),
            Part::Value(Place::Id) => values.id,
            Part::Value(Place::Timestamp) => values.timestamp,
            Part::Value(Place::Url) => values.url.as_bytes(),
        });
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_becomes_bytes() {
        let template = Template::read("v0:{timestamp}:{body}|{url}{id}".into()).expect("a template");
        let values = Values { id: b"i", timestamp: b"12", url: "http://h/" };
        assert_eq!(template.fill(values, b"{id}").parts().concat(), b"v0:12:{id}|http://h/i");
        assert!(template.has(Place::Id) && template.has(Place::Url) && template.has(Place::Timestamp));
        assert!(!Template::read("{body}".into()).expect("a template").has(Place::Id));
        for wrong in ["", "{timestamp}", "{body}{body}", "{body}{", "{Body}", "{body}{ id}", "{{body}}"] {
            assert!(Template::read(wrong.into()).is_err(), "{wrong}");
        }
    }
}
