//! Processes under test, and what the kernel knows of them.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::Outcome;
use crate::wire;

/// A process that ends with its measurement, however that ends.
pub struct Process {
    child: Child,
    log: Option<PathBuf>,
}

impl Process {
    /// Starts it; what it logs goes into a file, as an operator would have it.
    pub fn start(command: &mut Command, log: Option<&Path>) -> Outcome<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        if let Some(log) = log {
            command.stderr(File::create(log)?);
        }
        Ok(Self { child: command.spawn()?, log: log.map(Path::to_path_buf) })
    }

    /// Waits until a GET of `path` is answered well.
    pub async fn ready(&mut self, address: SocketAddr, path: &str) -> Outcome<()> {
        loop {
            if matches!(wire::call(address, "GET", path, "", None).await, Ok((200..300, _))) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                let log = self.log.as_ref().map(fs::read_to_string).transpose()?.unwrap_or_default();
                return Err(format!("the process ended ({status}): {}", log.trim()).into());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes: u64 =
            line.and_then(|line| line.split_whitespace().next()).ok_or("no VmRSS")?.parse()?;
        Ok(kilobytes * 1024)
    }

    /// Processor time so far, of all threads.
    pub fn processor_time(&self) -> Outcome<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            // A thread may end between the listing and the reading.
            let times = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            nanoseconds += times.split_whitespace().next().map_or(Ok(0), str::parse::<u64>)?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that nobody listens on.
pub fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
