//! What this process is running right now, as opposed to what the ledger says it holds.
//!
//! The two differ when a claim's answer was lost: the row is ours and nobody knows. Nobody else would ever take it,
//! because our lease is renewed: the worker must find it and let go.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::Hold;

/// The runs under way; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct UnderWay(Arc<Mutex<HashSet<Hold>>>);

/// A run is under way for as long as this lives, and a panic ends it too.
pub(super) struct Run {
    all: UnderWay,
    hold: Hold,
}

impl UnderWay {
    /// Notes a run.
    pub fn begin(&self, hold: Hold) -> Run {
        self.lock().insert(hold);
        Run { all: self.clone(), hold }
    }

    /// Whether it is in hand.
    pub fn contains(&self, hold: &Hold) -> bool {
        self.lock().contains(hold)
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Hold>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.all.lock().remove(&self.hold);
    }
}
