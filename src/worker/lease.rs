//! Signs of life: ours, and those of the other workers. What a dead one held is queued again.
//!
//! No clock but our own stopwatch decides. A lease that has ended by the wall clock makes a worker suspect; it is dead
//! when its beats have stood still for a while under our eyes, and dead anyway when they have done so for as long as
//! a lease. So neither a clock that jumps nor one that is wrong takes runs from a worker that lives, and after an
//! outage of the database everybody has time to tell that they live.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Worker;
use crate::model::{Time, WorkerId};
use crate::store::{self, Lease, Loss, Lost};

/// How long a worker may be silent.
pub(super) const LEASE: Duration = Duration::from_secs(30);
/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(2);
/// How long the beats of a worker whose lease has ended must stand still under our eyes.
const CONFIRM: Duration = Duration::from_secs(5);
/// Whoever has not looked for this long has not seen that nothing moved.
const BLINK: Duration = Duration::from_secs(4);

/// When we last told that we live: without that no new run is taken. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct OwnLease(Arc<Mutex<Option<Instant>>>);

impl OwnLease {
    /// Whether others believe that we live, for long enough to begin something.
    pub fn is_fresh(&self) -> bool {
        self.lock().is_some_and(|told| told.elapsed() < LEASE / 2)
    }

    fn renewed(&self, told: Instant) {
        *self.lock() = Some(told);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A dead worker, and how often it had beaten when it was last seen; `None` where it had no lease.
type Dead = (WorkerId, Option<i64>);

/// What we saw of the others, and since when it has not changed.
#[derive(Default)]
struct Watch {
    seen: HashMap<WorkerId, (Option<i64>, Instant)>,
    looked: Option<Instant>,
}

impl Watch {
    /// Who of these is dead, and at which beat. An outlaw holds runs and is no worker any more.
    fn dead(&mut self, leases: &[Lease], outlaws: &[WorkerId], wall: Time, now: Instant) -> Vec<Dead> {
        if self.looked.is_none_or(|looked| now - looked > BLINK) {
            self.seen.clear();
        }
        self.looked = Some(now);
        let outlaws = outlaws.iter().map(|id| (*id, None, true));
        let all = leases
            .iter()
            .map(|lease| (lease.worker_id, Some(lease.beats), lease.lease_until < wall))
            .chain(outlaws);
        let (mut seen, mut dead) = (HashMap::new(), Vec::new());
        for (id, beats, ended) in all {
            let since = match self.seen.get(&id) {
                Some((same, since)) if *same == beats => *since,
                _ => now,
            };
            if now - since >= LEASE || (ended && now - since >= CONFIRM) {
                dead.push((id, beats));
            }
            seen.insert(id, (beats, since));
        }
        self.seen = seen;
        dead
    }
}

impl Worker {
    /// Tells that we live until `ended`, for a drain needs that too; looks after the others until `stop`.
    pub(super) async fn keep_lease(self, stop: CancellationToken, ended: CancellationToken) {
        let mut turn = tokio::time::interval(BEAT);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watch = Watch::default();
        loop {
            tokio::select! {
                _ = turn.tick() => {}
                () = ended.cancelled() => return,
            }
            let looked_after = async {
                self.beat().await?;
                if stop.is_cancelled() { Ok(()) } else { self.bury_the_dead(&mut watch).await }
            };
            if let Err(error) = looked_after.await {
                tracing::warn!(%error, "leases could not be looked after");
            }
        }
    }

    async fn beat(&self) -> store::Result<()> {
        let (told, now) = (Instant::now(), self.app.clock.now());
        self.app.store.beat(self.id, now + LEASE, now).await?;
        self.lease.renewed(told);
        Ok(())
    }

    async fn bury_the_dead(&self, watch: &mut Watch) -> store::Result<()> {
        let mut leases = self.app.store.leases().await?;
        leases.retain(|lease| lease.worker_id != self.id);
        let outlaws = self.app.store.outlaws().await?;
        for (dead, beats) in watch.dead(&leases, &outlaws, self.app.clock.now(), Instant::now()) {
            self.taken_back(dead, &self.app.store.bury(dead, beats, self.app.clock.now()).await?);
        }
        Ok(())
    }

    /// The embedded database is this process's alone: whatever runs at its start was run by one that is dead.
    pub(super) async fn recover_all(&self) -> store::Result<()> {
        for dead in self.app.store.holders().await? {
            self.taken_back(dead, &self.app.store.abandon(dead, Loss::Died, self.app.clock.now()).await?);
        }
        Ok(())
    }

    fn taken_back(&self, dead: WorkerId, lost: &Lost) {
        self.tell_ends(lost);
        if !lost.requeued.is_empty() || !lost.crashed.is_empty() {
            let (requeued, crashed) = (lost.requeued.len(), lost.crashed.len());
            tracing::warn!(worker = %dead, requeued, crashed, "taken back from a worker that died");
            self.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const SECOND: Duration = Duration::from_secs(1);

    fn lease(worker_id: WorkerId, beats: i64, lease_until: Time) -> Lease {
        Lease { worker_id, beats, lease_until }
    }

    /// Looks once a second for so long, and says when somebody was dead for the first time.
    fn first_death(seconds: u32, of: impl Fn(u32) -> (Vec<Lease>, Vec<WorkerId>, Time)) -> Option<u32> {
        let (mut watch, start) = (Watch::default(), Instant::now());
        (0..seconds).find(|second| {
            let (leases, outlaws, wall) = of(*second);
            !watch.dead(&leases, &outlaws, wall, start + SECOND * *second).is_empty()
        })
    }

    #[test]
    fn silence_is_death_after_a_lease_whatever_the_clock_says() {
        let (id, wall) = (WorkerId::new(), Clock::system().now());
        let far = wall + LEASE * 1000;
        assert_eq!(first_death(60, |_| (vec![lease(id, 7, far)], vec![], wall)), Some(30));
        assert_eq!(first_death(60, |_| (vec![lease(id, 7, wall - SECOND)], vec![], wall)), Some(5));
        assert_eq!(first_death(60, |_| (vec![], vec![id], wall)), Some(5), "an outlaw");
        let ends_later = |second| (vec![lease(id, 7, wall + SECOND * 20)], vec![], wall + SECOND * second);
        assert_eq!(first_death(60, ends_later), Some(21));
    }

    #[test]
    fn whoever_beats_lives_however_wrong_its_clock_is() {
        let (id, wall) = (WorkerId::new(), Clock::system().now());
        let beating =
            |second: u32| (vec![lease(id, i64::from(second / 3), wall - LEASE * 100)], vec![], wall);
        assert_eq!(first_death(600, beating), None);
    }

    #[test]
    fn what_was_not_watched_counts_for_nobodys_death() {
        let (id, wall, start) = (WorkerId::new(), Clock::system().now(), Instant::now());
        let mut watch = Watch::default();
        let ended = [lease(id, 7, wall - SECOND)];
        for second in [0, 1, 2, 3, 4, 90, 91, 92, 93, 94] {
            assert!(watch.dead(&ended, &[], wall, start + SECOND * second).is_empty(), "at {second}");
        }
        assert_eq!(watch.dead(&ended, &[], wall, start + SECOND * 95), [(id, Some(7))]);
    }
}
