//! The worker: runs what is due.
//!
//! It hears of work through the queue and finds the rest by its own sweep; it holds leases and renews them;
//! told to stop, it takes nothing new, finishes what it can and hands the rest back.

mod execute;
mod sweep;
mod under_way;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::model::{Time, WorkerId};
use under_way::UnderWay;

/// How long a run is ours without a renewal. A worker that dies is noticed after this.
const LEASE: TimeDelta = TimeDelta::seconds(30);
/// Runs under way may take this long to end after the stop; then they are handed back.
const DRAIN: Duration = Duration::from_secs(20);

/// One worker process, or the worker half of the all-in-one.
#[derive(Clone)]
pub struct Worker {
    app: Arc<App>,
    id: WorkerId,
    under_way: UnderWay,
}

impl Worker {
    /// A worker with an id of its own.
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        Self { app, id: WorkerId::new(), under_way: UnderWay::default() }
    }

    /// Runs what is due until `stop`, then drains and returns.
    pub async fn run(self, stop: CancellationToken) {
        if self.app.store.is_embedded() {
            // The database is this process's alone: whatever runs was run by one that is dead.
            self.recover(self.app.clock.now() + TimeDelta::days(36_500)).await;
        }
        let ended = CancellationToken::new();
        let housekeeping = tokio::spawn(self.clone().keep_house(stop.clone(), ended.clone()));
        let worker = self.clone();
        let calls = self.app.queue.work(stop.clone(), move |id| {
            let worker = worker.clone();
            async move { worker.execute(id).await }
        });
        let drained = async {
            stop.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::select! {
            () = calls => {}
            () = drained => tracing::warn!("some runs did not end in time; they are handed back"),
        }
        ended.cancel();
        let _ = housekeeping.await;
        match self.app.store.abandon_of(self.id, self.app.clock.now()).await {
            Ok(ids) if ids.is_empty() => {}
            Ok(ids) => tracing::info!(runs = ids.len(), "handed back"),
            Err(error) => tracing::warn!(%error, "could not hand back; the leases will end by themselves"),
        }
    }

    fn lease_until(&self) -> Time {
        self.app.clock.now() + LEASE
    }
}
