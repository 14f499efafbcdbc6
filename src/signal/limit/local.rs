//! Rates of one process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Over, Rate};

/// So many numbers are kept before those that say nothing any more are looked for.
const FEW: usize = 1024;

/// The numbers.
#[derive(Debug, Default)]
pub(super) struct Local(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    /// When each rate has its whole burst again, in µs since the epoch.
    full_at: HashMap<String, i64>,
    /// How many it had after the last look.
    kept: usize,
}

impl Local {
    /// Takes room for one hook of all these rates at this time (in µs), or of none.
    pub fn take(&self, rates: &[Rate], now: i64) -> Result<(), Over> {
        let mut book = self.lock();
        let keyed: Vec<_> = rates.iter().map(|rate| (rate, rate.key())).collect();
        let mut over: Option<(i64, &Rate)> = None;
        for (rate, key) in &keyed {
            let wait = book.full_at(key, now) + rate.step() - rate.reach() - now;
            if wait > over.map_or(0, |(longest, _)| longest) {
                over = Some((wait, rate));
            }
        }
        if let Some((wait, rate)) = over {
            return Err(Over { rate: rate.clone(), wait: Duration::from_micros(wait.unsigned_abs()) });
        }
        for (rate, key) in keyed {
            let full_at = book.full_at(&key, now) + rate.step();
            book.full_at.insert(key, full_at);
        }
        book.forget(now);
        Ok(())
    }

    /// Gives back what was taken.
    pub fn give_back(&self, rates: &[Rate]) {
        let mut book = self.lock();
        for rate in rates {
            if let Some(full_at) = book.full_at.get_mut(&rate.key()) {
                *full_at -= rate.step();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn full_at(&self, key: &str, now: i64) -> i64 {
        self.full_at.get(key).copied().unwrap_or(now).max(now)
    }

    /// Forgets what has its whole burst, each time as many have come as there were.
    fn forget(&mut self, now: i64) {
        if self.full_at.len() > (2 * self.kept).max(FEW) {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.kept = self.full_at.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::RateOwner;
    use super::*;
    use crate::model::{AgentId, RateLimit};

    const SECOND: i64 = 1_000_000;

    fn rate(per_minute: u32, burst: u32) -> Rate {
        Rate { owner: RateOwner::Agent(AgentId::new()), limit: RateLimit { per_minute, burst } }
    }

    fn tenant(per_minute: u32, burst: u32) -> Rate {
        let owner = RateOwner::Tenant("acme".parse().expect("a tenant"));
        Rate { owner, limit: RateLimit { per_minute, burst } }
    }

    /// How many are taken at this time.
    fn taken(local: &Local, rates: &[Rate], now: i64) -> usize {
        (0..100_000).take_while(|_| local.take(rates, now).is_ok()).count()
    }

    #[test]
    fn a_burst_at_once_and_then_the_rate() {
        let (local, rates) = (Local::default(), [rate(60, 3)]);
        assert_eq!(taken(&local, &rates, 0), 3);
        assert_eq!(taken(&local, &rates, SECOND - 1), 0);
        assert_eq!(taken(&local, &rates, SECOND), 1);
        assert_eq!(taken(&local, &rates, 2 * SECOND + SECOND / 2), 1);
        assert_eq!(taken(&local, &rates, 3 * SECOND), 1);
        assert_eq!(taken(&local, &rates, 1000 * SECOND), 3, "no more than the burst is saved up");
    }

    #[test]
    fn the_smallest_and_the_largest() {
        let local = Local::default();
        for (per_minute, burst) in [(1, 1), (1, 2), (RateLimit::MAX, 1), (1, 1000), (RateLimit::MAX, 99_999)]
        {
            assert_eq!(taken(&local, &[rate(per_minute, burst)], 0), burst as usize);
        }
    }

    #[test]
    fn both_have_room_or_neither_is_taken_and_the_longer_wait_is_told() {
        let (local, agent, tenant) = (Local::default(), rate(60, 5), tenant(1, 2));
        let both = [agent.clone(), tenant.clone()];
        assert_eq!(taken(&local, &both, 0), 2);
        let over = local.take(&both, 0).expect_err("the tenant's is empty");
        assert_eq!(over, Over { rate: tenant, wait: Duration::from_secs(60) });
        assert_eq!(taken(&local, &[agent], 0), 3, "of the agent's nothing was taken for what was refused");
    }

    #[test]
    fn what_is_given_back_is_there_again() {
        let (local, rates) = (Local::default(), [rate(1, 2), tenant(1, 2)]);
        assert_eq!(taken(&local, &rates, 0), 2);
        local.give_back(&rates);
        assert_eq!(taken(&local, &rates, 0), 1);
        local.give_back(&[rate(1, 2)]);
        assert_eq!(taken(&local, &rates, 0), 0, "another's is not");
    }

    #[test]
    fn what_has_its_whole_burst_is_forgotten() {
        let local = Local::default();
        for n in 0..10_000 {
            local.take(&[rate(60, 10)], n * SECOND).expect("room");
        }
        assert!(local.lock().full_at.len() <= FEW + 1);
        let busy: Vec<_> = (0..FEW * 3).map(|_| rate(1, 1)).collect();
        busy.iter().for_each(|busy| local.take(std::slice::from_ref(busy), SECOND * 20_000).expect("room"));
        assert!(
            busy.iter().all(|busy| local.take(std::slice::from_ref(busy), SECOND * 20_000).is_err()),
            "what counts stays"
        );
    }

    proptest! {
        #[test]
        fn after_the_wait_that_was_told_there_is_room(
            per_minute in 1..=RateLimit::MAX, burst in 1..2000_u32, now in 0..4_000_000_000_000_000_i64,
        ) {
            let (local, rates) = (Local::default(), [rate(per_minute, burst)]);
            prop_assert_eq!(taken(&local, &rates, now), burst as usize);
            let wait = local.take(&rates, now).expect_err("one more than the burst").wait;
            let then = now + i64::try_from(wait.as_micros()).expect("a short one");
            prop_assert!(wait <= Duration::from_secs(60) && local.take(&rates, then - 1).is_err());
            prop_assert!(local.take(&rates, then).is_ok() && local.take(&rates, then).is_err());
        }
    }
}
