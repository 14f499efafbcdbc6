//! What people see. Colours appear on a terminal only, and not under `NO_COLOR`.
//!
//! Payloads, outputs and names come from strangers, and a terminal obeys the control characters in them
//! (it can be told to rewrite what stands above). So text passes [`plain`] on its way to people.

use std::io::Write;

use comfy_table::{Cell, Color, Table, TableStyle};
use owo_colors::OwoColorize;
use serde_json::Value;

use super::failure::Failure;

/// What stands where there is nothing to show.
const NOTHING: &str = "-";

/// Prints one line, or several.
pub(super) fn print(text: impl AsRef<str>) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_ref().as_bytes())?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// The text with every control character but line ends and tabs made visible.
pub(super) fn plain(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => Ok(c),
        _ if c.is_control() => Err(c.escape_unicode()),
        // Turn the reading direction around: they make a text look like another.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Err(c.escape_unicode()),
        _ => Ok(c),
    };
    text.chars().fold(String::with_capacity(text.len()), |mut line, c| {
        match shown(c) {
            Ok(c) => line.push(c),
            Err(escaped) => line.extend(escaped),
        }
        line
    })
}

/// What stands at the JSON Pointer, as people read it.
pub(super) fn field(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => NOTHING.to_owned(),
        Some(Value::String(text)) => plain(text),
        Some(Value::Array(items)) => {
            let items: Vec<_> = items.iter().map(|item| field(item, "")).collect();
            if items.is_empty() { NOTHING.to_owned() } else { items.join(", ") }
        }
        Some(other) => plain(&other.to_string()),
    }
}

/// A table without lines: it can be cut by `awk`, and an id in it copied by a double click.
pub(super) fn table<const N: usize>(
    headers: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    table.set_header(headers.map(|header| Cell::new(header).add_attribute(comfy_table::Attribute::Bold)));
    for row in rows {
        table.add_row(row.map(|text| match color(&text) {
            Some(color) => Cell::new(text).fg(color),
            None => Cell::new(text),
        }));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// Names and values under each other.
pub(super) fn sheet<'n>(rows: impl IntoIterator<Item = (&'n str, String)>) -> String {
    let rows: Vec<_> = rows.into_iter().collect();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let lines: Vec<_> = rows
        .iter()
        .map(|(name, value)| format!("{name:width$}  {}", value.replace('\n', &format!("\n{:width$}  ", ""))))
        .collect();
    lines.join("\n")
}

/// A status in its colour, which only a terminal shows.
pub(super) fn status(text: &str) -> String {
    match color(text.trim_end()) {
        Some(Color::Green) => text.green().to_string(),
        Some(Color::Red) => text.red().to_string(),
        Some(_) => text.yellow().to_string(),
        None => text.to_owned(),
    }
}

/// The words of a status that need no reading.
fn color(text: &str) -> Option<Color> {
    match text {
        "success" | "active" | "ok" => Some(Color::Green),
        "failed" | "fail" => Some(Color::Red),
        "running" | "queued" | "held" | "cancelled" | "paused" | "warn" => Some(Color::Yellow),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_strangers_text_cannot_command_the_terminal() {
        assert_eq!(plain("ok\u{1b}[2Jgone\r\u{7}\u{9b}31m"), "ok\\u{1b}[2Jgone\\u{d}\\u{7}\\u{9b}31m");
        assert_eq!(plain("abc\u{202e}fed"), "abc\\u{202e}fed");
        assert_eq!(plain("two\nlines\tand 日本語 🔑"), "two\nlines\tand 日本語 🔑");
    }

    #[test]
    fn fields_of_every_kind() {
        let value = json!({"a": "x", "b": null, "c": [1, "y"], "d": {"e": 2.5}, "f": [], "g": true});
        let fields = ["/a", "/b", "/c", "/d/e", "/f", "/g", "/none"].map(|pointer| field(&value, pointer));
        assert_eq!(fields, ["x", "-", "1, y", "2.5", "-", "true", "-"]);
    }

    #[test]
    fn tables_are_bare() {
        let rows = [["a".to_owned(), "success".to_owned()], ["long one".to_owned(), "-".to_owned()]];
        insta::assert_snapshot!(table(["NAME", "STATUS"], rows), @r"
        NAME      STATUS
        a         success
        long one  -
        ");
        insta::assert_snapshot!(sheet([("id", "1".to_owned()), ("prompt", "one\ntwo".to_owned())]), @r"
        id      1
        prompt  one
                two
        ");
    }
}
