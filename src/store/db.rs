//! Two drivers, one SQL text: the only place that knows which database it is.
//!
//! A statement is a `const` with `$1` placeholders that both databases understand. The macros run the same
//! expression against whichever is there; the few statements that must differ are matched where they stand.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, PgConnection, PgPool, Postgres, Sqlite, SqlitePool, Transaction};

use super::relay::{Relay, through_relay};
use super::{Error, Result};

/// How long a caller waits for a connection before the database counts as gone.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection to Postgres may have been idle and still be taken without asking whether it is alive: under
/// load nobody asks.
const TRUSTED: Duration = Duration::from_secs(1);
/// Reads in parallel on SQLite; WAL readers do not wait for the writer.
const SQLITE_READERS: u32 = 4;

/// The open database.
#[derive(Clone)]
pub(super) enum Db {
    /// One writer, because SQLite has one writer: the queue for it is ours and fair, not `SQLITE_BUSY`.
    Sqlite { write: SqlitePool, read: SqlitePool },
    /// Any number of processes.
    Postgres { pool: PgPool, _relay: Relay },
}

/// A transaction that may write.
pub(super) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// Runs an expression on a connection (or pool) of either database; the expression is compiled twice.
macro_rules! on_read {
    ($store:expr, |$conn:ident| $body:expr) => {
        match &$store.db {
            $crate::store::db::Db::Sqlite { read: $conn, .. } => $body,
            $crate::store::db::Db::Postgres { pool: $conn, .. } => $body,
        }
    };
}

/// Like [`on_read`], on the connection that may write.
macro_rules! on_write {
    ($store:expr, |$conn:ident| $body:expr) => {
        match &$store.db {
            $crate::store::db::Db::Sqlite { write: $conn, .. } => $body,
            $crate::store::db::Db::Postgres { pool: $conn, .. } => $body,
        }
    };
}

/// Like [`on_write`], inside a transaction.
macro_rules! in_tx {
    ($tx:expr, |$conn:ident| $body:expr) => {
        match $tx {
            $crate::store::db::Tx::Sqlite(tx) => {
                let $conn = &mut **tx;
                $body
            }
            $crate::store::db::Tx::Postgres(tx) => {
                let $conn = &mut **tx;
                $body
            }
        }
    };
}

/// Declares statements and, beside them, the list by which a test prepares each on both databases.
macro_rules! statements {
    ($($name:ident = $text:expr;)*) => {
        $(const $name: &str = $text;)*
        pub(in crate::store) const STATEMENTS: &[&str] = &[$($name),*];
    };
}

pub(super) use {in_tx, on_read, on_write, statements};

impl Db {
    /// Opens `sqlite://PATH` (made if missing) or `postgres://…`.
    pub async fn open(url: &str, max_connections: u32) -> Result<Self> {
        if url.starts_with("sqlite:") {
            Self::open_sqlite(url).await
        } else {
            Self::open_postgres(url, max_connections).await
        }
    }

    async fn open_sqlite(url: &str) -> Result<Self> {
        let options: SqliteConnectOptions = url.parse().map_err(Error::from)?;
        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An answered 202 survives a power cut; with group commit this costs what NORMAL costs.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(ACQUIRE_TIMEOUT);
        let pool = || {
            SqlitePoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT).idle_timeout(None).max_lifetime(None)
        };
        let write = pool().max_connections(1).min_connections(1).connect_with(options.clone()).await?;
        let read =
            pool().max_connections(SQLITE_READERS).connect_lazy_with(options.pragma("query_only", "on"));
        Ok(Self::Sqlite { write, read })
    }

    async fn open_postgres(url: &str, max_connections: u32) -> Result<Self> {
        let options: PgConnectOptions = url.parse().map_err(Error::from)?;
        // Without the relay first: it cannot tell why there is no connection.
        PgConnection::connect_with(&options).await?.close().await?;
        let (options, relay) = through_relay(options);
        let pool = sqlx::postgres::PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(|connection, use_so_far| {
                Box::pin(async move {
                    if use_so_far.idle_for >= TRUSTED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(options)
            .await?;
        Ok(Self::Postgres { pool, _relay: relay })
    }

    /// Applies what is missing of `migrations/`. On Postgres an advisory lock keeps starting processes apart.
    pub async fn migrate(&self) -> std::result::Result<(), sqlx::migrate::MigrateError> {
        match self {
            Self::Sqlite { write, .. } => self.migrator().run(write).await,
            Self::Postgres { pool, .. } => self.migrator().run(pool).await,
        }
    }

    /// The migrations of this kind of database.
    pub fn migrator(&self) -> sqlx::migrate::Migrator {
        match self {
            Self::Sqlite { .. } => sqlx::migrate!("migrations/sqlite"),
            Self::Postgres { .. } => sqlx::migrate!("migrations/postgres"),
        }
    }

    /// Begins a transaction that may write. SQLite takes the write lock at once (`BEGIN IMMEDIATE`): a
    /// transaction that reads first and writes later could otherwise fail in the middle.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(match self {
            Self::Sqlite { write, .. } => Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres { pool, .. } => Tx::Postgres(pool.begin().await?),
        })
    }

    pub async fn close(&self) {
        match self {
            Self::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres { pool, .. } => pool.close().await,
        }
    }
}

impl Tx {
    pub async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}
