//! The sweep: takes what is due as soon as there is room for it, whoever was rung for and whoever was not.
//!
//! This is what makes the queue a mere hint. A ring finds a worker with room at once; whatever else waits, waits in
//! the ledger, and whoever gets room takes from there, one tenant after the other. So a tenant with a hundred
//! thousand runs waiting stands in nobody's way: no ring of his is in front of anybody.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Worker;
use crate::model::ExecutionId;
use crate::signal::{Heard, Hint};
use crate::store::{self, Claim, Hold, Loss};

/// How often the ledger is asked what is due: the delay of a retry, or of a lost ring, at most.
const TURN: Duration = Duration::from_millis(250);
/// How often it is asked what changes slowly.
const ROUND: Duration = Duration::from_secs(1);
/// How often what we hold is compared with what we run: how long a call goes on after it was cancelled, if no hint comes.
const HOLDS: Duration = Duration::from_secs(5);
/// Between two looks for rings whose runs have to be counted.
const PACE: Duration = Duration::from_millis(10);
/// How long a ring waits while this process is full: another one may have room, and takes it by its own turn.
const PATIENCE: Duration = Duration::from_millis(100);

impl Worker {
    /// Answers a ring: takes up the run if there is room for it and it is to be had.
    pub(super) async fn take_up(self, id: ExecutionId) {
        if self.slots.is_hungry() {
            tokio::time::sleep(PATIENCE).await;
        }
        let Some(slot) = self.slots.take().filter(|_| self.may_claim()) else { return };
        let claim = Claim { execution_id: id, owner: self.id, now: self.app.clock.now() };
        match self.writers.claims.write(claim).await {
            Ok(Some(run)) => self.start(run, slot),
            // It may be one of those that have to be counted, which only the sweep does.
            Ok(None) if self.slots.is_limited() => {
                drop(slot);
                self.left.notify_one();
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%id, %error, "a ring could not be answered; the sweep makes up for it")
            }
        }
    }

    /// Wakes the sweep for rings whose runs have to be counted, for all that come within [`PACE`] together, until `stop`:
    /// a flood for an agent that may run no more must not have the ledger walked for each of them.
    pub(super) async fn count_for_rings(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = self.left.notified() => self.wake.notify_one(),
                () = stop.cancelled() => return,
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// Takes what is due, whenever there is room, until `stop`.
    pub(super) async fn sweep(self, stop: CancellationToken) {
        let mut turn = interval(TURN);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = turn.tick() => {}
                () = self.wake.notified() => {}
                () = self.slots.freed() => {}
                () = stop.cancelled() => return,
            }
            if let Err(error) = self.fill(&stop).await {
                tracing::warn!(%error, "could not look for what is due");
            }
        }
    }

    /// Claims until there is no more room, or nothing more to claim.
    async fn fill(&self, stop: &CancellationToken) -> store::Result<()> {
        while self.may_claim() && !stop.is_cancelled() {
            let mut room = self.slots.take_all();
            if room.slots.is_empty() {
                break;
            }
            let (limit, now) = (room.slots.len(), self.app.clock.now());
            let claimed = self.app.store.claim_due(limit, &room.except, self.id, now).await?;
            if claimed.is_empty() {
                // Whoever was rung for meanwhile found no room, because we had it all, and may have come after our look.
                if room.more || room.except.is_empty() && self.slots.has_refused() {
                    continue;
                }
                // Of the tenants that were passed over more may wait.
                self.slots.set_hungry(self.slots.is_hungry() && !room.except.is_empty());
                break;
            }
            self.slots.set_hungry(true);
            for run in claimed {
                match room.slots.pop() {
                    Some(slot) => self.start(run, slot),
                    None => unreachable!("no more is claimed than there is room for"),
                }
            }
        }
        Ok(())
    }

    /// Wakes the sweep when another process says that something is due, and gives up what was cancelled, until `stop`.
    pub(super) async fn listen(self, stop: CancellationToken) {
        let mut listener = self.app.signal.listen();
        loop {
            let heard = tokio::select! {
                heard = listener.next() => heard,
                () = stop.cancelled() => return,
            };
            match heard {
                Some(Heard::Hint(Hint::Due)) => self.wake_up(),
                Some(Heard::Hint(Hint::Events)) => self.app.outbound.notify_one(),
                Some(Heard::Hint(Hint::Cancelled(id))) => {
                    if self.under_way.give_up_all_of(id) {
                        tracing::info!(%id, "cancelled: its run is given up");
                    }
                }
                Some(Heard::Missed) => {
                    self.wake_up();
                    self.app.outbound.notify_one();
                    self.look_at_holds.notify_one();
                }
                Some(Heard::Hint(
                    Hint::Agent(_) | Hint::Tenant(_) | Hint::ApiKeys | Hint::Webhooks(_) | Hint::Ended(_),
                )) => {}
                None => return,
            }
        }
    }

    /// Notes what changes slowly, again and again until `stop`.
    pub(super) async fn look_around(self, stop: CancellationToken) {
        let mut turn = interval(ROUND);
        loop {
            tokio::select! {
                _ = turn.tick() => self.note_surroundings().await,
                () = stop.cancelled() => return,
            }
        }
    }

    /// Notes whether there are several tenants, and whether there is any limit of what runs at once.
    pub(super) async fn note_surroundings(&self) {
        if let Ok(several) = self.app.store.has_several_tenants().await {
            self.slots.set_several_tenants(several);
        }
        if let Ok(limited) = self.app.store.has_limits().await {
            self.slots.set_limited(limited);
        }
    }

    fn wake_up(&self) {
        self.app.queue.wake();
        self.wake.notify_one();
    }

    /// Compares what we run with what the ledger says we hold, until `stop`. What we hold and do not run is queued again:
    /// a claim was committed and its answer was lost. What we run and do not hold is given up: it was cancelled, or
    /// another has it.
    pub(super) async fn compare_holds(self, stop: CancellationToken) {
        let (mut turn, mut before) = (interval(HOLDS), Vec::new());
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let in_turn = tokio::select! {
                _ = turn.tick() => true,
                () = self.look_at_holds.notified() => false,
                () = stop.cancelled() => return,
            };
            // Taken first: whatever is in it was claimed before we ask, so that the answer has it if it is held.
            let under_way = self.under_way.all();
            let Ok(held) = self.app.store.held(self.id).await else { continue };
            let held: HashSet<Hold> = held.into_iter().collect();
            for hold in under_way.iter().filter(|hold| !held.contains(*hold)) {
                if self.under_way.give_up(hold) {
                    tracing::info!(id = %hold.execution_id, "not held any more: its run is given up");
                }
            }
            if in_turn {
                before = self.let_go_of_strays(held, &before).await;
            }
        }
    }

    /// Queues again what was held and not run a turn before and is so now; what is so now is the answer.
    async fn let_go_of_strays(&self, mut held: HashSet<Hold>, before: &[Hold]) -> Vec<Hold> {
        held.retain(|hold| !self.under_way.contains(hold));
        // Seen twice: a claim that is just being answered is none.
        for hold in before.iter().filter(|hold| held.contains(*hold)) {
            tracing::warn!(id = %hold.execution_id, "held and not run; it is run again");
            let now = self.app.clock.now();
            if let Err(error) = self.app.store.let_go(hold, Loss::Dropped, now, now).await {
                tracing::warn!(id = %hold.execution_id, %error, "could not let go");
            }
        }
        held.into_iter().collect()
    }
}
