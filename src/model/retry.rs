//! When a failed call is tried again.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How often and how patiently an agent's call is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// Calls in all, the first one included: 1–20. A fallback to another key is not counted.
    #[schema(minimum = 1, maximum = 20)]
    pub max_attempts: u32,
    /// How the delay grows.
    pub backoff: Backoff,
    /// Delay before the second call, in ms: 0–3,600,000.
    #[schema(maximum = 3_600_000)]
    pub initial_delay_ms: u64,
    /// No delay is longer, in ms: up to 86,400,000.
    #[schema(maximum = 86_400_000)]
    pub max_delay_ms: u64,
}

/// How the delay grows from one retry to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// Doubles each time.
    #[default]
    Exponential,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_attempts: 3, backoff: Backoff::Exponential, initial_delay_ms: 1000, max_delay_ms: 60_000 }
    }
}

impl RetryPolicy {
    /// The wait after the `tries`-th call (1 is the first). `jitter` in `[0, 1)` picks a point in the
    /// upper half of the delay, so that what failed together does not return together.
    #[must_use]
    pub fn delay(&self, tries: u32, jitter: f64) -> Duration {
        let Backoff::Exponential = self.backoff;
        let doubled = self.initial_delay_ms.saturating_mul(1 << tries.saturating_sub(1).min(30));
        let full = doubled.min(self.max_delay_ms) as f64;
        Duration::from_millis((full / 2.0 + full / 2.0 * jitter).round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_cap_and_never_below_half() {
        let policy = RetryPolicy::default();
        let longest = |tries| policy.delay(tries, 0.999_999).as_millis();
        assert_eq!([longest(1), longest(2), longest(3)], [1000, 2000, 4000]);
        assert_eq!(longest(60), 60_000);
        assert_eq!(policy.delay(1, 0.0).as_millis(), 500);
    }
}
