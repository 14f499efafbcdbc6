//! How a command ends when it does not end well.

use std::process::ExitCode;

use owo_colors::OwoColorize;

use super::output::plain;

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(super) enum Failure {
    /// Wrong usage or a wrong setting: exit code 2.
    Usage(String),
    /// Something failed: exit code 1.
    Fault(String),
    /// The server refused, and a program wants its words: its JSON on stderr. Exit code 1.
    Refused(String),
    /// The command worked, its answer is no, and it is printed already: exit code 1.
    Negative,
    /// Whoever read our output has gone (`… | head`): nobody to tell, and no fault of ours.
    Closed,
}

impl Failure {
    /// Says it in one line on stderr.
    pub(super) fn report(self) -> ExitCode {
        let (message, code) = match self {
            Self::Usage(message) => (message, 2),
            Self::Fault(message) => (message, 1),
            Self::Refused(problem) => {
                anstream::eprintln!("{}", plain(&problem));
                return ExitCode::FAILURE;
            }
            Self::Negative => return ExitCode::FAILURE,
            Self::Closed => return ExitCode::SUCCESS,
        };
        anstream::eprintln!("{} {}", "error:".red().bold(), plain(&message).replace(['\n', '\t'], " "));
        ExitCode::from(code)
    }
}

impl From<std::io::Error> for Failure {
    /// Of writing to stdout: the only thing commands write to.
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Fault(format!("cannot write the output: {error}")),
        }
    }
}
