//! How many hits there were since they were last written, and which refusals get a row.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::DurationRound;

use crate::model::{AgentId, HitCount, HitReason, HitVerdict, Time};

/// Refusals of one agent that get a row in one minute, in this process: the first.
pub(super) const REFUSALS_A_MINUTE: u32 = 100;

/// Agents that share a lock.
const SHARDS: usize = 16;

/// Counts of all agents.
#[derive(Default)]
pub(super) struct Counts([Mutex<Shard>; SHARDS]);

#[derive(Default)]
struct Shard {
    hits: HashMap<HitCount, u64>,
    /// In which minute an agent was refused last, and how many times in it.
    refusals: HashMap<AgentId, (i64, u32)>,
}

impl Counts {
    /// Counts a hit.
    pub fn add(&self, agent_id: AgentId, at: Time, verdict: HitVerdict, reason: HitReason) {
        let count = HitCount { agent_id, hour: hour(at), verdict, reason };
        *self.shard(agent_id).hits.entry(count).or_default() += 1;
    }

    /// Whether one more refusal of this agent at this time gets a row.
    pub fn may_have_row(&self, agent_id: AgentId, at: Time) -> bool {
        let minute = minute(at);
        let mut shard = self.shard(agent_id);
        let (last, refusals) = shard.refusals.entry(agent_id).or_insert((minute, 0));
        if *last != minute {
            (*last, *refusals) = (minute, 0);
        }
        *refusals = refusals.saturating_add(1);
        *refusals <= REFUSALS_A_MINUTE
    }

    /// Takes what was counted, and forgets refusals of earlier minutes than this time's.
    pub fn take(&self, now: Time) -> Vec<(HitCount, u64)> {
        let minute = minute(now);
        let mut taken = Vec::new();
        for shard in &self.0 {
            let mut shard = lock(shard);
            shard.refusals.retain(|_, (last, _)| *last >= minute);
            taken.extend(shard.hits.drain());
        }
        taken
    }

    /// Adds many at once, such as what could not be written.
    pub fn add_all(&self, counts: Vec<(HitCount, u64)>) {
        for (count, hits) in counts {
            *self.shard(count.agent_id).hits.entry(count).or_default() += hits;
        }
    }

    fn shard(&self, AgentId(id): AgentId) -> MutexGuard<'_, Shard> {
        // The last byte of a version 7 id is random.
        let place = usize::from(id.as_bytes()[15]) % SHARDS;
        lock(&self.0[place])
    }
}

/// Nothing is half done where somebody could panic.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The hour's beginning.
pub(super) fn hour(at: Time) -> Time {
    at.duration_trunc(chrono::TimeDelta::hours(1)).unwrap_or(at)
}

fn minute(at: Time) -> i64 {
    at.timestamp().div_euclid(60)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REJECTED: (HitVerdict, HitReason) = (HitVerdict::Rejected, HitReason::InvalidSignature);

    #[test]
    fn the_first_refusals_of_a_minute_get_a_row_and_all_are_counted() {
        let counts = Counts::default();
        let (one, other) = (AgentId::new(), AgentId::new());
        let at = Time::from_timestamp(1_700_000_000, 0).expect("a time");
        let tried = |agent, at, times: u32| {
            (0..times)
                .filter(|_| {
                    counts.add(agent, at, REJECTED.0, REJECTED.1);
                    counts.may_have_row(agent, at)
                })
                .count()
        };
        assert_eq!(tried(one, at, REFUSALS_A_MINUTE - 1), 99);
        assert_eq!(tried(one, at, 1), 1, "the hundredth");
        assert_eq!(tried(one, at, 500), 0, "the one after it");
        assert_eq!(tried(other, at, 101), 100, "another agent's are its own");
        let next = at + chrono::TimeDelta::seconds(60);
        assert_eq!(tried(one, next, 101), 100, "another minute");
        let mut taken = counts.take(next);
        taken.sort_unstable();
        let all: u64 = taken.iter().filter(|(count, _)| count.agent_id == one).map(|(_, hits)| hits).sum();
        assert_eq!(all, 99 + 1 + 500 + 101);
        assert!(counts.take(next).is_empty());
        assert_eq!(tried(one, next, 1), 0, "taking counts forgets no refusal of this minute");
        counts.add_all(taken.clone());
        let again: u64 = counts.take(next).iter().map(|(_, hits)| hits).sum();
        assert_eq!(again, taken.iter().map(|(_, hits)| hits).sum::<u64>() + 1);
    }

    #[test]
    fn an_hour_is_told_by_its_beginning() {
        let at = |seconds| Time::from_timestamp(seconds, 0).expect("a time");
        assert_eq!(hour(at(7200)), at(7200));
        assert_eq!(hour(at(10_799)), at(7200));
        assert_eq!(hour(at(10_800)), at(10_800));
    }
}
