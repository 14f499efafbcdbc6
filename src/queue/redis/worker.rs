//! Hears rings: an apalis worker, and what starts it again.
//!
//! Any error of Redis ends an apalis worker (1.0.0), and its own `should_restart` spins without a pause. So each
//! worker has one life, and a name of its own: apalis refuses a name that it has seen lately, and strands what a
//! killed one of the same name held.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use apalis::prelude::{PollWith, WorkerBuilder, WorkerBuilderExt};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use uuid::Uuid;

use super::janitor::{Found, Janitor};
use super::pace::Pace;
use super::{BATCH, Line};
use crate::model::ExecutionId;
use crate::quiet::Quiet;

/// Rings that are answered at once. apalis acknowledges them through a channel of `4 * BATCH`, which nobody
/// empties while it takes in a batch or shuts down: what can be acknowledged in between has to fit, or the worker
/// would wait for itself.
const AT_ONCE: usize = 3 * BATCH;
/// The pause before the next worker, after the first failure.
const PAUSE: Duration = Duration::from_millis(100);
/// It doubles up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A worker that lived this long was well: the pause is short again.
const HEALTHY: Duration = Duration::from_secs(10);
/// After so many short lives in a row, though Redis is there, all that waits in it is thrown out: there are rings that
/// apalis cannot read (their data was evicted, say), and each life takes away only the few that it died of.
const SHORT_LIVES: u32 = 3;
/// After a stop and the end of the last call: how long Redis may take to hear what was answered, and then that the
/// worker is gone.
const GOODBYE: Duration = Duration::from_secs(1);

/// Hears rings until `stop`, whatever Redis does; then returns when the calls under way have ended.
pub(super) async fn work<H, F>(line: &Line, wake: Arc<Notify>, stop: CancellationToken, handler: H)
where
    H: Fn(ExecutionId) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let under_way = TaskTracker::new();
    let (mut pause, mut quiet, mut short_lives) = (PAUSE, Quiet::default(), 0);
    // A worker whose end Redis does not know of yet.
    let mut grave: Option<Janitor> = None;
    while !stop.is_cancelled() {
        let (started, janitor) = (Instant::now(), Janitor::new(line, &format!("worker-{}", Uuid::now_v7())));
        let life = async {
            if let Some(dead) = &grave {
                dead.bury(Found::Dropped).await?;
            }
            grave = Some(janitor.clone());
            // Before anything else: more rings than apalis stands would end this worker at once.
            janitor.welcome(short_lives >= SHORT_LIVES).await?;
            short_lives += 1;
            let keeper = AbortOnDropHandle::new(tokio::spawn(janitor.clone().keep()));
            let heard = hear(line, &janitor, wake.clone(), &stop, &under_way, &handler).await;
            drop(keeper);
            heard
        };
        let ended = tokio::select! {
            ended = life => ended,
            () = long_after(&stop, &under_way) => Ok(()),
        };
        if stop.is_cancelled() {
            break;
        }
        if let Err(error) = ended
            && quiet.may_speak()
        {
            tracing::warn!(%error, "the queue's worker ended; another one takes over when Redis is there");
        }
        if started.elapsed() >= HEALTHY {
            (pause, short_lives) = (PAUSE, 0);
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
        }
    }
    if let Some(dead) = grave {
        // What it had taken and not answered is for others. If Redis is away they notice by themselves.
        let _ = tokio::time::timeout(GOODBYE, dead.bury(Found::Rung)).await;
    }
    under_way.close();
    under_way.wait().await;
}

/// One life of an apalis worker.
async fn hear<H, F>(
    line: &Line,
    janitor: &Janitor,
    wake: Arc<Notify>,
    stop: &CancellationToken,
    under_way: &TaskTracker,
    handler: &H,
) -> Result<(), Fault>
where
    H: Fn(ExecutionId) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (handler, under_way) = (handler.clone(), under_way.clone());
    let answer = move |id: ExecutionId| {
        // A task of its own: on any thread of the runtime, its panic is its own, and it outlives this worker.
        let call = under_way.spawn(handler(id));
        async move {
            if let Err(error) = call.await {
                tracing::error!(%id, %error, "a ring fell over; the sweep makes up for it");
            }
            // Never an error: apalis would ring again by rules of its own, and when to run again is in the row.
        }
    };
    let worker = WorkerBuilder::new(janitor.name.clone())
        .backend(PollWith::new(line.storage(), Pace::new(wake)))
        .concurrency(AT_ONCE)
        .build(answer);
    let stopped = stop.clone().cancelled_owned();
    let stopped = async move {
        stopped.await;
        Ok::<(), std::io::Error>(())
    };
    worker.run_until(stopped).await?;
    Ok(())
}

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Returns a while after the stop and the end of the last call.
async fn long_after(stop: &CancellationToken, under_way: &TaskTracker) {
    stop.cancelled().await;
    under_way.close();
    under_way.wait().await;
    tokio::time::sleep(GOODBYE).await;
}
