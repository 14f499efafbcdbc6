//! A database of its own for every server: a file, or a new database on the Postgres of the test command.

use std::collections::BTreeMap;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;

use super::redis_server::redis_number;

/// A fresh, empty database.
pub struct Database {
    pub url: String,
    pub dir: TempDir,
    /// The Redis of all who share this database, where the run is one with Redis.
    pub redis_url: Option<String>,
    /// On Postgres: the server that it is to be dropped from.
    server: Option<PgConnectOptions>,
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
        let url = format!("sqlite://{}", dir.path().join("agenthook.db").display());
        Self { url, dir, redis_url: None, server: None }
    }

    /// A new database on the test command's Postgres.
    pub async fn postgres() -> Self {
        let server = env("AGENTHOOK_TEST_POSTGRES_URL")
            .expect("AGENTHOOK_TEST_POSTGRES_URL is not set: run ./scripts/test.sh, which starts a Postgres");
        let name = format!("agenthook_{}", uuid::Uuid::new_v4().simple());
        let options = PgConnectOptions::from_str(&server).expect("a Postgres URL");
        let mut connection = options.connect().await.expect("the test's Postgres answers");
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut connection)
            .await
            .expect("a new database");
        let mut url: url::Url = server.parse().expect("a Postgres URL");
        url.set_path(&name);
        let dir = tempfile::tempdir().expect("a temporary directory");
        Self { url: url.into(), dir, redis_url: redis_number().await, server: Some(options) }
    }

    pub fn is_postgres(&self) -> bool {
        self.server.is_some()
    }

    /// Changes rows behind the server's back.
    pub async fn sql(&self, statement: &str) {
        let statement = AssertSqlSafe(statement.to_owned());
        let rows = if self.is_postgres() {
            let mut connection = PgConnection::connect(&self.url).await.expect("opens");
            sqlx::query(statement).execute(&mut connection).await.expect("a statement").rows_affected()
        } else {
            let mut connection = SqliteConnection::connect(&self.url).await.expect("opens");
            sqlx::query(statement).execute(&mut connection).await.expect("a statement").rows_affected()
        };
        assert!(rows > 0, "the statement changes something");
    }

    /// How a statement of [`Database::sql`] names an id.
    pub fn id(&self, id: uuid::Uuid) -> String {
        if self.is_postgres() { format!("'{id}'") } else { format!("x'{}'", id.simple()) }
    }

    /// The events that are written, the oldest first: id, type, tenant, data.
    pub async fn events(&self) -> Vec<(uuid::Uuid, String, Option<String>, serde_json::Value)> {
        let all = "SELECT event_id, event_type, tenant_id, data FROM events ORDER BY event_id";
        let rows: Vec<(uuid::Uuid, String, Option<String>, String)> = if self.is_postgres() {
            let mut connection = PgConnection::connect(&self.url).await.expect("opens");
            sqlx::query_as(all).fetch_all(&mut connection).await.expect("events")
        } else {
            let mut connection = SqliteConnection::connect(&self.url).await.expect("opens");
            sqlx::query_as(all).fetch_all(&mut connection).await.expect("events")
        };
        let read = |text: String| serde_json::from_str(&text).expect("JSON");
        rows.into_iter().map(|(id, kind, tenant, data)| (id, kind, tenant, read(data))).collect()
    }

    /// Everything that is stored, by `table.column`.
    pub async fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let mut contents = BTreeMap::new();
        if self.is_postgres() {
            let columns = "SELECT table_name::text, column_name::text, data_type = 'bytea'
                           FROM information_schema.columns WHERE table_schema = 'public'";
            let mut connection = PgConnection::connect(&self.url).await.expect("opens");
            let columns: Vec<(String, String, bool)> =
                sqlx::query_as(columns).fetch_all(&mut connection).await.expect("columns");
            for (table, column, raw) in columns {
                let value = if raw { column.clone() } else { format!("convert_to({column}::text, 'UTF8')") };
                let values = AssertSqlSafe(format!("SELECT {value} FROM {table} WHERE {column} IS NOT NULL"));
                let values: Vec<Vec<u8>> =
                    sqlx::query_scalar(values).fetch_all(&mut connection).await.expect("values");
                contents.insert(format!("{table}.{column}"), values.join(&b'\n'));
            }
        } else {
            let columns = "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
                           WHERE m.type = 'table'";
            let mut connection = SqliteConnection::connect(&self.url).await.expect("opens");
            let columns: Vec<(String, String)> =
                sqlx::query_as(columns).fetch_all(&mut connection).await.expect("columns");
            for (table, column) in columns {
                let values = format!("SELECT CAST({column} AS BLOB) FROM {table} WHERE {column} IS NOT NULL");
                let values: Vec<Vec<u8>> = sqlx::query_scalar(AssertSqlSafe(values))
                    .fetch_all(&mut connection)
                    .await
                    .expect("values");
                contents.insert(format!("{table}.{column}"), values.join(&b'\n'));
            }
        }
        contents
    }
}

impl Drop for Database {
    /// A Postgres that others work on too is left as it was.
    fn drop(&mut self) {
        let Some(server) = self.server.take() else { return };
        let name = self.url.rsplit('/').next().unwrap_or_default().to_owned();
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut connection = server.connect().await.map_err(std::io::Error::other)?;
                let drop = AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
                sqlx::query(drop).execute(&mut connection).await.map_err(std::io::Error::other)
            })
        });
        if let Ok(Err(error)) = dropped.join() {
            eprintln!("a test database stays behind: {error}");
        }
    }
}
