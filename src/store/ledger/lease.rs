//! The lease of a worker process: one row, renewed however much it runs.
//!
//! A lease ends by the clock of whoever wrote it, and clocks differ and jump. So `lease_until` is only a first sign;
//! `beats` is what others watch: a worker whose count stands still, by the watcher's own stopwatch, is dead.

use uuid::Uuid;

use crate::model::{Time, WorkerId};
use crate::store::db::{on_read, on_write, statements};
use crate::store::{Result, Store};

statements! {
    BEAT = "INSERT INTO workers (worker_id, beats, lease_until, started_at) VALUES ($1, 1, $2, $3)
        ON CONFLICT (worker_id) DO UPDATE SET beats = workers.beats + 1, lease_until = excluded.lease_until";
    ALL = "SELECT worker_id, beats, lease_until FROM workers";
    // Whoever holds runs or deliveries and is not among the workers, was taken for dead and claimed again before it noticed.
    OUTLAWS = "SELECT DISTINCT lease_owner FROM executions
        WHERE status = 'running' AND lease_owner NOT IN (SELECT worker_id FROM workers)
        UNION SELECT lease_owner FROM deliveries
        WHERE lease_owner IS NOT NULL AND lease_owner NOT IN (SELECT worker_id FROM workers)";
    HOLDERS = "SELECT DISTINCT lease_owner FROM executions WHERE status = 'running'";
}

/// A worker process as the others see it.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    /// Of one start of one process.
    pub worker_id: WorkerId,
    /// Its signs of life so far.
    pub beats: i64,
    /// By its own clock: from then on it may be dead.
    pub lease_until: Time,
}

impl Store {
    /// A sign of life: takes or renews the lease of a worker.
    ///
    /// # Errors
    /// The database's.
    pub async fn beat(&self, worker: WorkerId, lease_until: Time, now: Time) -> Result<()> {
        on_write!(self, |conn| sqlx::query(BEAT)
            .bind(worker.0)
            .bind(lease_until)
            .bind(now)
            .execute(conn)
            .await
            .map(|_| ()))?;
        Ok(())
    }

    /// All workers that are alive or not yet missed.
    ///
    /// # Errors
    /// The database's.
    pub async fn leases(&self) -> Result<Vec<Lease>> {
        let rows: Vec<(Uuid, i64, Time)> = on_read!(self, |conn| sqlx::query_as(ALL).fetch_all(conn).await)?;
        let lease = |(id, beats, lease_until)| Lease { worker_id: WorkerId(id), beats, lease_until };
        Ok(rows.into_iter().map(lease).collect())
    }

    /// Who holds runs or deliveries without being a worker.
    ///
    /// # Errors
    /// The database's.
    pub async fn outlaws(&self) -> Result<Vec<WorkerId>> {
        let ids: Vec<Uuid> = on_read!(self, |conn| sqlx::query_scalar(OUTLAWS).fetch_all(conn).await)?;
        Ok(ids.into_iter().map(WorkerId).collect())
    }

    /// Everybody who holds runs. On the embedded database, at the start, all of them are dead.
    ///
    /// # Errors
    /// The database's.
    pub async fn holders(&self) -> Result<Vec<WorkerId>> {
        let ids: Vec<Uuid> = on_read!(self, |conn| sqlx::query_scalar(HOLDERS).fetch_all(conn).await)?;
        Ok(ids.into_iter().map(WorkerId).collect())
    }
}
