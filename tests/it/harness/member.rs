//! One process of a fleet: an api or a worker of the real binary, and what an operator or a bad day does to it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::server_dir::{ended, signal};

/// Told to stop, a process has ended by then, whatever it was doing.
const STOP: Duration = Duration::from_secs(30);

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

    /// SIGTERM, and its whole end: in time, and well.
    pub async fn ends_well(&self) {
        let began = Instant::now();
        self.terminate();
        assert_eq!(self.wait().await.code(), Some(0), "{} ends well", self.name);
        assert!(began.elapsed() < STOP, "{} took {:?} to end", self.name, began.elapsed());
    }

    /// Its memory at present, in KiB, where the system tells.
    pub fn memory_kib(&self) -> Option<u64> {
        let id = self.child.lock().expect("nobody panicked").id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
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
