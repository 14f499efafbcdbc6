//! How much a tenant or an agent may have.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How many hooks are taken: `per_minute` in the long run, `burst` at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Per minute, in the long run: 1–1,000,000.
    #[schema(minimum = 1, maximum = 1_000_000, example = 600)]
    pub per_minute: u32,
    /// At once, after a pause: 1–1,000,000.
    #[schema(minimum = 1, maximum = 1_000_000, example = 100)]
    pub burst: u32,
}

impl RateLimit {
    /// The largest number of either.
    pub const MAX: u32 = 1_000_000;

    /// What is out of bounds.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        let fine = |number: u32| (1..=Self::MAX).contains(&number);
        let message = "per_minute and burst must each be between 1 and 1000000";
        (!fine(self.per_minute) || !fine(self.burst)).then_some(message)
    }
}

/// The most executions at once that a limit can name.
pub const MAX_CONCURRENCY: u32 = 10_000;
