//! Once a day the ledger is walked, and deliveries whose window has passed are forgotten.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Worker;
use crate::model::{ExecutionId, Time};

/// Executions that are looked at in one turn: a statement that nobody waits for noticeably.
const SLICE: i64 = 1000;
/// Between two turns: 86 million executions in a day.
const TURN: Duration = Duration::from_secs(1);
/// From the beginning of a walk to the next one.
const WALK: TimeDelta = TimeDelta::days(1);
/// So long after its window a delivery is still remembered: another process's clock may be behind.
const SLACK: TimeDelta = TimeDelta::hours(1);

/// A walk through the ledger.
struct Walk {
    began: Time,
    /// Where it has come to.
    after: Option<ExecutionId>,
    ended: bool,
}

impl Worker {
    /// Walks until `stop`. Several workers may: what is forgotten is forgotten.
    pub(super) async fn forget(self, stop: CancellationToken) {
        let mut turn = interval(TURN);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut walk = Walk::new(self.app.clock.now());
        loop {
            tokio::select! {
                _ = turn.tick() => {}
                () = stop.cancelled() => return,
            }
            let now = self.app.clock.now();
            if walk.is_over(now) {
                walk = Walk::new(now);
            }
            if walk.ended {
                continue;
            }
            match self.app.store.forget_deliveries(walk.after, SLICE, now - SLACK).await {
                Ok(forgotten) => {
                    if forgotten.deliveries > 0 {
                        tracing::debug!(
                            deliveries = forgotten.deliveries,
                            "forgotten: their windows have passed"
                        );
                    }
                    walk.ended = forgotten.at.is_none();
                    walk.after = forgotten.at;
                }
                Err(error) => tracing::debug!(%error, "could not forget deliveries; it is tried again"),
            }
        }
    }
}

impl Walk {
    fn new(began: Time) -> Self {
        Self { began, after: None, ended: false }
    }

    /// Whether it is time for another one. A clock that was set back must not put it off for ever.
    fn is_over(&self, now: Time) -> bool {
        self.ended && (now >= self.began + WALK || now < self.began)
    }
}
