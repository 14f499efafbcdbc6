//! Exports under way: a few at a time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Exports at once, in one process.
pub const EXPORTS: usize = 2;

/// Lets a few export at a time: each reads from the database as fast as its client takes it.
pub struct Exports(Arc<Semaphore>);

impl Default for Exports {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(EXPORTS)))
    }
}

impl Exports {
    /// A turn, for as long as it is held; `None` if all are taken.
    pub fn turn(&self) -> Option<OwnedSemaphorePermit> {
        self.0.clone().try_acquire_owned().ok()
    }
}
