//! A Redis of a test's own, and a number of its own on the test command's Redis for everybody else.

use std::process::Child;
use std::sync::Mutex;
use std::time::Duration;

use super::server_dir::{ServerDir, ended, find, program, signal};
use super::{env, eventually, free_address};

/// Databases of the test command's Redis. Number 0 holds the count of those that were taken.
const NUMBERS: u64 = 10_000;

/// The address of a number of its own, emptied, where the run is one with Redis. Pub/sub knows no numbers: who listens
/// there has to name the number in the channel.
pub async fn redis_number() -> Option<String> {
    match env("AGENTHOOK_TEST_QUEUE").as_deref() {
        None => return None,
        Some("redis") => {}
        Some(other) => panic!("AGENTHOOK_TEST_QUEUE is redis or unset, not {other}"),
    }
    let server = env("AGENTHOOK_TEST_REDIS_URL")
        .expect("AGENTHOOK_TEST_REDIS_URL is not set: run ./scripts/test.sh, which starts a Redis");
    let mut url: url::Url = server.parse().expect("a Redis URL");
    url.set_path("/0");
    let taken: u64 = say(url.as_str(), redis::cmd("INCR").arg("agenthook-tests")).await.expect("a number");
    url.set_path(&(taken % (NUMBERS - 1) + 1).to_string());
    say::<()>(url.as_str(), &redis::cmd("FLUSHDB"))
        .await
        .unwrap_or_else(|error| panic!("the tests need a Redis with `databases {NUMBERS}`: {error}"));
    Some(url.into())
}

async fn say<T: redis::FromRedisValue>(url: &str, command: &redis::Cmd) -> redis::RedisResult<T> {
    let client = redis::Client::open(url)?;
    command.query_async(&mut client.get_multiplexed_async_connection().await?).await
}

/// The server. It ends with its last handle.
pub struct RedisServer {
    dir: ServerDir,
    port: u16,
    args: Vec<String>,
    password: Option<String>,
    process: Mutex<Option<Child>>,
}

impl RedisServer {
    /// A new server on a free port that keeps nothing: what is restarted is empty, unless it was told to save.
    pub async fn start() -> Self {
        let new = Self::down();
        new.start_again().await;
        new
    }

    /// The same, but not there until [`RedisServer::start_again`].
    pub fn down() -> Self {
        let args = ["--save", "", "--appendonly", "no", "--databases", "32"];
        Self::new(args.map(str::to_owned).into(), None)
    }

    /// One with other arguments, and the password that is among them.
    pub async fn with(args: Vec<String>, password: Option<&str>) -> Self {
        let new = Self::new(args, password);
        new.start_again().await;
        new
    }

    fn new(args: Vec<String>, password: Option<&str>) -> Self {
        let (dir, port) = (ServerDir::new(), free_address().port());
        Self { dir, port, args, password: password.map(str::to_owned), process: Mutex::default() }
    }

    pub fn url(&self) -> String {
        self.url_of(0)
    }

    /// The address of one of its databases.
    pub fn url_of(&self, database: u8) -> String {
        let user = self.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        format!("redis://{user}127.0.0.1:{}/{database}", self.port)
    }

    /// Where it keeps its files.
    pub fn path(&self) -> &std::path::Path {
        self.dir.path()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts the stopped server, and waits until it answers.
    pub async fn start_again(&self) {
        {
            let mut process = self.process.lock().expect("nobody panicked");
            assert!(process.is_none(), "it is running");
            let mut command =
                self.dir.command(find("redis-server").unwrap_or_else(|| program("valkey-server")));
            command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"]).args(&self.args);
            *process = Some(command.spawn().expect("redis-server starts"));
        }
        eventually("Redis answers", async || {
            let ended = self.process.lock().expect("nobody panicked").as_mut()?.try_wait().expect("a child");
            assert!(ended.is_none(), "redis-server ended: {}", self.dir.log());
            say::<String>(&self.url(), &redis::cmd("PING")).await.ok()
        })
        .await;
    }

    /// Kills it, and starts it with what it last saved.
    pub async fn restart(&self) {
        self.kill();
        self.start_again().await;
    }

    pub fn is_up(&self) -> bool {
        self.process.lock().expect("nobody panicked").is_some()
    }

    /// As kill -9. What was not written to disk is gone.
    pub fn kill(&self) {
        let process = self.process.lock().expect("nobody panicked").take();
        let mut process = process.expect("it is running");
        process.kill().expect("kill -9");
        ended(&mut process);
    }

    /// It neither answers nor hangs up, until [`RedisServer::go_on`].
    pub fn stall(&self) {
        self.tell("STOP");
    }

    /// Ends a stall.
    pub fn go_on(&self) {
        self.tell("CONT");
    }

    /// Everything in it is gone.
    pub async fn flush(&self) {
        say::<()>(&self.url(), &redis::cmd("FLUSHALL")).await.expect("flushed");
    }

    /// Writes to disk what is in it, for the next start.
    pub fn save(&self) {
        self.ask::<()>(&["SAVE"]);
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

    /// Any command; waits for the answer without a runtime.
    pub fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let client = redis::Client::open(self.url()).expect("a URL");
        let connection = client.get_connection_with_timeout(Duration::from_secs(5));
        let mut command = redis::Cmd::new();
        command.arg(words).query(&mut connection.expect("it can be reached")).expect("it answers")
    }

    fn tell(&self, name: &str) {
        let process = self.process.lock().expect("nobody panicked");
        signal(process.as_ref().expect("it is running"), name);
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if self.process.lock().is_ok_and(|process| process.is_some()) {
            self.kill();
        }
    }
}
