//! What telling others costs the accept, and how fast they are told: the same webhooks to an agent that nobody listens to
//! and to one that has an endpoint, in turns.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::accept::{AT_MOST, SPARE, all_accepted, idle_settings};
use crate::arguments::Scale;
use crate::deployment::{Deployment, Setup};
use crate::hooks::Sender;
use crate::load::{self, Use};
use crate::report::{count, median};
use crate::upstream::Upstream;

/// Deliveries that do not move for so long do not come.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at the receiver.
const LOOK: Duration = Duration::from_millis(5);

/// One row.
pub async fn measure(setup: &Setup, scale: &Scale) -> Outcome<Vec<Vec<String>>> {
    let (llm, fast, hanging) = (
        Upstream::start(None).await?,
        Upstream::start(Some(Duration::ZERO)).await?,
        Upstream::start(None).await?,
    );
    let mut settings = idle_settings(&llm).to_vec();
    settings.push(("AGENTHOOK_EGRESS_ALLOW", "127.0.0.0/8".into()));
    let mut deployment = Deployment::start(setup, &settings).await?;
    let mut told = deployment.with_endpoints(&[fast.address]).await?;

    let warm_up = scale.span.min(Duration::from_secs(1));
    let hooks = Arc::new(deployment.sender.sign((AT_MOST * warm_up.as_secs_f64()) as usize));
    let warm = load::closed(deployment.address, &hooks, scale.connections, warm_up, Use::Once).await?;
    let enough = (warm.rate() * scale.span.as_secs_f64() * SPARE) as usize + scale.connections;

    let (mut without, mut with, mut delivered) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        let hooks = Arc::new(deployment.sender.sign(enough));
        let load = load::closed(deployment.address, &hooks, scale.connections, scale.span, Use::Once).await?;
        without.push(all_accepted(&load)?.rate());
        let (accepted, drained) = tell(&deployment, &mut told, &fast, enough, scale).await?;
        with.push(accepted);
        delivered.push(drained);
        eprintln!(
            "  without {:.0}/s, with {accepted:.0}/s; delivered {drained:.0}/s",
            without[without.len() - 1]
        );
    }
    let mut beside = deployment.with_endpoints(&[fast.address, hanging.address]).await?;
    let (_, beside) = tell(&deployment, &mut beside, &fast, enough, scale).await?;
    let ratio = median(with.iter().zip(&without).map(|(with, without)| with / without));
    Ok(vec![vec![
        setup.name.into(),
        count(median(without)),
        count(median(with)),
        format!("{:.0} %", ratio * 100.0),
        count(median(delivered)),
        count(beside),
    ]])
}

/// Sends for the span, and waits until the receiver has heard of each: webhooks accepted per second, and deliveries per
/// second from the moment on when nothing more is sent.
async fn tell(
    deployment: &Deployment,
    sender: &mut Sender,
    receiver: &Upstream,
    enough: usize,
    scale: &Scale,
) -> Outcome<(f64, f64)> {
    let before = receiver.answered();
    let hooks = Arc::new(sender.sign(enough));
    let load = load::closed(deployment.address, &hooks, scale.connections, scale.span, Use::Once).await?;
    let load = all_accepted(&load)?;
    let (wanted, began, start) = (before + load.accepted, Instant::now(), receiver.answered());
    let (mut seen, mut moved) = (start, began);
    while receiver.answered() < wanted {
        tokio::time::sleep(LOOK).await;
        if receiver.answered() > seen {
            (seen, moved) = (receiver.answered(), Instant::now());
        } else if moved.elapsed() > PATIENCE {
            return Err(format!("{} of {} deliveries do not come", wanted - seen, load.accepted).into());
        }
    }
    Ok((load.rate(), (wanted - start) as f64 / began.elapsed().as_secs_f64()))
}
