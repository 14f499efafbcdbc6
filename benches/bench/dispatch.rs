//! How long after a webhook its LLM call leaves, when nothing else is to be done.

use std::time::{Duration, Instant};

use crate::Outcome;
use crate::arguments::Scale;
use crate::deployment::{Deployment, Setup};
use crate::report::{milliseconds, percentile};
use crate::upstream::Upstream;
use crate::wire::Connection;

/// Between two webhooks. Longer than what any poll or pause under load would hide.
const PAUSE: Duration = Duration::from_millis(100);
/// A call that has not come by then does not come.
const PATIENCE: Duration = Duration::from_secs(10);
/// Webhooks per second of the phase; the phase itself takes longer.
const PER_SECOND: f64 = 40.0;

/// One row.
pub async fn measure(setup: &Setup, scale: &Scale) -> Outcome<Vec<Vec<String>>> {
    let mut upstream = Upstream::start(Some(Duration::ZERO)).await?;
    let litellm = ("LITELLM_BASE_URL", format!("http://{}", upstream.address));
    let mut deployment = Deployment::start(setup, &[litellm]).await?;
    // The first one opens the connections.
    deployment.send(1, 1).await?;
    upstream.next_call(PATIENCE).await.ok_or("the first webhook is not followed by a call")?;

    let wanted = (scale.span.as_secs_f64() * PER_SECOND).ceil() as usize;
    let hooks = deployment.sender.sign(wanted);
    let (mut connection, mut request) = (Connection::open(deployment.address).await?, hooks.blank());
    let (mut since_post, mut since_answer) = (Vec::new(), Vec::new());
    let end = Instant::now() + scale.span * 5;
    for index in 0..wanted {
        tokio::time::sleep(PAUSE).await;
        if Instant::now() > end {
            break;
        }
        hooks.write(index, &mut request);
        let sent = Instant::now();
        let status = connection.exchange(&request).await?.status;
        let answered = Instant::now();
        if status != 202 {
            return Err(format!("a webhook was answered with {status}").into());
        }
        let called = upstream.next_call(PATIENCE).await.ok_or("a webhook is not followed by a call")?;
        since_post.push(called - sent);
        // The call may well be out before its 202 is.
        since_answer.push(called.saturating_duration_since(answered));
    }
    since_post.sort();
    since_answer.sort();
    let mut row = vec![setup.name.into(), since_post.len().to_string()];
    for times in [since_post, since_answer] {
        row.extend([0.5, 0.99].map(|share| milliseconds(percentile(&times, share))));
    }
    Ok(vec![row])
}
