//! Searches that are under way: each is bounded by itself, and here they are bounded together.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Searches at once, in one process.
pub const SEARCHES: usize = 2;
/// How long one more waits for its turn.
const PATIENCE: Duration = Duration::from_secs(2);

/// Lets a few search at a time. A search reads and compares up to 256 MiB, which would keep the database and the cores
/// from hooks if many did so.
pub struct Searches(Arc<Semaphore>);

impl Default for Searches {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(SEARCHES)))
    }
}

impl Searches {
    /// A turn, for as long as it is held; `None` if none came free in 2 s.
    pub async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        tokio::time::timeout(PATIENCE, self.0.clone().acquire_owned()).await.ok()?.ok()
    }
}
