//! Where private servers live: a directory that goes with them, a port, and a process that dies with its test.

use std::fs::File;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// A directory for one server. PostgreSQL refuses to run as root, so there it is another user's.
pub struct ServerDir {
    dir: TempDir,
    user: Option<(u32, u32)>,
}

impl ServerDir {
    /// For the user who runs the tests.
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory"), user: None }
    }

    /// For the user `postgres`, where the tests run as root.
    pub fn of_postgres() -> Self {
        let mut new = Self::new();
        if id(&["-u"]) == 0 {
            let user = (id(&["-u", "postgres"]), id(&["-g", "postgres"]));
            let everybody = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(new.dir.path(), everybody).expect("our own directory");
            chown(new.dir.path(), Some(user.0), Some(user.1)).expect("root may give things away");
            new.user = Some(user);
        }
        new
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A program as that user, in that directory; what it says is in the file `log`.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let log = self.dir.path().join("log");
        let log = File::options().append(true).create(true).open(log).expect("our own directory");
        let mut command = Command::new(program.as_ref());
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a file")).stderr(log);
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    /// What the server has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

fn id(args: &[&str]) -> u32 {
    let output = Command::new("id").args(args).output().expect("id is there");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap_or_else(|_| panic!("id {args:?} says no number: {text}"))
}

/// A program: on the PATH, or where systems keep those of servers.
pub fn program(name: &str) -> PathBuf {
    find(name).unwrap_or_else(|| panic!("there is no {name} here: ./scripts/test.sh says what to install"))
}

/// The same, where it may be missing. Not what a link leads to: some programs go by the name they are called by.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = super::env("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    for parent in ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt", "/usr"] {
        let versions = std::fs::read_dir(parent).into_iter().flatten().flatten();
        let mut versions: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
        versions.sort();
        folders.extend(versions.into_iter().rev());
    }
    folders.into_iter().map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Sends a signal, by name.
pub fn signal(child: &Child, name: &str) {
    let args = [format!("-{name}"), child.id().to_string()];
    let status = Command::new("kill").args(args).status().expect("kill is there");
    assert!(status.success(), "{name} was not sent to {}", child.id());
}

/// Waits until a child has ended; what does not end is killed.
pub fn ended(child: &mut Child) -> std::process::ExitStatus {
    for _ in 0..3000 {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    child.wait().expect("a child")
}
