//! What this process is running right now, as opposed to what the ledger says it holds.
//!
//! The two differ when a run falls over: a panic, or a database that failed in the wrong moment. Its lease is
//! renewed with all the others, so nobody else would ever take it: the worker must find it and let go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::ExecutionId;

/// The runs under way; cheap to clone. A run is there before its claim is made.
#[derive(Clone, Default)]
pub(super) struct UnderWay(Arc<Mutex<HashMap<ExecutionId, usize>>>);

/// A run is under way for as long as this lives, and a panic ends it too.
pub(super) struct Run {
    all: UnderWay,
    id: ExecutionId,
}

impl UnderWay {
    /// Notes a run. Two calls may try for the same one; the claim decides between them.
    pub fn begin(&self, id: ExecutionId) -> Run {
        *self.lock().entry(id).or_default() += 1;
        Run { all: self.clone(), id }
    }

    /// Whether somebody in this process has it in hand.
    pub fn contains(&self, id: ExecutionId) -> bool {
        self.lock().contains_key(&id)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ExecutionId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        match all.get_mut(&self.id) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(all.remove(&self.id)),
        }
    }
}
