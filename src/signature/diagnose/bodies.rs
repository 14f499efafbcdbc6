//! The same body, written another way: what a sender may have signed instead of what it sent.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Deeper JSON is left as it is.
const MAX_DEPTH: usize = 127;

/// The body with one line end more, less, or of the other kind; each with what the sender did.
pub(super) fn line_ends(body: &[u8]) -> Vec<(&'static str, Cow<'_, [u8]>)> {
    let mut bodies: Vec<(&'static str, Cow<'_, [u8]>)> = vec![
        ("with a line end (\\n) behind the body that was not sent", [body, b"\n"].concat().into()),
        ("with a line end (\\r\\n) behind the body that was not sent", [body, b"\r\n"].concat().into()),
    ];
    if let Some(without) = body.strip_suffix(b"\r\n") {
        bodies.push(("without the line end (\\r\\n) that was sent behind the body", without.into()));
        let other = [without, b"\n"].concat();
        bodies.push(("with \\n behind the body where \\r\\n was sent", other.into()));
    } else if let Some(without) = body.strip_suffix(b"\n") {
        bodies.push(("without the line end (\\n) that was sent behind the body", without.into()));
        let other = [without, b"\r\n"].concat();
        bodies.push(("with \\r\\n behind the body where \\n was sent", other.into()));
    }
    bodies
}

/// How JSON is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    layout: Layout,
    sorted: bool,
    escapes: Escapes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// No spaces: JavaScript's `JSON.stringify`.
    Compact,
    /// A space behind `,` and `:`: Python's `json.dumps`.
    Spaced,
    /// A line for each member, indented by so many spaces.
    Pretty(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escapes {
    /// What must be: JavaScript's.
    Least,
    /// All that is not ASCII: Python's.
    Ascii,
    /// The same, and slashes: PHP's.
    AsciiAndSlashes,
    /// `<`, `>`, `&`: Go's.
    Html,
}

impl Style {
    /// All of them, the likeliest first.
    pub fn all() -> impl Iterator<Item = Self> {
        let layouts = [Layout::Compact, Layout::Spaced, Layout::Pretty(2), Layout::Pretty(4)];
        let escapes = [Escapes::Least, Escapes::Ascii, Escapes::AsciiAndSlashes, Escapes::Html];
        [false, true].into_iter().flat_map(move |sorted| {
            layouts.into_iter().flat_map(move |layout| {
                escapes.into_iter().map(move |escapes| Self { layout, sorted, escapes })
            })
        })
    }
}

impl fmt::Display for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layout {
            Layout::Compact => f.write_str("compact")?,
            Layout::Spaced => {
                f.write_str("with a space behind each comma and colon, as Python's json.dumps writes it")?
            }
            Layout::Pretty(spaces) => write!(f, "pretty-printed with {spaces} spaces")?,
        }
        if self.sorted {
            f.write_str(", keys sorted")?;
        }
        f.write_str(match self.escapes {
            Escapes::Least => "",
            Escapes::Ascii => ", non-ASCII characters escaped",
            Escapes::AsciiAndSlashes => ", non-ASCII characters and slashes escaped, as PHP does",
            Escapes::Html => ", <, > and & escaped, as Go does",
        })
    }
}

/// The JSON of a body, numbers as they are written and members in their order; `None` if it is none.
pub(super) fn parse(body: &[u8]) -> Option<Node<'_>> {
    let raw: &RawValue = serde_json::from_slice(body).ok()?;
    Node::of(raw, MAX_DEPTH)
}

/// JSON.
pub(super) enum Node<'a> {
    Object(Vec<(String, Node<'a>)>),
    Array(Vec<Node<'a>>),
    Text(String),
    /// A number, `true`, `false` or `null`.
    Word(&'a str),
}

/// Members in their order, duplicates too.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) =
                    map.next_entry::<String, &'de RawValue>().map_err(A::Error::custom)?
                {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

impl<'a> Node<'a> {
    fn of(raw: &'a RawValue, depth: usize) -> Option<Self> {
        let depth = depth.checked_sub(1)?;
        let text = raw.get();
        Some(match text.as_bytes().first()? {
            b'{' => {
                let Members(members) = serde_json::from_str(text).ok()?;
                let node = |(name, raw)| Some((name, Self::of(raw, depth)?));
                Self::Object(members.into_iter().map(node).collect::<Option<_>>()?)
            }
            b'[' => {
                let items: Vec<&'a RawValue> = serde_json::from_str(text).ok()?;
                Self::Array(items.into_iter().map(|raw| Self::of(raw, depth)).collect::<Option<_>>()?)
            }
            b'"' => Self::Text(serde_json::from_str(text).ok()?),
            _ => Self::Word(text),
        })
    }

    /// The JSON in this style; `None` if that is more than `limit` bytes, which are then written at most.
    pub fn write(&self, style: Style, limit: usize) -> Option<Vec<u8>> {
        let mut out = Sheet { text: String::new(), limit };
        self.write_to(&mut out, style, 0).ok()?;
        Some(out.text.into_bytes())
    }

    fn write_to(&self, out: &mut Sheet, style: Style, depth: usize) -> fmt::Result {
        match self {
            Self::Word(word) => out.write_str(word),
            Self::Text(text) => write_text(out, text, style.escapes),
            Self::Array(items) => {
                style.list(out, depth, ['[', ']'], items, |out, item| item.write_to(out, style, depth + 1))
            }
            Self::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                if style.sorted {
                    members.sort_by(|(one, _), (other, _)| one.cmp(other));
                }
                style.list(out, depth, ['{', '}'], &members, |out, (name, node)| {
                    write_text(out, name, style.escapes)?;
                    out.write_str(if style.layout == Layout::Compact { ":" } else { ": " })?;
                    node.write_to(out, style, depth + 1)
                })
            }
        }
    }
}

/// Text that is written until it is full: deep JSON grows a hundredfold when it is indented.
struct Sheet {
    text: String,
    limit: usize,
}

impl fmt::Write for Sheet {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if part.len() > self.limit - self.text.len() {
            return Err(fmt::Error);
        }
        self.text.push_str(part);
        Ok(())
    }
}

impl Style {
    fn list<T>(
        self,
        out: &mut Sheet,
        depth: usize,
        [open, close]: [char; 2],
        items: &[T],
        write: impl Fn(&mut Sheet, &T) -> fmt::Result,
    ) -> fmt::Result {
        out.write_char(open)?;
        for (n, item) in items.iter().enumerate() {
            if n > 0 {
                out.write_str(if self.layout == Layout::Spaced { ", " } else { "," })?;
            }
            self.new_line(out, depth + 1)?;
            write(out, item)?;
        }
        if !items.is_empty() {
            self.new_line(out, depth)?;
        }
        out.write_char(close)
    }

    fn new_line(self, out: &mut Sheet, depth: usize) -> fmt::Result {
        match self.layout {
            Layout::Compact | Layout::Spaced => Ok(()),
            Layout::Pretty(spaces) => write!(out, "\n{:1$}", "", spaces * depth),
        }
    }
}

fn write_text(out: &mut Sheet, text: &str, escapes: Escapes) -> fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => out.write_str("\\\""),
            '\\' => out.write_str("\\\\"),
            '\n' => out.write_str("\\n"),
            '\r' => out.write_str("\\r"),
            '\t' => out.write_str("\\t"),
            '\u{8}' => out.write_str("\\b"),
            '\u{c}' => out.write_str("\\f"),
            '/' if escapes == Escapes::AsciiAndSlashes => out.write_str("\\/"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' if escapes == Escapes::Html => escape(out, c),
            c if c < ' ' => escape(out, c),
            c if !c.is_ascii() && matches!(escapes, Escapes::Ascii | Escapes::AsciiAndSlashes) => {
                escape(out, c)
            }
            c => out.write_char(c),
        }?;
    }
    out.write_char('"')
}

/// `\uXXXX`, by surrogates where it takes two.
fn escape(out: &mut Sheet, c: char) -> fmt::Result {
    c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = "{ \"b\" : [1.0, 1e2, 12345678901234567890123 , true,null, {}, []],\n \"a\":\"h\u{f6}/<\u{1F600}>\\n\" }";

    fn all(body: &str) -> Vec<String> {
        let node = parse(body.as_bytes()).expect("JSON");
        let write = |style| node.write(style, 1000).expect("it is short");
        Style::all().map(|style| String::from_utf8(write(style)).expect("text")).collect()
    }

    #[test]
    fn what_each_language_writes_is_there() {
        let all = all(SENT);
        // As JSON.stringify, json.dumps, json.dumps(sort_keys=True, separators=(",", ":")), json.dumps(indent=2),
        // json_encode and json.Marshal write it, but for the numbers, which stay as they came.
        for written in [
            "{\"b\":[1.0,1e2,12345678901234567890123,true,null,{},[]],\"a\":\"hö/<😀>\\n\"}",
            "{\"b\": [1.0, 1e2, 12345678901234567890123, true, null, {}, []], \"a\": \"h\\u00f6/<\\ud83d\\ude00>\\n\"}",
            "{\"a\":\"h\\u00f6/<\\ud83d\\ude00>\\n\",\"b\":[1.0,1e2,12345678901234567890123,true,null,{},[]]}",
            "{\n  \"b\": [\n    1.0,\n    1e2,\n    12345678901234567890123,\n    true,\n    null,\n    {},\n    []\n  ],\n  \
             \"a\": \"h\\u00f6/<\\ud83d\\ude00>\\n\"\n}",
            "{\"b\":[1.0,1e2,12345678901234567890123,true,null,{},[]],\"a\":\"h\\u00f6\\/<\\ud83d\\ude00>\\n\"}",
            "{\"a\":\"hö/\\u003c😀\\u003e\\n\",\"b\":[1.0,1e2,12345678901234567890123,true,null,{},[]]}",
        ] {
            assert!(all.iter().any(|one| one == written), "{written}");
        }
        assert_eq!(all.len(), 32);
    }

    #[test]
    fn what_is_no_json_is_not_rewritten() {
        for body in ["", "{", "a=1", "{\"a\":1}x", &"[".repeat(200)] {
            assert!(parse(body.as_bytes()).is_none(), "{body}");
        }
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(deep(127).as_bytes()).is_some());
        assert!(parse(deep(128).as_bytes()).is_none());
        assert_eq!(all(r#"{"a":1,"a":2}"#)[0], r#"{"a":1,"a":2}"#, "duplicates stay");
    }

    #[test]
    fn no_more_is_written_than_may_be() {
        let node = parse(SENT.as_bytes()).expect("JSON");
        for style in Style::all() {
            let whole = node.write(style, usize::MAX).expect("written");
            assert!(node.write(style, whole.len() - 1).is_none(), "{style}");
            assert_eq!(node.write(style, whole.len()).as_ref(), Some(&whole), "{style}");
            assert_eq!(node.write(style, whole.len() + 1).as_ref(), Some(&whole), "{style}");
        }
    }

    #[test]
    fn line_ends_of_every_kind() {
        let ends = |body: &str| {
            let mut all: Vec<String> = line_ends(body.as_bytes())
                .into_iter()
                .map(|(_, body)| String::from_utf8(body.into_owned()).expect("text"))
                .collect();
            all.sort_unstable();
            all
        };
        assert_eq!(ends("x"), ["x\n", "x\r\n"]);
        assert_eq!(ends("x\n"), ["x", "x\n\n", "x\n\r\n", "x\r\n"]);
        assert_eq!(ends("x\r\n"), ["x", "x\n", "x\r\n\n", "x\r\n\r\n"]);
        assert_eq!(ends(""), ["\n", "\r\n"]);
    }
}
