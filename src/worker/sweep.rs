//! The sweep: rings for what is due, renews leases, takes back what dead workers hold.
//!
//! It is what makes the queue a mere hint. Each turn is idempotent and a failed one is only late.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{RENEWAL, Worker};
use crate::model::Time;
use crate::queue;

/// How often the database is asked what is due: the delay of a retry, or of a lost ring, at most.
const TURN: Duration = Duration::from_millis(250);
/// How often it is asked whose lease has ended.
const RECOVERY: Duration = Duration::from_secs(5);

impl Worker {
    /// Sweeps until `stop`; renews leases until `ended`, for a drain needs them too.
    pub(super) async fn keep_house(self, stop: CancellationToken, ended: CancellationToken) {
        let mut turn = interval(TURN);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut renewed, mut recovered) = (Instant::now(), Instant::now());
        loop {
            tokio::select! {
                _ = turn.tick() => {}
                () = ended.cancelled() => return,
            }
            if renewed.elapsed() >= RENEWAL {
                renewed = Instant::now();
                if let Err(error) = self.app.store.renew_leases(self.id, self.lease_until()).await {
                    tracing::warn!(%error, "leases could not be renewed");
                }
            }
            if stop.is_cancelled() {
                continue;
            }
            if recovered.elapsed() >= RECOVERY {
                recovered = Instant::now();
                self.recover(self.app.clock.now()).await;
            }
            self.ring_due().await;
        }
    }

    /// Queues again what holds a lease that ended before `cutoff`.
    pub(super) async fn recover(&self, cutoff: Time) {
        match self.app.store.abandon_expired(cutoff, self.app.clock.now()).await {
            Ok(ids) if ids.is_empty() => {}
            Ok(ids) => tracing::warn!(runs = ids.len(), "taken back from workers that died"),
            Err(error) => tracing::warn!(%error, "could not look for abandoned runs"),
        }
    }

    async fn ring_due(&self) {
        match self.app.store.due(self.app.clock.now(), queue::WINDOW as i64).await {
            Ok(ids) => ids.into_iter().for_each(|id| self.app.queue.ring(id)),
            Err(error) => tracing::warn!(%error, "could not look for what is due"),
        }
    }
}
