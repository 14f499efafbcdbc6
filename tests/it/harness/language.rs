//! The languages in which there are programs to run: those of examples/, and receivers.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::env;

/// What a program's name ends with, the command that runs it, and one that ends well where that and its helpers are
/// there.
#[derive(Clone, Copy)]
pub struct Language {
    pub ending: &'static str,
    run: &'static [&'static str],
    probe: &'static [&'static str],
}

const LANGUAGES: [Language; 5] = [
    Language { ending: "py", run: &["python3"], probe: &["python3", "--version"] },
    Language { ending: "sh", run: &["sh"], probe: &["sh", "-c", "command -v openssl && command -v curl"] },
    Language {
        ending: "mjs",
        run: &["node"],
        probe: &["node", "-e", "process.exit(+(typeof fetch !== 'function'))"],
    },
    Language { ending: "go", run: &["go", "run"], probe: &["go", "version"] },
    Language { ending: "php", run: &["php"], probe: &["php", "--version"] },
];

impl Language {
    /// Those that run here: scripts/test.sh brings all of them, and then none may be missing.
    pub fn here() -> Vec<Self> {
        let all_must_be_there = env("AGENTHOOK_TEST_LANGUAGES").is_some();
        let is_there = |language: &Self| {
            let probe = command(language.probe)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            let is_there = probe.is_ok_and(|status| status.success());
            let what = format!("examples/*.{}: `{}` fails", language.ending, language.probe.join(" "));
            assert!(is_there || !all_must_be_there, "{what}");
            if !is_there {
                eprintln!("{what}, so they are skipped");
            }
            is_there
        };
        let here: Vec<_> = LANGUAGES.into_iter().filter(is_there).collect();
        assert!(here.iter().any(|language| language.ending == "py"), "the tests need Python anyway");
        here
    }

    /// The command that runs a file.
    pub fn command(self) -> Command {
        command(self.run)
    }

    /// Runs one of its programs with these arguments and this on standard input.
    pub fn run<S: AsRef<OsStr>>(self, program: &str, args: &[S], input: &[u8]) -> Output {
        let file = root().join("examples").join(format!("{program}.{}", self.ending));
        fed(command(self.run).arg(&file).args(args), input)
    }

    /// One of its programs, to be started and ended by the test. What is compiled is compiled first: who ends `go run`
    /// ends the compiler, and its program lives on.
    pub fn program(self, program: &str) -> Command {
        let file = root().join("examples").join(format!("{program}.{}", self.ending));
        if self.ending != "go" {
            let mut run = command(self.run);
            run.arg(file);
            return run;
        }
        let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go").join(program);
        let output = fed(command(&["go", "build", "-o"]).arg(&built).arg(file), b"");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Command::new(built)
    }

    /// What a program that must succeed prints.
    pub fn prints<S: AsRef<OsStr>>(self, program: &str, args: &[S], input: &[u8]) -> String {
        let output = self.run(program, args, input);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program}.{}: {} {complaint}", self.ending, output.status);
        String::from_utf8(output.stdout).expect("text")
    }
}

/// Runs a command to its end with this on standard input.
pub fn fed(command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the interpreter starts");
    let mut stdin = child.stdin.take().expect("piped");
    // Beside the reading: a program that answers line by line would wait for its reader.
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).expect("the program reads its input"));
        child.wait_with_output().expect("the program ends")
    })
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A command that finds this machine's servers whatever proxies are set, and a Go that needs neither a network nor a
/// home: single files of the standard library alone, compiled once into a cache below `target`.
fn command(words: &[&str]) -> Command {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    command.env("GO111MODULE", "off").env("GOFLAGS", "").env("GOTOOLCHAIN", "local").env("GOPROXY", "off");
    command.env("GOENV", "off").env("GOCACHE", cache.join("cache")).env("GOPATH", cache.join("path"));
    command
}
