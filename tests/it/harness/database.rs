//! A database of its own for every server: a file, or a new database on the Postgres of the test command.

use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;

/// A fresh, empty database.
pub struct Database {
    pub url: String,
    pub dir: TempDir,
}

/// A variable of the test command.
#[allow(clippy::disallowed_methods, reason = "the test command speaks to its tests by environment")]
pub fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Database {
    /// On the database kind that the run is for.
    pub async fn create() -> Self {
        match env("AGENTHOOK_TEST_DB").as_deref() {
            None | Some("sqlite") => Self::sqlite(),
            Some("postgres") => Self::postgres().await,
            Some(other) => panic!("AGENTHOOK_TEST_DB is sqlite or postgres, not {other}"),
        }
    }

    /// A SQLite file on disk.
    pub fn sqlite() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        Self { url: format!("sqlite://{}", dir.path().join("agenthook.db").display()), dir }
    }

    /// A new database on the test command's Postgres.
    pub async fn postgres() -> Self {
        let server = env("AGENTHOOK_TEST_POSTGRES_URL")
            .expect("AGENTHOOK_TEST_POSTGRES_URL is not set: run ./scripts/test.sh, which starts a Postgres");
        let name = format!("agenthook_{}", uuid::Uuid::new_v4().simple());
        let options = PgConnectOptions::from_str(&server).expect("a Postgres URL");
        let mut connection = options.connect().await.expect("the test's Postgres answers");
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut connection)
            .await
            .expect("a new database");
        let mut url: url::Url = server.parse().expect("a Postgres URL");
        url.set_path(&name);
        Self { url: url.into(), dir: tempfile::tempdir().expect("a temporary directory") }
    }
}
