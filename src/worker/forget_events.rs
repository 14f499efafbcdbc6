//! What waits in vain is ended, and events that are old enough are forgotten with what became of them: a few at a time.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Worker;
use crate::model::Time;
use crate::store;

/// Rows that are looked at in one turn: a transaction that nobody waits for noticeably.
const SLICE: i64 = 500;
/// Between two turns of forgetting: 172 million rows in a day.
const TURN: Duration = Duration::from_millis(250);
/// Between two looks for what waits in vain.
const LOOK: Duration = Duration::from_secs(1);
/// From the beginning of a walk to the next one.
const WALK: TimeDelta = TimeDelta::minutes(1);

/// A walk through what may be forgotten: events go after their deliveries.
struct Walk {
    began: Time,
    at: Stage,
    after: Option<Uuid>,
}

/// What it looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Deliveries,
    Events,
    Ended,
}

impl Worker {
    /// Ends and forgets until `stop`. Several workers may: what is forgotten is forgotten.
    pub(super) async fn forget_events(self, stop: CancellationToken) {
        let (mut turn, mut look) = (interval(TURN), interval(LOOK));
        for ticks in [&mut turn, &mut look] {
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        let kept = TimeDelta::days(i64::from(self.app.settings.outbound.events_days));
        let mut walk = Walk::new(self.app.clock.now());
        loop {
            let is_turn = tokio::select! {
                _ = turn.tick() => true,
                _ = look.tick() => false,
                () = stop.cancelled() => return,
            };
            let now = self.app.clock.now();
            if walk.is_over(now) {
                walk = Walk::new(now);
            }
            let went = match is_turn {
                true => self.go_on(&mut walk, now - kept).await,
                false => self.end_what_waits_in_vain(now - kept, &stop).await,
            };
            if let Err(error) = went {
                tracing::debug!(%error, "could not end or forget what is old; it is tried again");
            }
        }
    }

    /// Slice by slice: others write in between.
    async fn end_what_waits_in_vain(&self, before: Time, stop: &CancellationToken) -> store::Result<()> {
        while self.app.store.end_vain_deliveries(SLICE, before).await? && !stop.is_cancelled() {}
        Ok(())
    }

    async fn go_on(&self, walk: &mut Walk, before: Time) -> store::Result<()> {
        let store = &self.app.store;
        let (forgotten, next) = match walk.at {
            Stage::Deliveries => store.forget_ended_deliveries(walk.after, SLICE, before).await?,
            Stage::Events => store.forget_events(walk.after, SLICE, before).await?,
            Stage::Ended => return Ok(()),
        };
        if forgotten > 0 {
            tracing::debug!(rows = forgotten, "forgotten: they are older than events are kept");
        }
        walk.after = next;
        walk.at = match walk.at {
            at if next.is_some() => at,
            Stage::Deliveries => Stage::Events,
            Stage::Events | Stage::Ended => Stage::Ended,
        };
        Ok(())
    }
}

impl Walk {
    fn new(began: Time) -> Self {
        Self { began, at: Stage::Deliveries, after: None }
    }

    /// Whether it is time for another one. A clock that was set back must not put it off for ever.
    fn is_over(&self, now: Time) -> bool {
        self.at == Stage::Ended && (now >= self.began + WALK || now < self.began)
    }
}
