//! Suspects: runs under which a worker process died, and then another.
//!
//! All that ran in it are suspected alike; to tell the one from its neighbors each goes on alone. The worker lets
//! everything else end, notes that the run has the process to itself, and only then starts it. If the process dies
//! again it was this run, and it ends as `crashed`; if not, it never was.

use std::time::{Duration, Instant};

use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use super::Worker;
use crate::store::Claimed;

/// How often we look for a suspect.
const ROUND: Duration = Duration::from_secs(1);
/// How long the others have their turn after a suspect had its own, at most.
const OTHERS: Duration = Duration::from_secs(30);

impl Worker {
    /// Runs suspects, one at a time, until `stop`.
    pub(super) async fn run_suspects(self, stop: CancellationToken) {
        let mut turn = interval(ROUND);
        turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = turn.tick() => {}
                () = stop.cancelled() => return,
            }
            while self.may_claim() && !stop.is_cancelled() {
                match self.app.store.claim_suspect(self.id, self.app.clock.now()).await {
                    Ok(Some(run)) => self.run_alone(run, &stop).await,
                    Ok(None) => break,
                    Err(error) => {
                        tracing::warn!(%error, "could not look for suspects");
                        break;
                    }
                }
            }
        }
    }

    async fn run_alone(&self, run: Claimed, stop: &CancellationToken) {
        let (began, id) = (Instant::now(), run.hold.execution_id);
        let note = self.under_way.begin(run.hold);
        tracing::warn!(%id, "the worker died under this run before: it runs alone");
        let closed = self.slots.close();
        tokio::select! {
            () = self.slots.quiet() => {}
            () = note.given_up() => return,
            // It goes back with everything else that is held.
            () = stop.cancelled() => return,
        }
        let slot = closed.take();
        match self.app.store.mark_alone(&run.hold).await {
            Ok(true) => tokio::select! {
                () = self.settle(run) => {}
                () = note.given_up() => {}
                () = self.given_up.cancelled() => {}
            },
            Ok(false) => {}
            // Held and not run: it is found among the strays.
            Err(error) => tracing::warn!(%id, %error, "could not be noted as alone; it is run again"),
        }
        drop((slot, note, closed));
        if self.slots.is_hungry() {
            tokio::select! {
                () = tokio::time::sleep(began.elapsed().clamp(ROUND, OTHERS)) => {}
                () = stop.cancelled() => {}
            }
        }
    }
}
