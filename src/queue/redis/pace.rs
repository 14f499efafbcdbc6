//! When to look into Redis: often under load, and every 50 ms when nothing happens.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use apalis::prelude::{PollSnapshot, PollStrategy};
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::{Instant, Sleep, sleep_until};

/// Between two looks under load.
const BUSY: Duration = Duration::from_millis(5);
/// Between two looks when nothing has come for a while.
const IDLE: Duration = Duration::from_millis(50);
/// The pause is this part of the time in which nothing has come.
const EASE: u32 = 8;

/// apalis asks a strategy on each poll of its worker and ignores the answer: all that counts is that a waker stays
/// behind. `poll_with_interval` of apalis-core 1.0.0 forgets it whenever its interval has just passed, and the
/// worker sleeps for ever. So here every poll ends pending, with a waker at the clock and one at the bell.
pub(super) struct Pace {
    wake: Arc<Notify>,
    /// Made before the last look, so that a call during it is not lost.
    called: Pin<Box<OwnedNotified>>,
    next: Pin<Box<Sleep>>,
    /// When something last came, or might have.
    stirred: Instant,
    taken: u64,
}

impl Pace {
    pub(super) fn new(wake: Arc<Notify>) -> Self {
        let now = Instant::now();
        let called = Box::pin(wake.clone().notified_owned());
        Self { wake, called, next: Box::pin(sleep_until(now)), stirred: now, taken: 0 }
    }

    fn pause(&self, now: Instant) -> Duration {
        ((now - self.stirred) / EASE).clamp(BUSY, IDLE)
    }
}

impl PollStrategy for Pace {
    fn poll_drive(&mut self, cx: &mut Context<'_>, snapshot: &PollSnapshot) -> Poll<Option<()>> {
        let now = Instant::now();
        if snapshot.total_ready != self.taken {
            (self.taken, self.stirred) = (snapshot.total_ready, now);
        }
        while self.called.as_mut().poll(cx).is_ready() {
            self.called = Box::pin(self.wake.clone().notified_owned());
            self.stirred = now;
            // Apart from the look that this call causes: one that is under way may have looked too early.
            self.next.as_mut().reset(now + BUSY);
        }
        while self.next.as_mut().poll(cx).is_ready() {
            let pause = self.pause(now);
            self.next.as_mut().reset(now + pause);
        }
        Poll::Pending
    }
}
