//! A Redis of a test's own, and a number of its own on the test command's Redis for everybody else.

use std::process::Child;
use std::sync::Mutex;

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
    /// A new server on a free port that keeps nothing: what is restarted is empty.
    pub async fn start() -> Self {
        Self::with(["--save", "", "--appendonly", "no"].map(str::to_owned).into(), None).await
    }

    /// The same with other arguments, and the password that is among them.
    pub async fn with(args: Vec<String>, password: Option<&str>) -> Self {
        let password = password.map(str::to_owned);
        let port = free_address().port();
        let new = Self { dir: ServerDir::new(), port, args, password, process: Mutex::default() };
        new.start_again().await;
        new
    }

    pub fn url(&self) -> String {
        let user = self.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        format!("redis://{user}127.0.0.1:{}/0", self.port)
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
