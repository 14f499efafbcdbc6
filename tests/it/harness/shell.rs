//! Somebody at a shell, who uses the command line.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{ADMIN_KEY, Server};

const BIN: &str = env!("CARGO_BIN_EXE_agenthook");

/// What a process left behind.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Run {
    /// Its output, where it ended well.
    #[track_caller]
    pub fn good(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// Its one line of complaint, where it ended with this code.
    #[track_caller]
    pub fn complaint(self, code: i32) -> String {
        assert_eq!((self.code, self.err.lines().count()), (code, 1), "{self:?}");
        self.err.strip_prefix("error: ").unwrap_or_else(|| panic!("{}", self.err)).trim_end().to_owned()
    }
}

/// A shell's user, and what is in the environment.
pub struct User {
    vars: Vec<(&'static str, String)>,
}

impl User {
    /// One with the server's address and the admin's key.
    pub fn of(server: &Server) -> Self {
        let vars = [("AGENTHOOK_URL", server.url.clone()), ("AGENTHOOK_API_KEY", ADMIN_KEY.to_owned())];
        Self { vars: vars.into() }
    }

    /// One with an empty environment.
    pub fn nobody() -> Self {
        Self { vars: vec![] }
    }

    /// The same with this variable.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.vars.retain(|(known, _)| *known != name);
        self.vars.push((name, value.to_owned()));
        self
    }

    /// Runs `agenthook` with these arguments and this standard input.
    pub async fn run_with(&self, args: &[&str], input: &[u8]) -> Run {
        let mut command = Command::new(BIN);
        command.args(args);
        self.finish(command, input).await
    }

    /// The same without input.
    pub async fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, b"").await
    }

    /// Pastes a line into a shell whose PATH has our binary.
    pub async fn paste(&self, line: &str) -> Run {
        let mut command = Command::new("sh");
        let dir = std::path::Path::new(BIN).parent().expect("a directory").display();
        let path = format!("PATH={dir}:/usr/local/bin:/usr/bin:/bin; ");
        command.args(["-c", &(path + line)]);
        self.finish(command, b"").await
    }

    /// Starts `agenthook` with these arguments, and leaves it at it. It dies with its handle.
    pub fn starts(&self, args: &[&str]) -> tokio::process::Child {
        let mut command = Command::new(BIN);
        command.args(args).env_clear().envs(self.vars.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.spawn().expect("it starts")
    }

    async fn finish(&self, mut command: Command, input: &[u8]) -> Run {
        command.env_clear().envs(self.vars.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        // A process that refuses its arguments does not read.
        let _ = stdin.write_all(input).await;
        drop(stdin);
        let output = child.wait_with_output().await.expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Run {
            code: output.status.code().expect("no signal"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

/// JSON that a command printed.
pub fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
