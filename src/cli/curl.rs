//! A curl command that can be pasted into a shell and sends exactly the given bytes.

use std::path::Path;

use url::Url;

use super::failure::Failure;
use super::input;

/// Up to this length a payload is shown in the command itself.
const MAX_LITERAL: usize = 4096;

/// `curl …` for these bytes, which came from `file`; the headers say their `Content-Type`.
pub(super) fn command(
    url: &Url,
    headers: &[(String, String)],
    body: &[u8],
    file: &Path,
) -> Result<String, Failure> {
    let mut command = format!("curl -sS {}", quoted(url.as_str()));
    for (name, value) in headers {
        command.push_str(&format!(" -H {}", quoted(&format!("{name}: {value}"))));
    }
    let data = match (literal(body), file.to_str()) {
        // curl takes a leading @ for a file's name, but not here
        (Some(text), _) if text.starts_with('@') => format!("--data-raw {}", quoted(text)),
        (Some(text), _) => format!("--data-binary {}", quoted(text)),
        (None, _) if input::is_stdin(file) => {
            return Ok(format!("printf {} | {command} --data-binary @-", quoted(&printf_format(body))));
        }
        (None, Some(path)) => format!("--data-binary {}", quoted(&format!("@{path}"))),
        (None, None) => {
            return Err(Failure::Usage("the file's name is not UTF-8: rename it, or pipe it in as -".into()));
        }
    };
    Ok(format!("{command} {data}"))
}

/// The payload as text, if every terminal takes it unchanged when it is pasted: a carriage return would
/// become a line feed, a tab a completion.
fn literal(body: &[u8]) -> Option<&str> {
    let text = str::from_utf8(body).ok()?;
    let pastes = |c: char| c == '\n' || !(c.is_control() || c == '\u{feff}');
    (text.len() <= MAX_LITERAL && text.chars().all(pastes)).then_some(text)
}

/// A `printf` format for any bytes: what is not printable ASCII stands in octal, which every shell knows.
fn printf_format(body: &[u8]) -> String {
    body.iter().enumerate().fold(String::with_capacity(body.len()), |mut format, (at, &byte)| {
        match byte {
            b'%' => format.push_str("%%"),
            b'\\' => format.push_str("\\\\"),
            // at the start it would begin an option
            b'-' if at == 0 => format.push_str("\\055"),
            b' '..=b'~' => format.push(char::from(byte)),
            _ => format.push_str(&format!("\\{byte:03o}")),
        }
        format
    })
}

/// The text as one word of a POSIX shell.
pub(super) fn quoted(text: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "-_./:@+,".contains(c);
    if !text.is_empty() && text.chars().all(bare) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// What a shell makes of the words.
    fn shell(script: &str) -> Vec<u8> {
        let output = Command::new("sh").args(["-c", script]).output().expect("sh runs");
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn line(body: &[u8], file: &str) -> String {
        let url = Url::parse("http://h/w?a=1&b=2").expect("a URL");
        let headers = [("Content-Type", "application/json"), ("X-Sig", "sha256=ab")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        command(&url, &headers, body, Path::new(file)).expect("a command")
    }

    #[test]
    fn the_three_ways_to_hand_over_bytes() {
        let start = "curl -sS 'http://h/w?a=1&b=2' -H 'Content-Type: application/json' -H 'X-Sig: sha256=ab'";
        assert_eq!(line(b"{\"a\":\"it's\"}", "f"), format!(r#"{start} --data-binary '{{"a":"it'\''s"}}'"#));
        assert_eq!(line(b"@etc/passwd", "-"), format!("{start} --data-raw @etc/passwd"));
        assert_eq!(line(b"", "-"), format!("{start} --data-binary ''"));
        assert_eq!(line(b"\0", "my file.json"), format!("{start} --data-binary '@my file.json'"));
        assert_eq!(
            line(b"a%\\\r\n\xFF", "-"),
            format!(r"printf 'a%%\\\015\012\377' | {start} --data-binary @-")
        );
        assert_eq!(line(b"-n\t", "-"), format!(r"printf '\055n\011' | {start} --data-binary @-"));
        assert_eq!(line(&[b'x'; 5000], "big"), format!("{start} --data-binary @big"));
        assert_eq!(line("\u{feff}{}".as_bytes(), "bom"), format!("{start} --data-binary @bom"));
    }

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for text in
            ["", " ", "plain", "it's", "''", "$HOME `id` \\ \" ! * ?", "a\nb\n", "-n", "~", "日本 🔑\u{2028}"]
        {
            assert_eq!(shell(&format!("printf %s {}", quoted(text))), text.as_bytes(), "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_bytes_reach_curl_unchanged(body in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(&shell(&format!("printf {}", quoted(&printf_format(&body)))), &body);
        }

        #[test]
        fn any_text_is_one_word(text in "[^\0]{0,80}") {
            prop_assert_eq!(shell(&format!("printf %s {}", quoted(&text))), text.as_bytes());
        }
    }
}
