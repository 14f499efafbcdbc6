//! The doorbell: tells workers that an execution may be due. It carries ids and nothing else.
//!
//! Ringing is a hint. The row is the truth, claims are compare-and-set, and each worker's sweep finds what is due
//! without it: a bell that is lost, doubled or late changes nothing but the time of day. This is the only module
//! that names apalis.

mod memory;
mod redis;

use std::fmt;
use std::future::Future;

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use self::redis::Redis;
use crate::model::ExecutionId;
use memory::Memory;

pub use self::redis::{RedisReport, UrlFault, report};

/// Rung and not yet taken up, at most. The rest waits in the database, where the sweep finds it.
pub const WINDOW: usize = 4000;
/// Rings that a process answers at once. To answer one is to claim what it names: runs are not waited for.
const AT_ONCE: usize = 64;

/// Both ends of the bell; cheap to clone.
#[derive(Clone)]
pub enum Queue {
    /// Nobody hears: workers find what is due by their sweep alone.
    None,
    /// apalis's in-process queue.
    Memory(Memory),
    /// apalis's queue on Redis: between any number of processes.
    Redis(Redis),
}

impl Queue {
    /// apalis's in-process queue.
    #[must_use]
    pub fn memory() -> Self {
        Self::Memory(Memory::new())
    }

    /// apalis's queue on Redis. Redis need not be there yet. Two installations on one Redis use different database
    /// numbers. Call it on the runtime that lives as long as the process: the task that sends rings stays there.
    ///
    /// # Errors
    /// The URL cannot be used.
    pub fn redis(url: &SecretString) -> Result<Self, UrlFault> {
        Redis::new(url).map(Self::Redis)
    }

    /// Which one it is, in one word.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Memory(_) => "in-process",
            Self::Redis(_) => "redis",
        }
    }

    /// Whether only this process hears.
    #[must_use]
    pub fn is_in_process(&self) -> bool {
        matches!(self, Self::Memory(_))
    }

    /// Rings for an execution; never waits. With a full window nothing happens: the sweep finds it.
    pub fn ring(&self, id: ExecutionId) {
        match self {
            Self::None => {}
            Self::Memory(queue) => queue.ring(id),
            Self::Redis(queue) => queue.ring(id),
        }
    }

    /// Has an idle worker look at once, and often for a while: somebody else has said that there is something.
    pub fn wake(&self) {
        match self {
            // They are told by the ring itself.
            Self::None | Self::Memory(_) => {}
            Self::Redis(queue) => queue.wake(),
        }
    }

    /// Whether rings can be heard; answers within 2 s.
    ///
    /// # Errors
    /// What is wrong, for an operator: without URL or password.
    pub async fn ping(&self) -> Result<(), String> {
        match self {
            Self::None | Self::Memory(_) => Ok(()),
            Self::Redis(queue) => queue.ping().await,
        }
    }

    /// Calls `handler` for each ring, [`AT_ONCE`] at a time, until `stop`; then returns when the calls under way
    /// have ended. A handler should take up what it is rung for, or leave it, and return: it is not for the run
    /// itself. One that panics ends its own call only.
    pub async fn work<H, F>(&self, stop: CancellationToken, handler: H)
    where
        H: Fn(ExecutionId) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        match self {
            Self::None => stop.cancelled().await,
            Self::Memory(queue) => queue.work(stop, handler).await,
            Self::Redis(queue) => queue.work(stop, handler).await,
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
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
        let heard = Arc::new(AtomicUsize::new(0));
        let stop = CancellationToken::new();
        let (bell, count) = (queue.clone(), heard.clone());
        let worker = tokio::spawn({
            let stop = stop.clone();
            async move {
                bell.work(stop, move |_| {
                    let count = count.clone();
                    async move {
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                })
                .await;
            }
        });
        until(|| heard.load(Ordering::SeqCst) == WINDOW).await;
        queue.ring(ExecutionId::new());
        until(|| heard.load(Ordering::SeqCst) > WINDOW).await;
        assert_eq!(heard.load(Ordering::SeqCst), WINDOW + 1, "what did not fit is left to the sweep");
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
            bell.work(halt, move |_| {
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
