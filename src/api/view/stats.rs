//! Sums of executions as the API shows them.

use chrono::TimeDelta;
use serde::Serialize;
use utoipa::ToSchema;

use super::Stamp;
use crate::model::{Cost, Rollup, Time, Window};
use crate::store::Backlog;

#[derive(Serialize, ToSchema)]
#[schema(as = Stats)]
pub struct StatsView {
    pub window: Window,
    /// Where the first bucket begins.
    pub from: Stamp,
    /// Where the last one ends: it is that of this moment, and has not ended yet.
    pub to: Stamp,
    /// How long each bucket is, in s: 60 of a minute, 96 of a quarter of an hour, 84 of two hours, 60 of twelve.
    #[schema(minimum = 60)]
    pub bucket_seconds: i64,
    /// All buckets together.
    pub totals: SumView,
    /// The oldest first, those in which nothing ended too.
    pub buckets: Vec<BucketView>,
    pub queue: QueueView,
}

/// What the runs that ended in some time took together. A run that was asked for again (retry) counts once more.
#[derive(Serialize, ToSchema)]
#[schema(as = StatsSum)]
pub struct SumView {
    #[schema(minimum = 0)]
    pub success: i64,
    #[schema(minimum = 0)]
    pub failed: i64,
    #[schema(minimum = 0)]
    pub cancelled: i64,
    /// The share of `success` in `success` and `failed`; `null` where there is neither.
    #[schema(required, minimum = 0, maximum = 1)]
    pub success_rate: Option<f64>,
    #[schema(minimum = 0)]
    pub prompt_tokens: i64,
    #[schema(minimum = 0)]
    pub completion_tokens: i64,
    /// `null` if the cost of any run is unknown, as it is of an execution.
    #[schema(required, minimum = 0)]
    pub cost_usd: Option<f64>,
    /// Of the runs whose cost is known.
    #[schema(minimum = 0)]
    pub known_cost_usd: f64,
    /// Runs whose cost is not.
    #[schema(minimum = 0)]
    pub unknown_costs: i64,
    pub latency_ms: LatencyView,
}

/// `total_ms` of the runs that succeeded or failed. Each is right to 4.5 % and half a millisecond; `null` where there is no
/// such run.
#[derive(Serialize, ToSchema)]
#[schema(as = StatsLatency)]
pub struct LatencyView {
    #[schema(required, minimum = 0)]
    pub p50: Option<i64>,
    #[schema(required, minimum = 0)]
    pub p95: Option<i64>,
    #[schema(required, minimum = 0)]
    pub p99: Option<i64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = StatsBucket)]
pub struct BucketView {
    /// Its beginning.
    pub at: Stamp,
    #[serde(flatten)]
    pub sum: SumView,
}

/// What has not ended at this moment. Each number is counted as far as 10,000, which then means: so many or more.
#[derive(Serialize, ToSchema)]
#[schema(as = StatsQueue)]
pub struct QueueView {
    /// Executions that are queued, those that wait for another try too.
    #[schema(minimum = 0, maximum = 10_000)]
    pub depth: i64,
    /// For how long the oldest of them has been due; `null` if none is.
    #[schema(required, minimum = 0)]
    pub oldest_waiting_ms: Option<i64>,
    #[schema(minimum = 0, maximum = 10_000)]
    pub running: i64,
    /// Executions that wait for a person. Of an agent: among 10,000 of its tenant's.
    #[schema(minimum = 0, maximum = 10_000)]
    pub held: i64,
}

/// The buckets of a window; `sums` are those in which something ended, in the order of time.
pub fn stats(window: Window, sums: Vec<(Time, Rollup)>, backlog: Backlog, now: Time) -> StatsView {
    let (mut totals, mut sums) = (Rollup::default(), sums.into_iter().peekable());
    let mut buckets = Vec::new();
    for at in window.beginnings(now) {
        let mut sum = Rollup::default();
        while let Some((_, of)) = sums.next_if(|(begins, _)| *begins <= at) {
            sum.add(&of);
        }
        totals.add(&sum);
        buckets.push(BucketView { at: Stamp(at), sum: view(&sum) });
    }
    let length = window.grain().length();
    let to = window.grain().beginning(now) + length;
    StatsView {
        window,
        from: Stamp(to - length * window.buckets()),
        to: Stamp(to),
        bucket_seconds: length.num_seconds(),
        totals: view(&totals),
        buckets,
        queue: QueueView {
            depth: backlog.waiting,
            oldest_waiting_ms: backlog
                .oldest_due_at
                .map(|due| (now - due).max(TimeDelta::zero()).num_milliseconds()),
            running: backlog.running,
            held: backlog.held,
        },
    }
}

fn view(sum: &Rollup) -> SumView {
    SumView {
        success: sum.succeeded,
        failed: sum.failed,
        cancelled: sum.cancelled,
        success_rate: sum.success_rate(),
        prompt_tokens: sum.prompt_tokens,
        completion_tokens: sum.completion_tokens,
        cost_usd: sum.whole_cost().map(Cost::usd),
        known_cost_usd: sum.cost.usd(),
        unknown_costs: sum.unknown_costs,
        latency_ms: LatencyView {
            p50: sum.latencies.percentile(0.5),
            p95: sum.latencies.percentile(0.95),
            p99: sum.latencies.percentile(0.99),
        },
    }
}
