//! What a filter and rate limits cost the accept: the same webhooks to two agents of one server, in turns.

use std::sync::Arc;
use std::time::Duration;

use crate::Outcome;
use crate::accept::{AT_MOST, SPARE, all_accepted, idle_settings};
use crate::arguments::Scale;
use crate::deployment::{Deployment, Setup};
use crate::load::{self, Use};
use crate::report::{count, median};
use crate::upstream::Upstream;

/// One row.
pub async fn measure(setup: &Setup, scale: &Scale) -> Outcome<Vec<Vec<String>>> {
    let upstream = Upstream::start(None).await?;
    let mut deployment = Deployment::without_worker(setup, &idle_settings(&upstream)).await?;
    let mut with_rules = deployment.with_rules().await?;

    let warm_up = scale.span.min(Duration::from_secs(1));
    let hooks = Arc::new(deployment.sender.sign((AT_MOST * warm_up.as_secs_f64()) as usize));
    let warm = load::closed(deployment.address, &hooks, scale.connections, warm_up, Use::Once).await?;
    // The tenant's limit counts both agents' webhooks only where it is asked: at the one that has rules.
    let enough = (warm.rate() * scale.span.as_secs_f64() * SPARE) as usize + scale.connections;

    let (mut plain, mut ruled) = (Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        for (sender, rates) in [(&mut deployment.sender, &mut plain), (&mut with_rules, &mut ruled)] {
            let hooks = Arc::new(sender.sign(enough));
            let load =
                load::closed(deployment.address, &hooks, scale.connections, scale.span, Use::Once).await?;
            rates.push(all_accepted(&load)?.rate());
        }
        eprintln!("  without {:.0}/s, with {:.0}/s", plain[plain.len() - 1], ruled[ruled.len() - 1]);
    }
    let ratio = median(ruled.iter().zip(&plain).map(|(ruled, plain)| ruled / plain));
    Ok(vec![vec![
        setup.name.into(),
        count(median(plain)),
        count(median(ruled)),
        format!("{:.0} %", ratio * 100.0),
    ]])
}
