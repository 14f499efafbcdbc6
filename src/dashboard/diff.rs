//! Two texts side by side, line by line: what only the one has, and what only the other.

use std::borrow::Cow;
use std::time::Duration;

use similar::{ChangeTag, TextDiff};

/// The longest text that is compared, in bytes.
const MOST_BYTES: usize = 256 * 1024;
/// How long is looked for the shortest difference: what is found by then is a difference all the same.
const PATIENCE: Duration = Duration::from_millis(200);
/// Lines that are shown, at most.
const MOST_LINES: usize = 2000;
/// Lines that both have, shown around each difference.
const AROUND: usize = 3;

/// What became of one text in the other.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Diff {
    /// They are the same.
    Same,
    /// One of them is longer than is compared.
    TooLarge {
        /// The lengths of both, in bytes.
        bytes: (usize, usize),
    },
    /// The lines that differ, with some around them.
    Lines {
        /// In their order.
        lines: Vec<Line>,
        /// There are more than are shown.
        cut: bool,
    },
}

/// A line of a difference.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Both have it.
    Both(String),
    /// Only the old text has it.
    Removed(String),
    /// Only the new text has it.
    Added(String),
    /// Some that both have are left out here.
    Gap,
}

impl Diff {
    /// Compares two texts.
    pub fn of(old: &str, new: &str) -> Self {
        if old == new {
            return Self::Same;
        }
        if old.len().max(new.len()) > MOST_BYTES {
            return Self::TooLarge { bytes: (old.len(), new.len()) };
        }
        // Whether the last line has an end is no difference that anybody looks for.
        let (old, new) = (ended(old), ended(new));
        if old == new {
            return Self::Same;
        }
        let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(&*old, &*new);
        let (mut lines, mut last) = (Vec::new(), 0);
        for group in diff.grouped_ops(AROUND) {
            let (Some(first), Some(end)) = (group.first(), group.last()) else { continue };
            if first.old_range().start > last {
                lines.push(Line::Gap);
            }
            last = end.old_range().end;
            for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
                let text = change.value().trim_end_matches(['\r', '\n']).to_owned();
                lines.push(match change.tag() {
                    ChangeTag::Equal => Line::Both(text),
                    ChangeTag::Delete => Line::Removed(text),
                    ChangeTag::Insert => Line::Added(text),
                });
                if lines.len() == MOST_LINES {
                    return Self::Lines { lines, cut: true };
                }
            }
        }
        if last < diff.old_len() {
            lines.push(Line::Gap);
        }
        Self::Lines { lines, cut: false }
    }
}

/// A text whose last line ends, if it has one.
fn ended(text: &str) -> Cow<'_, str> {
    match text.is_empty() || text.ends_with('\n') {
        true => text.into(),
        false => format!("{text}\n").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(diff: Diff) -> Vec<Line> {
        match diff {
            Diff::Lines { lines, cut: false } => lines,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lines_that_differ_stand_with_some_around_them() {
        use Line::*;
        assert_eq!((Diff::of("a\nb", "a\nb"), Diff::of("a", "a\n")), (Diff::Same, Diff::Same));
        let seen = lines(Diff::of("a\nb\nc", "a\nB\nc\nd"));
        let both = |text: &str| Both(text.into());
        assert_eq!(seen, [both("a"), Removed("b".into()), Added("B".into()), both("c"), Added("d".into())]);
        let long: Vec<_> = (0..50).map(|n| n.to_string()).collect();
        let mut other = long.clone();
        other[20] = "<b>".into();
        let seen = lines(Diff::of(&long.join("\n"), &other.join("\n")));
        assert_eq!((&seen[0], &seen[1], seen.len()), (&Gap, &both("17"), 10), "{seen:?}");
        assert_eq!((&seen[4], &seen[5], &seen[9]), (&Removed("20".into()), &Added("<b>".into()), &Gap));
        assert_eq!(lines(Diff::of("", "x")), [Added("x".into())]);
    }

    #[test]
    fn nothing_takes_too_long_or_fills_the_page() {
        let large = "x".repeat(MOST_BYTES + 1);
        assert_eq!(Diff::of("", &large), Diff::TooLarge { bytes: (0, MOST_BYTES + 1) });
        // Two texts that have many lines, and hardly one in common: the hardest to compare.
        let text = |step: usize| (0..40_000).map(|n| format!("{}\n", n * step % 977)).collect::<String>();
        match Diff::of(&text(7), &text(11)) {
            Diff::Lines { lines, cut } => assert_eq!((lines.len(), cut), (MOST_LINES, true)),
            other => panic!("{other:?}"),
        }
    }
}
