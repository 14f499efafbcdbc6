//! apalis's Redis backend, at arm's length.
//!
//! Redis may be down at the start, killed, stalled, flushed or come back empty: rings are lost, the sweep makes up
//! for them, and within seconds they are heard again without a restart of ours. Two installations on one Redis
//! use different database numbers (`redis://host/1`), because the keys have fixed names.
//!
//! What apalis-redis 1.0.0 does, and how this folder copes:
//!
//! - its fetch script dies for good once more than about 8,000 rings are due (Lua's `unpack`): at most [`WINDOW`]
//!   are let in, and the [`janitor`] throws out what should have got in past that
//! - any error of Redis ends a worker: [`worker`] starts another one
//! - it never forgets a ring that is done: the [`janitor`] does
//! - its poll strategies lose wake-ups or spin: [`pace`] is our own

mod connection;
mod janitor;
mod pace;
mod report;
mod worker;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::{TaskBuilder, TaskId, TaskSink};
use apalis_redis::{Config, RedisStorage};
use futures_util::stream;
use redis::aio::ConnectionManager;
use secrecy::SecretString;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::WINDOW;
use crate::model::ExecutionId;
use crate::quiet::Quiet;

pub use connection::UrlFault;
pub use report::{RedisReport, report};

/// What all keys begin with.
const KEYS: &str = "agenthook:executions";
/// Rings that are sent at once.
const AT_ONCE: usize = 256;
/// A worker tells that it lives this often. One that has been silent for [`MISSED`] of them is taken for dead and
/// its rings are rung again. A live one is silent for 10 s of waiting for an answer and 2 s of pausing before its
/// next try, so 30 s mistake none for dead; and they are the length of a lease, so that rings of a dead worker
/// return when its runs do. A mistake would cost a second ring, which changes nothing.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// See [`HEARTBEAT`].
const MISSED: usize = 6;
/// Rings that a worker takes at once: a prefetch that other workers do not see, so small.
const BATCH: usize = 16;
/// Redis has to answer a ping within this.
const PING: Duration = Duration::from_secs(2);

/// Both ends of the bell; cheap to clone.
#[derive(Clone)]
pub struct Redis {
    bell: mpsc::Sender<ExecutionId>,
    line: Line,
    wake: Arc<Notify>,
}

/// What it takes to talk to Redis about the queue.
#[derive(Clone)]
struct Line {
    connection: ConnectionManager,
    config: Config,
}

impl Redis {
    /// Reads the URL and starts the task that sends rings; connects when there is something to say.
    ///
    /// # Errors
    /// The URL cannot be used. That Redis is away is no error.
    pub(super) fn new(url: &SecretString) -> Result<Self, UrlFault> {
        let line = Line { connection: connection::open(url)?, config: config() };
        let (bell, rings) = mpsc::channel(WINDOW);
        tokio::spawn(send(rings, line.clone()));
        Ok(Self { bell, line, wake: Arc::default() })
    }

    /// Never waits. With a full channel nothing happens: the sweep finds it.
    pub(super) fn ring(&self, id: ExecutionId) {
        let _ = self.bell.try_send(id);
    }

    pub(super) fn wake(&self) {
        self.wake.notify_waiters();
    }

    pub(super) async fn ping(&self) -> Result<(), String> {
        let mut connection = self.line.connection.clone();
        let answer = async {
            let mut answer = Ok(());
            // The first try may be what finds out that the connection is a dead one.
            for _ in 0..2 {
                answer = redis::cmd("PING").exec_async(&mut connection).await;
                if answer.is_ok() {
                    break;
                }
            }
            answer
        };
        match tokio::time::timeout(PING, answer).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("Redis cannot be used: {error}")),
            Err(_) => Err(format!("Redis does not answer within {} s", PING.as_secs())),
        }
    }

    pub(super) async fn work<H, F>(&self, stop: CancellationToken, handler: H)
    where
        H: Fn(ExecutionId) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        worker::work(&self.line, self.wake.clone(), stop, handler).await;
    }
}

fn config() -> Config {
    Config::default()
        .queue(KEYS)
        .batch_size(BATCH)
        .heartbeat_interval(HEARTBEAT)
        .missed_heartbeats(MISSED)
        // A lock outlives no handler of ours, and events have no listener.
        .lock_tasks(false)
        .emit_events(false)
        // Without it apalis acknowledges nothing, and every ring stays in flight.
        .persist_results(true)
}

/// The one task of a process that sends rings, as many at once as have gathered.
async fn send(mut rings: mpsc::Receiver<ExecutionId>, line: Line) {
    let (mut batch, mut quiet) = (Vec::with_capacity(AT_ONCE), Quiet::default());
    while rings.recv_many(&mut batch, AT_ONCE).await > 0 {
        let mut sent = line.push(&batch).await;
        if sent.is_err() {
            // What failed may have been a connection that was dead already. If not, a ring is doubled.
            sent = line.push(&batch).await;
        }
        if let Err(error) = sent {
            // What was rung meanwhile would be old news when Redis is back.
            while rings.try_recv().is_ok() {}
            if quiet.may_speak() {
                tracing::warn!(%error, "Redis is away: workers find what is due by their sweep");
            }
        }
        batch.clear();
    }
}

impl Line {
    fn storage(&self) -> RedisStorage<ExecutionId> {
        RedisStorage::new(self.connection.clone()).with_config(self.config.clone())
    }

    /// Rings for what still fits into the window; the rest is left to the sweep.
    ///
    /// Several processes may look at once and all see the same room. Then a few hundred too many get in, which is
    /// why [`WINDOW`] is half of what apalis stands.
    async fn push(&self, ids: &[ExecutionId]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let (scheduled, active): (usize, usize) = redis::pipe()
            .zcard(self.config.scheduled_jobs_set())
            .llen(self.config.active_jobs_list())
            .query_async(&mut self.connection.clone())
            .await?;
        let room = WINDOW.saturating_sub(scheduled + active);
        if room == 0 {
            return Ok(());
        }
        // A name of its own for each ring: apalis drops one that it has seen. Its age can be read from it, which
        // is how the janitor knows what has been left lying.
        let ring = |id| TaskBuilder::new(id).task_id(TaskId::from_string(Uuid::now_v7().to_string())).build();
        let rings: Vec<_> = ids.iter().copied().take(room).map(ring).collect();
        self.storage().push_all(stream::iter(rings)).await?;
        Ok(())
    }
}
