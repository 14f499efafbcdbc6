//! Jobs under way that do something to many executions: a few at a time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Jobs at once, in one process.
pub const BULK_JOBS: usize = 2;

/// Lets a few work at a time: each writes a transaction per execution, beside the accepts.
pub struct BulkJobs(Arc<Semaphore>);

impl Default for BulkJobs {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BULK_JOBS)))
    }
}

impl BulkJobs {
    /// A turn, for as long as it is held; `None` if all are taken.
    pub fn turn(&self) -> Option<OwnedSemaphorePermit> {
        self.0.clone().try_acquire_owned().ok()
    }
}
