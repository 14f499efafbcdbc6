//! The clock is an argument: code asks this one, tests turn it.
//!
//! It tells the time of day for rows, windows and leases. Durations of calls are measured with
//! [`std::time::Instant`], which no clock change can disturb.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::model::Time;

/// Tells the time; cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    /// Milliseconds since the Unix epoch, moved by hand.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that starts now and stands still until [`Clock::advance`].
    #[must_use]
    pub fn manual() -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(Self::system().now().timestamp_millis()))))
    }

    /// The time in whole milliseconds: what a row can hold on every database, so that a time that was
    /// stored and read again equals itself.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the one home of the wall clock")]
    pub fn now(&self) -> Time {
        let millis = match &self.0 {
            Source::System => Utc::now().timestamp_millis(),
            Source::Manual(millis) => millis.load(Ordering::SeqCst),
        };
        DateTime::from_timestamp_millis(millis).expect("the clock is within chrono's range")
    }

    /// The time of a manual clock. `None` is the machine's, and whoever has one that is shared by all processes goes by
    /// that instead.
    #[must_use]
    pub fn by_hand(&self) -> Option<Time> {
        matches!(self.0, Source::Manual(_)).then(|| self.now())
    }

    /// Moves a manual clock forward; the system's cannot be moved and ignores it.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(millis) = &self.0 {
            millis.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
        }
    }
}
