//! How many webhooks are stored per second, and how long a sender waits for its 202.

use std::sync::Arc;
use std::time::Duration;

use crate::arguments::Scale;
use crate::deployment::{Deployment, Setup};
use crate::load::{self, Load, Use};
use crate::report::{count, median, milliseconds, percentile};
use crate::upstream::Upstream;
use crate::{Outcome, hello, process};

/// What is signed for a round, over what the warm-up took in the same time.
pub const SPARE: f64 = 2.0;
/// Webhooks of the warm-up, per second: more than any machine of today takes.
pub const AT_MOST: f64 = 100_000.0;

/// One row.
pub async fn measure(setup: &Setup, scale: &Scale) -> Outcome<Vec<Vec<String>>> {
    let upstream = Upstream::start(None).await?;
    let mut deployment = Deployment::without_worker(setup, &idle_settings(&upstream)).await?;
    let hello_address = process::free_address()?;
    let mut hello = hello::start(hello_address)?;
    hello.ready(hello_address, "/").await?;

    let warm_up = scale.span.min(Duration::from_secs(1));
    let hooks = Arc::new(deployment.sender.sign((AT_MOST * warm_up.as_secs_f64()) as usize));
    load::closed(hello_address, &hooks, scale.connections, warm_up, Use::Again).await?;
    let warm = load::closed(deployment.address, &hooks, scale.connections, warm_up, Use::Once).await?;
    let enough = (warm.rate() * scale.span.as_secs_f64() * SPARE) as usize + scale.connections;

    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        let hooks = Arc::new(deployment.sender.sign(enough));
        let load = load::closed(hello_address, &hooks, scale.connections, scale.span, Use::Again).await?;
        bare.push(all_accepted(&load)?.rate());
        let load = load::closed(deployment.address, &hooks, scale.connections, scale.span, Use::Once).await?;
        ours.push(all_accepted(&load)?.rate());
        eprintln!("  bare {:.0}/s, agenthook {:.0}/s", bare[bare.len() - 1], ours[ours.len() - 1]);
    }
    // Each round against its own neighbor: what slows the machine down for a while slows both.
    let ratio = median(ours.iter().zip(&bare).map(|(ours, bare)| ours / bare));
    let rate = median(ours);

    let hooks = Arc::new(deployment.sender.sign(enough));
    let mut open = load::open(deployment.address, &hooks, scale.connections, rate / 2.0, scale.span).await?;
    all_accepted(&open)?;
    open.latencies.sort();
    let mut row =
        vec![setup.name.into(), count(rate), count(median(bare)), format!("{:.0} %", ratio * 100.0)];
    row.extend([0.5, 0.99, 1.0].map(|share| milliseconds(percentile(&open.latencies, share))));
    Ok(vec![row])
}

/// Settings under which next to nothing runs. Where the worker is in the same process it gets one call at a time, and
/// that one is never answered; where it is apart it is not started.
pub fn idle_settings(upstream: &Upstream) -> [(&'static str, String); 2] {
    [
        ("LITELLM_BASE_URL", format!("http://{}", upstream.address)),
        ("AGENTHOOK_WORKER_CONCURRENCY", "1".into()),
    ]
}

/// The same load, if nothing of it was refused.
pub fn all_accepted(load: &Load) -> Outcome<&Load> {
    match load.refused {
        0 => Ok(load),
        refused => Err(format!("{refused} of {} were refused", refused + load.accepted).into()),
    }
}
