//! What a change has changed, line by line.

use std::time::Duration;

use similar::{ChangeTag, TextDiff};

/// Lines around a change that are shown with it.
const CONTEXT: usize = 3;
/// Looking for the shortest way takes no longer; then a longer one is shown.
const TIMEOUT: Duration = Duration::from_millis(200);

/// A line, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub kind: LineKind,
    pub text: String,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    Same,
    Added,
    Removed,
    /// Others were left out here, which are the same.
    Gap,
}

impl LineKind {
    /// What stands before it, so that colour is not all that tells.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Same => " ",
            Self::Added => "+",
            Self::Removed => "-",
            Self::Gap => "…",
        }
    }

    /// For the stylesheet, and read to whoever does not see.
    pub fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Gap => "gap",
        }
    }
}

/// The lines that differ, with some around them. None: there is no difference.
pub fn lines(before: &str, after: &str) -> Vec<Line> {
    let diff = TextDiff::configure().timeout(TIMEOUT).diff_lines(before, after);
    let mut lines = Vec::new();
    for (at, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if at > 0 {
            lines.push(Line { kind: LineKind::Gap, text: String::new() });
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let kind = match change.tag() {
                ChangeTag::Equal => LineKind::Same,
                ChangeTag::Insert => LineKind::Added,
                ChangeTag::Delete => LineKind::Removed,
            };
            lines.push(Line { kind, text: change.value().trim_end_matches(['\n', '\r']).to_owned() });
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_and_a_little_around_it() {
        let shown = |before: &str, after: &str| -> Vec<String> {
            lines(before, after).iter().map(|line| format!("{}{}", line.kind.sign(), line.text)).collect()
        };
        assert_eq!(shown("a\nb\n", "a\nb\n"), [""; 0]);
        assert_eq!(shown("a\nb\nc\n", "a\nB\nc\n"), [" a", "-b", "+B", " c"]);
        let many: String = (0..40).map(|n| format!("{n}\n")).collect();
        let changed = many.replace("\n5\n", "\nfive\n").replace("\n30\n", "\nthirty\n");
        let lines = shown(&many, &changed);
        assert_eq!(lines.len(), 17, "{lines:?}");
        assert_eq!(lines[8], "…");
    }
}
