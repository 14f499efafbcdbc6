//! A JSON text laid out anew: order, numbers and escapes stay as they were sent, because a receiver may depend on them.

use serde_json::value::RawValue;

/// JSON as it was sent.
pub(super) struct Json(Box<RawValue>);

impl Json {
    /// `None`: it is none.
    pub(super) fn read(text: &str) -> Option<Self> {
        RawValue::from_string(text.trim_ascii().to_owned()).ok().map(Self)
    }

    /// Without a space or a line end outside of texts.
    pub(super) fn on_one_line(&self) -> Box<RawValue> {
        RawValue::from_string(layout(self.0.get(), |_, _| {})).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }

    /// A line for each member and each item.
    pub(super) fn in_lines(&self) -> String {
        layout(self.0.get(), |laid, depth| {
            laid.push('\n');
            laid.extend(std::iter::repeat_n("  ", depth));
        })
    }
}

/// `line` begins a line so many levels deep.
fn layout(json: &str, line: impl Fn(&mut String, usize)) -> String {
    let (mut laid, mut depth, mut in_text, mut is_escaped) =
        (String::with_capacity(json.len()), 0_usize, false, false);
    // Just opened: what is empty stays on its line.
    let mut is_open = false;
    for c in json.chars() {
        if in_text {
            in_text = is_escaped || c != '"';
            is_escaped = !is_escaped && c == '\\';
            laid.push(c);
            continue;
        }
        match c {
            ' ' | '\t' | '\r' | '\n' => continue,
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                if !is_open {
                    line(&mut laid, depth);
                }
            }
            _ if is_open => line(&mut laid, depth),
            _ => {}
        }
        is_open = matches!(c, '{' | '[');
        in_text = c == '"';
        laid.push(c);
        match c {
            '{' | '[' => depth += 1,
            ',' => line(&mut laid, depth),
            ':' => laid.push(' '),
            _ => {}
        }
    }
    laid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_layout_changes() {
        let sent = " {\"b\": 1.0,\n\"a\":[12345678901234567890123, {}, [ ], {\"t\":\"x { \\\" , : \\\\\"}], \"\":null }\n";
        let json = Json::read(sent).expect("JSON");
        insta::assert_snapshot!(json.in_lines(), @r#"
        {
          "b": 1.0,
          "a": [
            12345678901234567890123,
            {},
            [],
            {
              "t": "x { \" , : \\"
            }
          ],
          "": null
        }
        "#);
        let line = json.on_one_line();
        assert_eq!(
            line.get(),
            r#"{"b": 1.0,"a": [12345678901234567890123,{},[],{"t": "x { \" , : \\"}],"": null}"#
        );
        for scalar in ["7", "\"x\"", "null", "[]"] {
            assert_eq!(Json::read(scalar).expect("JSON").in_lines(), scalar);
        }
        assert!(Json::read("{").is_none() && Json::read("").is_none());
    }
}
