//! What can go wrong with a statement, by what the caller can do about it.

use std::sync::Arc;

/// The store's result.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a statement failed. A row that is not there is `None`, not an error. Cheap to clone: all who waited for one
/// transaction get the same.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot serve right now: try again later.
    #[error("the database is not available: {0}")]
    Unavailable(#[source] Arc<sqlx::Error>),
    /// The row exists already, or somebody else changed it first, or what it belongs to is gone.
    #[error("the row was taken or changed by somebody else")]
    Conflict,
    /// A statement or a row is wrong: a fault of ours.
    #[error("database fault: {0}")]
    Fault(#[source] Arc<sqlx::Error>),
}

impl Error {
    /// What is in a row cannot be read: somebody has changed it by hand, or a newer version wrote it.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        match self {
            Self::Fault(error) => {
                matches!(**error, sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. })
            }
            Self::Unavailable(_) | Self::Conflict => false,
        }
    }

    /// What was read cannot be made ready right now: the machine has no room. As if the database were away, for whoever
    /// asks: try again later, and keep nothing.
    #[must_use]
    pub fn no_room() -> Self {
        Self::Unavailable(Arc::new(sqlx::Error::Io(std::io::ErrorKind::OutOfMemory.into())))
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match &error {
            E::Io(_)
            | E::Tls(_)
            | E::Protocol(_)
            | E::PoolTimedOut
            | E::PoolClosed
            | E::WorkerCrashed
            | E::BeginFailed => Self::Unavailable(Arc::new(error)),
            E::Database(database) if database.is_unique_violation() => Self::Conflict,
            // What is named was there when it was asked for, and was removed since.
            E::Database(database) if database.is_foreign_key_violation() => Self::Conflict,
            E::Database(database) if database.code().is_some_and(|code| passes(&code)) => {
                Self::Unavailable(Arc::new(error))
            }
            _ => Self::Fault(Arc::new(error)),
        }
    }
}

/// Codes that say "not now": Postgres's classes 08 (connection), 25006 (read-only: a failover), 28 (log-in: a
/// password being changed), 40 (deadlock, serialization), 53
/// (resources), 57 (shutdown, cancelled) and 55P03 (lock); SQLite's BUSY 5, LOCKED 6, NOMEM 7, READONLY 8,
/// IOERR 10, FULL 13, CANTOPEN 14, whose extended codes keep the plain one in the low byte.
fn passes(code: &str) -> bool {
    match code.parse::<u32>() {
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 5 | 6 | 7 | 8 | 10 | 13 | 14),
        _ => ["08", "25006", "28", "40", "53", "57", "55P03"].iter().any(|class| code.starts_with(class)),
    }
}
