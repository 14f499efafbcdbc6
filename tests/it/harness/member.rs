//! One process of a fleet: an api or a worker of the real binary, and what an operator or a bad day does to it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;

use super::server_dir::{ended, signal};

/// The process. It dies with its handle, and a failing test shows what it said.
pub struct Member {
    /// Where it answers: an api to everybody, a worker for its health.
    pub url: String,
    name: String,
    log: PathBuf,
    child: Mutex<Child>,
}

impl Member {
    /// Starts a command of the binary; what it says is in a file of this directory.
    pub fn start(mut command: Command, name: &str, url: String, directory: &Path) -> Self {
        let log = directory.join(format!("{name}.log"));
        let file = File::options().append(true).create(true).open(&log).expect("the fleet's directory");
        command.stdout(Stdio::null()).stderr(file);
        let child = Mutex::new(command.spawn().expect("it starts"));
        Self { url, name: name.to_owned(), log, child }
    }

    /// Nobody is told, nothing is cleared up.
    pub fn kill_9(&self) {
        let mut child = self.child.lock().expect("nobody panicked");
        child.kill().expect("kill -9");
        child.wait().expect("it is dead");
    }

    /// SIGTERM, as a deploy does; see [`Member::wait`].
    pub fn terminate(&self) {
        self.tell("TERM");
    }

    /// It stands still, as under a debugger or on a machine that swaps.
    pub fn stop(&self) {
        self.tell("STOP");
    }

    /// It goes on, and does not know how long it stood still.
    pub fn go_on(&self) {
        self.tell("CONT");
    }

    /// Waits for its end.
    pub async fn wait(&self) -> ExitStatus {
        tokio::task::block_in_place(|| ended(&mut self.child.lock().expect("nobody panicked")))
    }

    /// How it ended, if it has.
    pub fn has_ended(&self) -> Option<ExitStatus> {
        self.child.lock().expect("nobody panicked").try_wait().expect("a child")
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    fn tell(&self, name: &str) {
        signal(&self.child.lock().expect("nobody panicked"), name);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Ok(child) = self.child.get_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().rev().take(60).collect();
            eprintln!("--- {} said last:", self.name);
            lines.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}
