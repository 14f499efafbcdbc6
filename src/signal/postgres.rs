//! LISTEN and NOTIFY. NOTIFY is a statement of its own, never part of a change's transaction: all commits that
//! notify queue up for one lock.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Executor, PgPool};
use tokio::time::timeout;

use super::BadAddress;
use super::link::{Ear, Fault, Link, SILENCE};

/// The channel; it belongs to one database.
const CHANNEL: &str = "agenthook";
/// Name of our connections in `pg_stat_activity`.
const APPLICATION: &str = "agenthook-signal";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Two connections of its own: one speaks, one listens, and neither takes a place in the ledger's pool.
#[derive(Clone)]
pub(super) struct Postgres(PgPool);

impl Postgres {
    /// Connects to nothing yet.
    pub fn new(url: &str) -> Result<Self, BadAddress> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| BadAddress("is not a postgres:// URL that can be used".into()))?;
        let pool = PgPoolOptions::new()
            .max_connections(2)
            .acquire_timeout(CONNECT_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            // One round trip for a message: a dead connection is noticed by using it.
            .test_before_acquire(false)
            .connect_lazy_with(options.application_name(APPLICATION));
        Ok(Self(pool))
    }
}

impl Link for Postgres {
    type Ear = PgListener;

    async fn say(&mut self, message: &str) -> Result<(), Fault> {
        const NOTIFY: &str = "SELECT pg_notify($1, $2)";
        let notify = || sqlx::query(NOTIFY).bind(CHANNEL).bind(message).execute(&self.0);
        if notify().await.is_err() {
            // The connection had died since; the next is a new one.
            notify().await?;
        }
        Ok(())
    }

    async fn open(&self) -> Result<PgListener, Fault> {
        let mut listener = PgListener::connect_with(&self.0).await?;
        // Connecting anew is ours, so that somebody is told that hints were missed.
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok(listener)
    }
}

impl Ear for PgListener {
    async fn next(&mut self) -> Result<Option<String>, Fault> {
        // Reading a message is safe to drop: sqlx takes whole messages out of its buffer.
        match timeout(SILENCE, self.try_recv()).await {
            Ok(Ok(Some(notification))) => Ok(Some(notification.payload().to_owned())),
            Ok(Ok(None)) => Err("the connection has ended".into()),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    async fn check(&mut self) -> Result<(), Fault> {
        self.execute("SELECT 1").await?;
        Ok(())
    }
}
