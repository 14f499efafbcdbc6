//! The doorbell: tells workers that an execution may be due. It carries ids and nothing else.
//!
//! Ringing is a hint. The row is the truth, claims are compare-and-set, and each worker's sweep rings again
//! for what is due: a bell that is lost, doubled or late changes nothing but the time of day. This is the
//! only module that names apalis.

mod memory;

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::model::ExecutionId;

/// Rung and not yet taken up, at most. The rest waits in the database, where the sweep finds it.
pub const WINDOW: usize = 4000;

/// Both ends of the bell; cheap to clone.
#[derive(Clone)]
pub struct Queue {
    bell: mpsc::Sender<ExecutionId>,
    /// Taken once, by [`Queue::work`].
    calls: Arc<Mutex<Option<mpsc::Receiver<ExecutionId>>>>,
    /// What is rung and not yet taken up, so that a sweep does not ring the same ids again and again.
    rung: Arc<Mutex<HashSet<ExecutionId>>>,
}

impl Queue {
    /// apalis's in-process queue.
    #[must_use]
    pub fn memory() -> Self {
        let (bell, calls) = mpsc::channel(WINDOW);
        Self { bell, calls: Arc::new(Mutex::new(Some(calls))), rung: Arc::default() }
    }

    /// Rings for an execution; never waits. With a full window nothing happens: the sweep comes back to it.
    pub fn ring(&self, id: ExecutionId) {
        if self.lock().insert(id) && self.bell.try_send(id).is_err() {
            self.lock().remove(&id);
        }
    }

    /// Calls `handler` for each ring, up to `concurrency` at once, until `stop`; then returns when the calls
    /// under way have ended. A handler that panics ends its own call only.
    pub async fn work<H, F>(&self, concurrency: usize, stop: CancellationToken, handler: H)
    where
        H: Fn(ExecutionId) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(calls) = calls else {
            tracing::error!("the in-process queue has a worker already");
            return;
        };
        let rung = self.rung.clone();
        let handler = move |id| {
            rung.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            handler(id)
        };
        memory::work(calls, concurrency, stop, handler).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<ExecutionId>> {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    async fn until(what: impl Fn() -> bool) {
        for _ in 0..2000 {
            if what() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it never happened");
    }

    #[tokio::test]
    async fn every_ring_is_heard_and_the_window_is_bounded() {
        let queue = Queue::memory();
        for _ in 0..WINDOW + 10 {
            queue.ring(ExecutionId::new());
        }
        assert_eq!(queue.lock().len(), WINDOW, "what does not fit is left to the sweep");
        let heard = Arc::new(AtomicUsize::new(0));
        let stop = CancellationToken::new();
        let (bell, count) = (queue.clone(), heard.clone());
        let worker = tokio::spawn({
            let stop = stop.clone();
            async move {
                bell.work(64, stop, move |_| {
                    let count = count.clone();
                    async move {
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                })
                .await;
            }
        });
        until(|| heard.load(Ordering::SeqCst) == WINDOW).await;
        assert!(queue.lock().is_empty());
        stop.cancel();
        worker.await.expect("the worker ends");
    }

    #[tokio::test]
    async fn a_panic_ends_its_own_call_only_and_a_stop_waits_for_the_others() {
        let queue = Queue::memory();
        let ended = Arc::new(AtomicUsize::new(0));
        let started = Arc::new(AtomicUsize::new(0));
        let stop = CancellationToken::new();
        let (bell, done, begun, halt) = (queue.clone(), ended.clone(), started.clone(), stop.clone());
        let worker = tokio::spawn(async move {
            bell.work(8, halt, move |_| {
                let (done, nth) = (done.clone(), begun.fetch_add(1, Ordering::SeqCst));
                async move {
                    assert!(nth != 1, "the second call panics");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    done.fetch_add(1, Ordering::SeqCst);
                }
            })
            .await;
        });
        for _ in 0..4 {
            queue.ring(ExecutionId::new());
        }
        until(|| started.load(Ordering::SeqCst) == 4).await;
        stop.cancel();
        worker.await.expect("the worker ends");
        assert_eq!(ended.load(Ordering::SeqCst), 3);
    }
}
