//! Once a day the sums that are shown in no window any more are forgotten, a few at a time.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Worker;
use crate::model::Grain;

/// Sums that are forgotten in one turn: a statement that nobody waits for noticeably.
const SLICE: i64 = 1000;
/// Between two turns: 86 million sums in a day.
const TURN: Duration = Duration::from_secs(1);
/// From the beginning of a walk to the next one.
const WALK: TimeDelta = TimeDelta::days(1);

impl Worker {
    /// Forgets until `stop`. Several workers may: what is forgotten is forgotten.
    pub(super) async fn forget_stats(self, stop: CancellationToken) {
        let mut turn = interval(TURN);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut began, mut grains) = (self.app.clock.now(), Grain::ALL.to_vec());
        loop {
            tokio::select! {
                _ = turn.tick() => {}
                () = stop.cancelled() => return,
            }
            let now = self.app.clock.now();
            // A clock that was set back must not put it off for ever.
            if grains.is_empty() && (now >= began + WALK || now < began) {
                (began, grains) = (now, Grain::ALL.to_vec());
            }
            let Some(grain) = grains.last().copied() else { continue };
            match self.app.store.forget_rollups(grain, now - grain.kept(), SLICE).await {
                Ok(forgotten) if forgotten < SLICE.unsigned_abs() => drop(grains.pop()),
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "could not forget sums; it is tried again"),
            }
        }
    }
}
