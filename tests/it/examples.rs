//! The programs that integrators copy: each signs as the product does, and the guide shows what the files hold.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use agenthook::model::SecretEncoding;

use crate::harness::sign;

const SECRET: &str = "c2VlZC1zZWNyZXQtMzItYnl0ZXMtMDEyMzQ1Njc4OWFi";
const TICKET: &[u8] = br#"{"ticket_id":"TKT-123","description":"Issue"}"#;
/// Published with the ticket, so that ours cannot be right only by our own measure.
const SIGNATURE: &str = "sha256=845a546e7293147509fe09b16b40f86e1ba8a2356b413d58bb3aa27c428600c3";

/// A program, the command that runs it, and a command that ends well where that and its helpers are there.
struct Example {
    file: &'static str,
    run: &'static [&'static str],
    probe: &'static [&'static str],
}

const EXAMPLES: [Example; 4] = [
    Example { file: "sign.py", run: &["python3"], probe: &["python3", "--version"] },
    Example { file: "sign.sh", run: &["sh"], probe: &["sh", "-c", "command -v openssl"] },
    Example { file: "sign.mjs", run: &["node"], probe: &["node", "--version"] },
    Example { file: "sign.go", run: &["go", "run"], probe: &["go", "version"] },
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

fn is_there(probe: &[&str]) -> bool {
    let quiet = command(probe).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

/// What a program prints for these bytes.
fn signed(example: &Example, file: &Path, body: &[u8]) -> String {
    let mut child = command(example.run)
        .arg(file)
        .arg(SECRET)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the interpreter starts");
    child.stdin.take().expect("piped").write_all(body).expect("the program reads its input");
    let output = child.wait_with_output().expect("the program ends");
    assert!(output.status.success(), "{}: {}", example.file, output.status);
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn every_example_signs_as_we_do() {
    // bytes that are no text, line ends of Windows, nothing at all: what a program that reads text would change
    let bodies = [TICKET, b"{\"a\": 1.0,\r\n\t\"b\": \"\xC3\xA9\"}\n", b"\0\xFF\xFE\n", b""];
    let mut ran = Vec::new();
    for example in &EXAMPLES {
        if !is_there(example.probe) {
            eprintln!("{} is skipped: {} is not there", example.file, example.probe.join(" "));
            continue;
        }
        let file = root().join("examples").join(example.file);
        for body in bodies {
            let expected = sign(SECRET, SecretEncoding::Base64, body);
            let line = signed(example, &file, body);
            assert_eq!(line, format!("X-Hub-Signature-256: {expected}\n"), "{}", example.file);
        }
        assert!(signed(example, &file, TICKET).contains(SIGNATURE), "{}", example.file);
        ran.push(example.file);
    }
    assert!(ran.contains(&"sign.py"), "the tests need Python anyway");
}

#[test]
fn the_guide_shows_the_programs_as_they_are() {
    let guide = std::fs::read_to_string(root().join("docs/integrators.md")).expect("the guide");
    for example in &EXAMPLES {
        let program = std::fs::read_to_string(root().join("examples").join(example.file)).expect("a program");
        assert!(guide.contains(program.trim_end()), "docs/integrators.md shows another {}", example.file);
    }
}
