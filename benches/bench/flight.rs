//! Many calls at once: how many a worker holds, what each costs in memory, and how fast they end.

use std::time::{Duration, Instant};

use crate::Outcome;
use crate::arguments::Scale;
use crate::deployment::{Deployment, Setup};
use crate::report::{count, megabytes};
use crate::upstream::Upstream;

/// A model that thinks.
const SLOW: Duration = Duration::from_secs(2);
/// A model that does not.
const FAST: Duration = Duration::from_millis(200);
/// Rate at which fast calls are provided for.
const FAST_PER_SECOND: f64 = 4000.0;
/// Nothing has happened for so long: nothing will.
const STILL: Duration = Duration::from_secs(4);
/// Between two looks at the processes.
const LOOK: Duration = Duration::from_millis(20);

/// One row per concurrency.
pub async fn measure(setup: &Setup, scale: &Scale) -> Outcome<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    for &concurrency in &scale.in_flight {
        rows.push(row(setup, scale, concurrency).await?);
    }
    Ok(rows)
}

async fn row(setup: &Setup, scale: &Scale, concurrency: usize) -> Outcome<Vec<String>> {
    let mut upstream = Upstream::start(Some(Duration::ZERO)).await?;
    let settings = [
        ("LITELLM_BASE_URL", format!("http://{}", upstream.address)),
        ("AGENTHOOK_WORKER_CONCURRENCY", concurrency.to_string()),
    ];
    let mut deployment = Deployment::start(setup, &settings).await?;
    deployment.send(1, 1).await?;
    upstream.next_call(Duration::from_secs(10)).await.ok_or("a webhook is not followed by a call")?;
    tokio::time::sleep(scale.span.min(Duration::from_secs(1))).await;

    let before = deployment.runner().resident()?;
    let seconds = scale.span.as_secs_f64();
    let turns = 1 + (seconds / SLOW.as_secs_f64()).ceil() as usize;
    let slow = ended(&mut deployment, &upstream, scale, concurrency, concurrency * turns, SLOW).await?;
    let calls = ((seconds * FAST_PER_SECOND) as usize).max(2 * concurrency);
    let fast = ended(&mut deployment, &upstream, scale, concurrency, calls, FAST).await?;
    let peak = upstream.peak();
    let each = slow.resident.saturating_sub(before) as f64 / slow.in_flight.max(1) as f64;
    Ok(vec![
        setup.name.into(),
        count(concurrency as f64),
        count(peak as f64),
        megabytes(before),
        megabytes(slow.resident),
        format!("{:.1} kB", each / 1e3),
        slow.rate(),
        fast.rate(),
    ])
}

struct Ended {
    in_flight: usize,
    resident: u64,
    executions: usize,
    missing: usize,
    time: Duration,
}

impl Ended {
    fn rate(&self) -> String {
        let rate = count(self.executions as f64 / self.time.as_secs_f64());
        if self.missing == 0 { rate } else { format!("{rate} ({} did not end)", self.missing) }
    }
}

/// Stores a backlog while the model holds every call, looks at the worker, and then lets calls take `delay` each
/// until the last execution has ended in the ledger.
async fn ended(
    deployment: &mut Deployment,
    upstream: &Upstream,
    scale: &Scale,
    concurrency: usize,
    executions: usize,
    delay: Duration,
) -> Outcome<Ended> {
    upstream.hold();
    let answered_before = upstream.answered();
    deployment.send(executions, scale.connections).await?;
    let (in_flight, _) = settled(|| upstream.in_flight(), concurrency).await;
    let resident = deployment.runner().resident()?;

    let begin = Instant::now();
    upstream.answer_after(delay);
    let (answered, mut last) = settled(|| upstream.answered() - answered_before, executions).await;
    // The answers are there; the rows are a commit or two behind.
    while answered >= executions
        && (deployment.has_any("running").await? || deployment.has_any("queued").await?)
    {
        if last.elapsed() > STILL {
            return Err("every call was answered, and not every execution has ended".into());
        }
        tokio::time::sleep(LOOK).await;
    }
    if answered >= executions {
        last = Instant::now();
    }
    if deployment.has_any("failed").await? {
        return Err("executions failed".into());
    }
    let missing = executions.saturating_sub(answered);
    Ok(Ended { in_flight, resident, executions: executions - missing, missing, time: last - begin })
}

/// Waits until the number is what is wanted, or does not change any more; what it is, and since when.
async fn settled(number: impl Fn() -> usize, wanted: usize) -> (usize, Instant) {
    let (mut last, mut since) = (number(), Instant::now());
    while last < wanted && since.elapsed() < STILL {
        tokio::time::sleep(LOOK).await;
        if number() != last {
            (last, since) = (number(), Instant::now());
        }
    }
    (last, since)
}
