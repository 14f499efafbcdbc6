//! The `Prefer` header (RFC 7240): of all that may stand there, `wait=N`.

use std::str::FromStr;
use std::time::Duration;

/// The longest wait that is heeded, in s.
const MAX_WAIT_S: u64 = 60;

/// How long the sender would wait, of all its `Prefer` headers together; `None` if it does not say so, or says what is
/// not heeded. Of several `wait` the first counts (§2).
pub(super) fn wait<'a>(headers: impl Iterator<Item = &'a [u8]>) -> Option<Duration> {
    let first = headers.filter_map(|header| std::str::from_utf8(header).ok()).find_map(first_wait)?;
    let is_number = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = u64::from_str(&first).ok().filter(|_| is_number)?;
    (1..=MAX_WAIT_S).contains(&seconds).then(|| Duration::from_secs(seconds))
}

/// The value of the first `wait` in a header, without its quotes.
fn first_wait(header: &str) -> Option<String> {
    split(header, ',').into_iter().find_map(|preference| {
        // Behind a `;` are the preference's parameters; `wait` has none that we know.
        let preference = split(preference, ';').first().copied()?;
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        name.trim().eq_ignore_ascii_case("wait").then(|| unquoted(value.trim()))
    })
}

/// The parts between these characters, but for those within quotes.
fn split(text: &str, at: char) -> Vec<&str> {
    let (mut parts, mut start, mut is_quoted, mut is_escaped) = (Vec::new(), 0, false, false);
    for (index, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if character == at && !is_quoted => {
                parts.push(&text[start..index]);
                start = index + at.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn unquoted(value: &str) -> String {
    match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
        Some(inner) => inner.replace('\\', ""),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(headers: &[&str]) -> Option<u64> {
        wait(headers.iter().map(|header| header.as_bytes())).map(|wait| wait.as_secs())
    }

    #[test]
    fn a_wait_is_found_wherever_it_stands() {
        for (headers, expected) in [
            (&["wait=10"][..], 10),
            (&["respond-async, wait=10"], 10),
            (&["respond-async", "Wait = 7"], 7),
            (&["wait=\"5\""], 5),
            (&["wait=5; x=\"wait=9, wait=9\""], 5),
            (&["foo=\"a, wait=3\", wait=4"], 4),
            (&["foo=\"a\\\", wait=3\", wait=4"], 4),
            (&[" , ,wait=010 ,"], 10),
            (&["wait=1"], 1),
            (&["wait=60"], 60),
            (&["return=minimal; wait=3, wait=6"], 6),
            (&["wait=8, wait=9", "wait=10"], 8),
        ] {
            assert_eq!(seconds(headers), Some(expected), "{headers:?}");
        }
    }

    #[test]
    fn anything_else_is_not_heeded() {
        for headers in [
            &[][..],
            &[""],
            &["wait"],
            &["wait="],
            &["wait=0"],
            &["wait=61"],
            &["wait=-1"],
            &["wait=+5"],
            &["wait=1.5"],
            &["wait=5s"],
            &["wait=99999999999999999999999"],
            &["waiting=5"],
            &["respond-async; wait=5"],
            &["x=\"wait=5"],
            // The first counts, whatever it is.
            &["wait=0, wait=5"],
            &["wait=many", "wait=5"],
        ] {
            assert_eq!(seconds(headers), None, "{headers:?}");
        }
        assert_eq!(wait([&b"\xff wait=5"[..], b"wait=6"].into_iter()), Some(Duration::from_secs(6)));
    }
}
