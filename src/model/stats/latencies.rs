//! How long runs took, in buckets that grow with the duration: eight for each doubling.
//!
//! A percentile is the middle of its bucket, so it is off by 4.5 % and half a millisecond at most, whatever it is, and
//! sums of buckets are exact: those of a day are those of its minutes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Buckets for each doubling of the duration.
const PER_DOUBLING: f64 = 8.0;

/// How many runs took how long. Bucket 0 is less than a millisecond; bucket n from 1 on is from 2^((n - 1) / 8) ms to
/// 2^(n / 8) ms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Latencies(BTreeMap<u16, u64>);

impl Latencies {
    /// One run, of so many ms. A clock that was set back makes no duration negative.
    #[must_use]
    pub fn of(ms: i64) -> Self {
        Self(BTreeMap::from([(bucket(ms), 1)]))
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        for (bucket, runs) in &other.0 {
            let sum = self.0.entry(*bucket).or_default();
            *sum = sum.saturating_add(*runs);
        }
    }

    /// The duration in ms that so large a share of the runs did not exceed (0.95: p95); `None`: there are none.
    #[must_use]
    pub fn percentile(&self, share: f64) -> Option<i64> {
        let all: u64 = self.0.values().sum();
        let rank = ((share * all as f64).ceil() as u64).max(1);
        let mut counted = 0;
        let within = self.0.iter().find(|(_, runs)| {
            counted += **runs;
            counted >= rank
        });
        within.map(|(bucket, _)| middle(*bucket))
    }
}

fn bucket(ms: i64) -> u16 {
    if ms < 1 { 0 } else { 1 + ((ms as f64).log2() * PER_DOUBLING).floor() as u16 }
}

/// The geometric mean of a bucket's bounds, which is equally wrong at both.
fn middle(bucket: u16) -> i64 {
    if bucket == 0 { 0 } else { ((f64::from(bucket) - 0.5) / PER_DOUBLING).exp2().round() as i64 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(all: &[i64]) -> Latencies {
        let mut latencies = Latencies::default();
        all.iter().for_each(|ms| latencies.add(&Latencies::of(*ms)));
        latencies
    }

    /// By sorting.
    fn exact(all: &[i64], share: f64) -> i64 {
        let mut sorted = all.to_vec();
        sorted.sort_unstable();
        let rank = (share * all.len() as f64).ceil() as usize;
        sorted[rank.max(1) - 1]
    }

    proptest! {
        #[test]
        fn a_percentile_is_off_by_no_more_than_is_said(
            all in prop::collection::vec(prop_oneof![0..100_i64, 0..100_000_i64, 0..2_000_000_000_i64], 1..200),
            share in 0.0..=1.0_f64,
        ) {
            let (exact, told) = (exact(&all, share), of(&all).percentile(share).expect("there are some"));
            let off = (told - exact).abs() as f64;
            prop_assert!(off <= exact as f64 * 0.045 + 0.5, "{told} for {exact}");
        }

        #[test]
        fn sums_are_exact_and_text_keeps_them(
            one in prop::collection::vec(0..100_000_i64, 0..50),
            other in prop::collection::vec(0..100_000_i64, 0..50),
        ) {
            let mut sum = of(&one);
            sum.add(&of(&other));
            prop_assert_eq!(&sum, &of(&[one, other].concat()));
            let text = serde_json::to_string(&sum).expect("JSON");
            prop_assert_eq!(serde_json::from_str::<Latencies>(&text).expect("JSON"), sum);
        }
    }

    #[test]
    fn the_ends_of_the_scale() {
        assert_eq!(Latencies::default().percentile(0.5), None);
        for (ms, told) in [(i64::MIN, 0), (-5, 0), (0, 0), (1, 1), (2, 2), (3, 3)] {
            assert_eq!(Latencies::of(ms).percentile(0.5), Some(told), "{ms}");
        }
        assert!(Latencies::of(i64::MAX).percentile(1.0).is_some_and(|ms| ms > i64::MAX / 2));
    }
}
