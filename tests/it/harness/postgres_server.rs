//! A PostgreSQL of a test's own: it may be stopped, killed and restarted, and nobody else notices.

use std::path::PathBuf;
use std::process::Child;
use std::sync::Mutex;

use sqlx::{Connection, PgConnection};

use super::server_dir::{ServerDir, ended, program, signal};
use super::{eventually, free_address};

/// The server. It ends with its last handle.
pub struct PostgresServer {
    dir: ServerDir,
    bin: PathBuf,
    port: u16,
    process: Mutex<Option<Child>>,
}

impl PostgresServer {
    /// A new server on a free port, as durable as a real one.
    pub async fn start() -> Self {
        let dir = ServerDir::of_postgres();
        let data = dir.path().join("data");
        // All programs from one installation: there may be several.
        let bin = program("initdb").canonicalize().expect("a file");
        let bin = bin.parent().expect("a folder").to_owned();
        let mut initdb = dir.command(bin.join("initdb"));
        initdb.args(["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "-D"]);
        let status = initdb.arg(&data).status().expect("initdb starts");
        assert!(status.success(), "initdb: {}", dir.log());
        let new = Self { dir, bin, port: free_address().port(), process: Mutex::default() };
        new.start_again().await;
        new
    }

    /// The address of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// A new database, and its address.
    pub async fn database(&self, name: &str) -> String {
        self.sql(&format!("CREATE DATABASE {name}")).await;
        self.url(name)
    }

    /// Says something to the server itself.
    pub async fn sql(&self, statement: &str) {
        let mut connection = PgConnection::connect(&self.url("postgres")).await.expect("it answers");
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        sqlx::raw_sql(statement).execute(&mut connection).await.expect("a good statement");
    }

    /// Starts the stopped server, and waits until it answers.
    pub async fn start_again(&self) {
        {
            let mut process = self.process.lock().expect("nobody panicked");
            assert!(process.is_none(), "it is running");
            let mut command = self.dir.command(self.bin.join("postgres"));
            command.arg("-D").arg(self.dir.path().join("data")).args(["-p", &self.port.to_string()]);
            for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=300"] {
                command.args(["-c", setting]);
            }
            *process = Some(command.spawn().expect("postgres starts"));
        }
        eventually("Postgres answers", async || {
            let ended = self.process.lock().expect("nobody panicked").as_mut()?.try_wait().expect("a child");
            assert!(ended.is_none(), "postgres ended: {}", self.dir.log());
            PgConnection::connect(&self.url("postgres")).await.ok()
        })
        .await;
    }

    /// As `pg_ctl restart -m fast`: connections break, nothing committed is lost.
    pub async fn restart(&self) {
        self.stop("INT");
        self.start_again().await;
    }

    /// As a crash: no checkpoint, and the next start replays the log.
    pub fn stop_immediately(&self) {
        self.stop("QUIT");
    }

    /// Breaks every connection but its own.
    pub async fn terminate_all_connections(&self) {
        self.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
        )
        .await;
    }

    fn stop(&self, with: &str) {
        let process = self.process.lock().expect("nobody panicked").take();
        let mut process = process.expect("it is running");
        signal(&process, with);
        ended(&mut process);
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if self.process.lock().is_ok_and(|process| process.is_some()) {
            self.stop_immediately();
        }
    }
}
