//! What this process is running right now, as opposed to what the ledger says it holds.
//!
//! The two differ when a claim's answer was lost: the row is ours and nobody knows. Nobody else would ever take it,
//! because our lease is renewed: the worker must find it and let go. And they differ when a run was taken out of our
//! hands, because somebody cancelled it or took us for dead: then its call costs money for nothing, and is given up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::model::ExecutionId;
use crate::store::Hold;

/// The runs under way; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct UnderWay(Arc<Mutex<HashMap<Hold, CancellationToken>>>);

/// A run is under way for as long as this lives, and a panic ends it too.
pub(super) struct Run {
    all: UnderWay,
    hold: Hold,
    given_up: CancellationToken,
}

impl UnderWay {
    /// Notes a run.
    pub fn begin(&self, hold: Hold) -> Run {
        let given_up = CancellationToken::new();
        self.lock().insert(hold, given_up.clone());
        Run { all: self.clone(), hold, given_up }
    }

    /// All of them.
    pub fn all(&self) -> Vec<Hold> {
        self.lock().keys().copied().collect()
    }

    /// Whether it is in hand.
    pub fn contains(&self, hold: &Hold) -> bool {
        self.lock().contains_key(hold)
    }

    /// Gives up a run that is not ours any more. `false`: it is not under way.
    pub fn give_up(&self, hold: &Hold) -> bool {
        self.lock().get(hold).map(CancellationToken::cancel).is_some()
    }

    /// The same for an execution that has ended, by whichever claim it runs here. `false`: it does not.
    pub fn give_up_all_of(&self, id: ExecutionId) -> bool {
        let runs = self.lock();
        let of_it = runs.iter().filter(|(hold, _)| hold.execution_id == id);
        of_it.map(|(_, given_up)| given_up.cancel()).count() > 0
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Hold, CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    /// Waits until it is given up.
    pub async fn given_up(&self) {
        self.given_up.cancelled().await;
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.all.lock().remove(&self.hold);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::model::WorkerId;

    #[test]
    fn what_is_given_up_is_that_run_and_no_other() {
        let all = UnderWay::default();
        let hold = |execution_id, claims| Hold { execution_id, owner: WorkerId::new(), claims };
        let id = ExecutionId::new();
        let [first, second] = [1, 2].map(|claims| all.begin(hold(id, claims)));
        let other = all.begin(hold(ExecutionId::new(), 1));
        let given_up = |run: &Run| run.given_up().now_or_never().is_some();
        assert!(all.give_up(&first.hold));
        assert_eq!([&first, &second, &other].map(given_up), [true, false, false]);
        assert!(all.give_up_all_of(id) && !all.give_up_all_of(ExecutionId::new()));
        assert_eq!([&first, &second, &other].map(given_up), [true, true, false]);
        let gone = first.hold;
        drop(first);
        assert!(!all.contains(&gone) && !all.give_up(&gone) && all.all().len() == 2);
    }
}
