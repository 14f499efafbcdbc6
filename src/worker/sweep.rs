//! The sweep: rings for what is due, renews leases, lets go of what fell over here, takes back what dead
//! workers hold.
//!
//! It is what makes the queue a mere hint. Each turn is idempotent and a failed one is only late.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{LEASE, Worker};
use crate::model::Time;
use crate::queue;
use crate::store;

/// How often the database is asked what is due: the delay of a retry, or of a lost ring, at most.
const TURN: Duration = Duration::from_millis(250);
/// How often leases are looked after: five renewals may fail before one is lost.
const ROUND: Duration = Duration::from_secs(5);

impl Worker {
    /// Sweeps until `stop`; renews leases until `ended`, for a drain needs them too.
    pub(super) async fn keep_house(self, stop: CancellationToken, ended: CancellationToken) {
        let mut turn = interval(TURN);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_round = Instant::now();
        loop {
            tokio::select! {
                _ = turn.tick() => {}
                () = ended.cancelled() => return,
            }
            if last_round.elapsed() >= ROUND {
                last_round = Instant::now();
                if let Err(error) = self.look_after_leases(&stop).await {
                    tracing::warn!(%error, "leases could not be looked after");
                }
            }
            if !stop.is_cancelled() {
                self.ring_due().await;
            }
        }
    }

    /// Our own leases first: when the clock jumps, all of them have ended by it, and who looked for ended ones
    /// first would take them from itself.
    async fn look_after_leases(&self, stop: &CancellationToken) -> store::Result<()> {
        self.app.store.renew_leases(self.id, self.lease_until()).await?;
        if !stop.is_cancelled() {
            self.let_go_of_strays().await?;
            self.recover(self.app.clock.now()).await;
        }
        Ok(())
    }

    /// Queues again what we hold and do not run. Not at once: what fell over may well do so again.
    async fn let_go_of_strays(&self) -> store::Result<()> {
        // In this order: a run is noted before it is claimed, so what is held and not noted is nobody's.
        let mut held = self.app.store.held(self.id).await?;
        held.retain(|lease| !self.under_way.contains(lease.execution_id()));
        if !held.is_empty() {
            tracing::warn!(runs = held.len(), "fell over and are run again");
            let now = self.app.clock.now();
            self.app.store.hand_back(self.id, &held, now + LEASE, now).await?;
        }
        Ok(())
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
