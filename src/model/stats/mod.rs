//! How many runs ended, how, and what they took, added up over stretches of time.

mod latencies;
mod run_end;
mod window;

use super::Cost;

pub use latencies::Latencies;
pub use run_end::RunEnd;
pub use window::{Grain, Window};

/// What the runs that ended in some stretch of time took together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollup {
    /// Runs that ended with an output.
    pub succeeded: i64,
    /// Runs that ended with an error.
    pub failed: i64,
    /// Runs that somebody ended.
    pub cancelled: i64,
    /// Tokens that went in.
    pub prompt_tokens: i64,
    /// Tokens that came out.
    pub completion_tokens: i64,
    /// Of the runs whose cost is known.
    pub cost: Cost,
    /// Runs whose cost is not.
    pub unknown_costs: i64,
    /// How long the runs took that ended by themselves.
    pub latencies: Latencies,
}

impl Rollup {
    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        for (sum, part) in [
            (&mut self.succeeded, other.succeeded),
            (&mut self.failed, other.failed),
            (&mut self.cancelled, other.cancelled),
            (&mut self.prompt_tokens, other.prompt_tokens),
            (&mut self.completion_tokens, other.completion_tokens),
            (&mut self.cost.0, other.cost.0),
            (&mut self.unknown_costs, other.unknown_costs),
        ] {
            *sum = sum.saturating_add(part);
        }
        self.latencies.add(&other.latencies);
    }

    /// The share of runs that ended well among those that ended by themselves; `None`: there is none.
    #[must_use]
    pub fn success_rate(&self) -> Option<f64> {
        let all = self.succeeded.saturating_add(self.failed);
        (all > 0).then(|| self.succeeded as f64 / all as f64)
    }

    /// What all of them cost; `None` if any part is unknown.
    #[must_use]
    pub fn whole_cost(&self) -> Option<Cost> {
        (self.unknown_costs == 0).then_some(self.cost)
    }
}
