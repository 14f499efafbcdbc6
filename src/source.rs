//! Texts that customers write and we compile: where one is wrong, and a stack to compile it on.

use std::fmt;
use std::thread;

/// What a compiler may take, in bytes: parsers and the trees they make recurse, and an overflow ends the process. It is
/// address space, not memory. The most hostile texts in the tests of [`crate::filter`] and [`crate::template`] need less
/// than half of it, without optimization.
const STACK_BYTES: usize = 128 << 20;
/// The longest message, in bytes: parsers like to repeat the text.
const MAX_MESSAGE_BYTES: usize = 300;

/// Why a text is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, and what to do.
    pub message: String,
    /// The line, from 1 on; `None` where the whole text is meant.
    pub line: Option<usize>,
    /// The character in the line, from 1 on.
    pub column: Option<usize>,
    /// It says nothing about the text: the machine had no room to compile it, and may have a moment later.
    pub passing: bool,
}

impl Fault {
    /// Of the whole text.
    #[must_use]
    pub fn of_the_whole(message: impl Into<String>) -> Self {
        Self { message: cut(message.into(), MAX_MESSAGE_BYTES), line: None, column: None, passing: false }
    }

    /// At a byte of this text; what is beyond its end is the end.
    #[must_use]
    pub fn at(text: &str, byte: usize, message: impl Into<String>) -> Self {
        let before = &text[..text.floor_char_boundary(byte)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: Some(before.matches('\n').count() + 1),
            column: Some(before[line_start..].chars().count() + 1),
            ..Self::of_the_whole(message)
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "line {line}, column {column}: {}", self.message),
            (Some(line), None) => write!(f, "line {line}: {}", self.message),
            (None, _) => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Fault {}

/// The beginning of a text that is too long, with a sign that it was cut.
#[must_use]
pub fn cut(mut text: String, max_bytes: usize) -> String {
    if text.len() > max_bytes {
        text.truncate(text.floor_char_boundary(max_bytes));
        text.push('…');
    }
    text
}

/// Compiles on a thread of its own, with a stack that is deep enough. A compiler that panics takes no text.
///
/// # Errors
/// The compiler's own, and that there is no thread to be had.
pub fn compile<T: Send>(compiler: impl FnOnce() -> Result<T, Fault> + Send) -> Result<T, Fault> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("compile".into()).stack_size(STACK_BYTES);
        match thread.spawn_scoped(scope, compiler) {
            Ok(running) => {
                running.join().unwrap_or_else(|_| Err(Fault::of_the_whole("it cannot be compiled")))
            }
            Err(error) => {
                tracing::error!(%error, "there is no thread to compile on");
                let fault = Fault::of_the_whole("the server has no room to compile it now: try again");
                Err(Fault { passing: true, ..fault })
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_where() {
        let text = "ä == 1\n  & b";
        assert_eq!(Fault::at(text, 0, "x").to_string(), "line 1, column 1: x");
        assert_eq!(Fault::at(text, 3, "x").to_string(), "line 1, column 3: x");
        assert_eq!(Fault::at(text, 10, "x").to_string(), "line 2, column 3: x");
        assert_eq!(Fault::at(text, 999, "x").to_string(), "line 2, column 6: x");
        assert_eq!(Fault::of_the_whole("x").to_string(), "x");
        let long = Fault::of_the_whole("é".repeat(MAX_MESSAGE_BYTES)).message;
        assert!(long.len() <= MAX_MESSAGE_BYTES + '…'.len_utf8() && long.ends_with('…'));
    }

    #[test]
    fn a_compiler_that_panics_or_recurses_ends_nobody() {
        fn deep(n: usize) -> usize {
            let pad = std::hint::black_box([n; 32]);
            if n == 0 { 0 } else { deep(n - 1) + pad[0] - pad[31] + 1 }
        }
        assert_eq!(compile(|| Ok(deep(50_000))), Ok(50_000));
        assert!(compile::<()>(|| panic!("planted")).is_err());
    }
}
