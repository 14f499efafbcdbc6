//! How values look on a page.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::api::view::Stamp;

/// Levels of JSON that are set in, at most: what is deeper stays where it is.
const MAX_INDENT: usize = 20;

/// Bytes of one text on a page, at most.
const MAX_SHOWN_BYTES: usize = 256 * 1024;

/// A word of a closed list, as the API spells it.
pub(super) trait Show {
    fn word(&self) -> String;
}

impl<T: Serialize> Show for T {
    fn word(&self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(word)) => word,
            Ok(other) => other.to_string(),
            Err(_) => String::new(),
        }
    }
}

impl Stamp {
    /// For people: to the second.
    pub(super) fn readable(self) -> String {
        self.0.format("%Y-%m-%d %H:%M:%S UTC").to_string()
    }
}

/// Money, without zeros that say nothing.
pub(super) fn usd(amount: &Option<f64>) -> String {
    let Some(amount) = amount else { return "unknown".to_owned() };
    let text = format!("{amount:.9}");
    let (whole, cents) = text.split_once('.').unwrap_or((&text, ""));
    format!("${whole}.{:0<2}", cents.trim_end_matches('0'))
}

/// A duration, for people.
pub(super) fn took(ms: &i64) -> String {
    let ms = *ms;
    match ms {
        ..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{:.1} s", ms as f64 / 1000.0),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

/// A share, for people.
pub(super) fn percent(share: &Option<f64>) -> String {
    share.map_or_else(|| "none yet".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// A text, set in if it is JSON.
pub(super) fn pretty(text: &str) -> String {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(json) if json.get().starts_with(['{', '[']) => indented(json.get()),
        Ok(_) | Err(_) => text.to_owned(),
    }
}

/// A long text, as far as a page shows it, and whether that is all.
pub(super) fn excerpt(mut text: String) -> (String, bool) {
    let is_all = text.len() <= MAX_SHOWN_BYTES;
    text.truncate(text.floor_char_boundary(MAX_SHOWN_BYTES));
    (text, is_all)
}

/// JSON set in, with its numbers, its escapes and its order as they came; as it came where that would take far more room.
pub(super) fn indented(json: &str) -> String {
    let most = json.len() * 2 + 64 * 1024;
    let (mut out, mut depth, mut in_string, mut escaped) =
        (String::with_capacity(json.len() * 2), 0_usize, false, false);
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth.min(MAX_INDENT)));
    };
    let mut characters = json.chars().peekable();
    while let Some(c) = characters.next() {
        if out.len() > most {
            return json.to_owned();
        }
        if in_string {
            out.push(c);
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        match c {
            c if c.is_ascii_whitespace() => {}
            '"' => {
                in_string = true;
                out.push(c);
            }
            '{' | '[' => {
                while characters.next_if(char::is_ascii_whitespace).is_some() {}
                out.push(c);
                if let Some(end) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_set_in_and_stays_what_it_is() {
        let shown = indented("{\"n\": 1.0,\"n\":1e2, \"s\":\"a\\\"{,: \\\\\",\"e\":{ },\"l\":[1,[ ]]}");
        assert_eq!(
            shown,
            "{\n  \"n\": 1.0,\n  \"n\": 1e2,\n  \"s\": \"a\\\"{,: \\\\\",\n  \"e\": {},\n  \"l\": [\n    1,\n    []\n  ]\n}"
        );
        let deep = "[".repeat(100) + &"]".repeat(100);
        assert!(indented(&deep).lines().all(|line| line.len() <= 2 * MAX_INDENT + 2));
        assert_eq!(pretty("7 of {\"a\":1}"), "7 of {\"a\":1}", "no JSON stays as it is");
        assert_eq!(pretty(" [1]\n"), "[\n  1\n]");
    }

    #[test]
    fn json_that_would_grow_far_stays_as_it_came() {
        let deep = |numbers: usize| "[".repeat(20) + &"0,".repeat(numbers) + "0" + &"]".repeat(20);
        assert!(indented(&deep(1000)).contains("\n  ["));
        let much = deep(10_000);
        assert_eq!(indented(&much), much);
    }

    #[test]
    fn a_long_text_ends_where_a_character_does() {
        for (text, bytes, is_all) in [
            ("x".repeat(MAX_SHOWN_BYTES), MAX_SHOWN_BYTES, true),
            ("x".repeat(MAX_SHOWN_BYTES + 1), MAX_SHOWN_BYTES, false),
            ("x".to_owned() + &"ä".repeat(MAX_SHOWN_BYTES / 2), MAX_SHOWN_BYTES - 1, false),
        ] {
            let (text, whole) = excerpt(text);
            assert_eq!((text.len(), whole), (bytes, is_all));
        }
    }

    #[test]
    fn amounts_and_durations() {
        assert_eq!(usd(&Some(0.000_283_2)), "$0.0002832");
        assert_eq!(
            (usd(&Some(1.5)), usd(&Some(0.0)), usd(&None)),
            ("$1.50".into(), "$0.00".into(), "unknown".into())
        );
        assert_eq!(
            (took(&999), took(&1500), took(&61_000)),
            ("999 ms".into(), "1.5 s".into(), "1 min 1 s".into())
        );
    }
}
