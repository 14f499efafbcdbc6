//! Senders that wait for the end of what they sent (`Prefer: wait`).
//!
//! Nobody asks the database again and again: whoever ends a run says so ([`crate::signal::Hint::Ended`]), and one task
//! hands that on to whoever waits for it here. A hint that is lost costs the wait and nothing else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::model::ExecutionId;
use crate::signal::{Heard, Hint, Listener};

/// Senders that may wait at a time, in one process: each holds a connection open.
const MAX_WAITERS: usize = 2000;

/// Everybody who waits.
pub struct Waiters {
    table: Arc<Table>,
    /// The process is about to stop.
    stopping: CancellationToken,
    _dispatcher: DropGuard,
}

struct Table {
    places: usize,
    waiting: Mutex<HashMap<ExecutionId, Arc<Notify>>>,
}

/// One who waits, for as long as this lives.
pub struct Waiter {
    id: ExecutionId,
    told: Arc<Notify>,
    table: Arc<Table>,
    stopping: CancellationToken,
}

impl Waiters {
    /// Begins to hand on what is heard.
    pub(super) fn start(listener: Listener) -> Self {
        Self::with_places(listener, MAX_WAITERS)
    }

    fn with_places(mut listener: Listener, places: usize) -> Self {
        let table = Arc::new(Table { places, waiting: Mutex::default() });
        let (stop, told) = (CancellationToken::new(), table.clone());
        let stopped = stop.clone();
        tokio::spawn(stopped.run_until_cancelled_owned(async move {
            while let Some(heard) = listener.next().await {
                match heard {
                    Heard::Hint(Hint::Ended(id)) => told.tell(id),
                    // To look for all of them at once would be a storm. They look when their time is up.
                    Heard::Missed => {}
                    Heard::Hint(
                        Hint::Due
                        | Hint::Events
                        | Hint::Cancelled(_)
                        | Hint::Agent(_)
                        | Hint::Tenant(_)
                        | Hint::ApiKeys
                        | Hint::Webhooks(_),
                    ) => {}
                }
            }
        }));
        Self { table, stopping: CancellationToken::new(), _dispatcher: stop.drop_guard() }
    }

    /// Waits for this execution from now on: before it is stored, so that its end is not missed. `None`: all places are
    /// taken.
    #[must_use]
    pub fn wait_for(&self, id: ExecutionId) -> Option<Waiter> {
        let mut waiting = self.table.lock();
        if waiting.len() >= self.table.places {
            return None;
        }
        let told = Arc::new(Notify::new());
        waiting.insert(id, told.clone());
        Some(Waiter { id, told, table: self.table.clone(), stopping: self.stopping.clone() })
    }

    /// Lets everybody go, at once and from now on.
    pub(super) fn let_go(&self) {
        self.stopping.cancel();
    }

    /// How many wait.
    #[must_use]
    pub fn count(&self) -> usize {
        self.table.lock().len()
    }
}

impl Table {
    fn tell(&self, id: ExecutionId) {
        if let Some(told) = self.lock().get(&id) {
            // Kept if nobody listens yet.
            told.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ExecutionId, Arc<Notify>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    /// Returns when it is said that the execution has ended; `None` when nobody is to wait any more.
    pub async fn told(&self) -> Option<()> {
        tokio::select! {
            biased;
            () = self.told.notified() => Some(()),
            () = self.stopping.cancelled() => None,
        }
    }

    /// What is waited for.
    #[must_use]
    pub fn execution_id(&self) -> ExecutionId {
        self.id
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.table.lock().remove(&self.id);
    }
}

impl std::fmt::Debug for Waiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Waiter({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Signal;

    #[tokio::test]
    async fn the_end_is_told_to_whoever_waits_for_it_also_if_it_came_first() {
        let signal = Signal::local();
        let waiters = Waiters::start(signal.listen_to_ends());
        let (one, other) = (ExecutionId::new(), ExecutionId::new());
        let (waiter, patient) =
            (waiters.wait_for(one).expect("room"), waiters.wait_for(other).expect("room"));
        signal.send(Hint::Ended(ExecutionId::new()));
        signal.send(Hint::Ended(one));
        assert_eq!(waiter.told().await, Some(()));
        waiters.let_go();
        assert_eq!((patient.told().await, patient.execution_id()), (None, other));
        let late = waiters.wait_for(one).expect("room");
        assert_eq!(late.told().await, None, "who comes after the stop does not wait");
    }

    #[tokio::test]
    async fn places_are_taken_up_to_the_limit_and_given_back() {
        let waiters = Waiters::with_places(Signal::local().listen_to_ends(), 2);
        let wait = || waiters.wait_for(ExecutionId::new());
        let (first, second) = (wait(), wait());
        assert!(first.is_some() && second.is_some() && wait().is_none());
        drop(first);
        assert_eq!(waiters.count(), 1);
        assert!(wait().is_some());
    }
}
