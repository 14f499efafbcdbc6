//! A database that is there for one measurement.

use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::Outcome;

/// A new database on a Postgres server; it is dropped with this.
pub struct PostgresDatabase {
    /// Its URL.
    pub url: String,
    name: String,
    server: PgConnectOptions,
}

impl PostgresDatabase {
    /// Creates it.
    pub async fn create(server: &str) -> Outcome<Self> {
        let name = format!("agenthook_bench_{}", uuid::Uuid::new_v4().simple());
        let mut url: url::Url = server.parse()?;
        url.set_path(&name);
        let server = PgConnectOptions::from_str(server)?;
        execute(&server, format!("CREATE DATABASE {name}")).await?;
        Ok(Self { url: url.into(), name, server })
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            runtime.block_on(execute(&server, statement)).map_err(std::io::Error::other)
        });
        if let Ok(Err(error)) = dropped.join() {
            eprintln!("the database {} stays behind: {error}", self.name);
        }
    }
}

async fn execute(server: &PgConnectOptions, statement: String) -> sqlx::Result<()> {
    let mut connection = server.connect().await?;
    sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
    connection.close().await
}

/// The server's version, and how safe its commits are.
pub async fn describe(server: &str) -> Outcome<String> {
    let mut connection = PgConnectOptions::from_str(server)?.connect().await?;
    let settings = "SELECT current_setting('server_version'), current_setting('fsync'),
                           current_setting('synchronous_commit')";
    let (version, fsync, commit): (String, String, String) =
        sqlx::query_as(settings).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(format!("PostgreSQL {version}, fsync {fsync}, synchronous_commit {commit}"))
}
