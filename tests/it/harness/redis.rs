//! A Redis of its own for a test, which may then be killed, stalled, flushed and started again.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::{Client, Connection, FromRedisValue};
use tempfile::TempDir;

use super::process::free_address;

/// Ends with its test.
pub struct Redis {
    port: u16,
    dir: TempDir,
    child: Option<Child>,
}

impl Redis {
    /// Started, empty, and without any persistence.
    pub fn start() -> Self {
        let mut redis = Self::down();
        redis.restart();
        redis
    }

    /// The address of one that is not there yet.
    pub fn down() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        Self { port: free_address().port(), dir, child: None }
    }

    pub fn url(&self) -> String {
        self.url_of(0)
    }

    /// One of its 32 databases.
    pub fn url_of(&self, database: u8) -> String {
        format!("redis://127.0.0.1:{}/{database}", self.port)
    }

    /// Ends it at once, as the kernel does when memory runs out.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again with what it last saved: nothing, without [`Redis::save`].
    pub fn restart(&mut self) {
        self.kill();
        let (port, dir) = (self.port.to_string(), self.dir.path().display().to_string());
        let started = Command::new("redis-server")
            .args(["--port", &port, "--bind", "127.0.0.1", "--dir", &dir, "--save", "", "--databases", "32"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = started.unwrap_or_else(|error| {
            panic!("redis-server cannot be started ({error}): install it, on Debian by `apt-get install redis-server`")
        });
        self.child = Some(child);
        for _ in 0..1000 {
            let answer = self.connect().and_then(|mut connection| redis::cmd("PING").exec(&mut connection));
            if answer.is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("redis-server does not answer on port {}", self.port);
    }

    pub fn is_up(&self) -> bool {
        self.child.is_some()
    }

    /// Saves what it has, for the next start.
    pub fn save(&self) {
        self.ask::<()>(&["SAVE"]);
    }

    /// From now on it answers nobody, and nobody is cut off.
    pub fn stall(&self) {
        self.signal("-STOP");
    }

    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill is there").success());
    }

    pub fn flush(&self) {
        self.ask::<()>(&["FLUSHALL"]);
    }

    /// How many keys there are.
    pub fn keys(&self) -> usize {
        self.ask(&["DBSIZE"])
    }

    /// Bytes that it uses for its data.
    pub fn memory(&self) -> u64 {
        let told: redis::InfoDict = self.ask(&["INFO", "memory"]);
        told.get("used_memory").expect("it says so")
    }

    /// Any command.
    pub fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word);
        }
        let mut connection = self.connect().expect("it can be reached");
        command.query(&mut connection).expect("it answers")
    }

    fn connect(&self) -> redis::RedisResult<Connection> {
        Client::open(self.url())?.get_connection_with_timeout(Duration::from_secs(5))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
