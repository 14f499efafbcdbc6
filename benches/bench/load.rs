//! Load: as fast as answers come (closed loop), or at a given rate whatever happens (open loop).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::Outcome;
use crate::hooks::Hooks;
use crate::wire::Connection;

/// In the open loop requests are due this often, some at once: finer needs more of the processor than it tells.
const TICK: Duration = Duration::from_micros(500);

/// What came of it.
#[derive(Default)]
pub struct Load {
    /// Answers with 202.
    pub accepted: usize,
    /// Other answers.
    pub refused: usize,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// How long each took.
    pub latencies: Vec<Duration>,
}

impl Load {
    /// Answers with 202 per second.
    pub fn rate(&self) -> f64 {
        self.accepted as f64 / self.elapsed.as_secs_f64()
    }

    fn count(&mut self, status: u16, since: Instant) {
        match status {
            202 => self.accepted += 1,
            _ => self.refused += 1,
        }
        self.latencies.push(since.elapsed());
    }

    async fn gather(start: Instant, mut tasks: JoinSet<std::io::Result<Self>>) -> Outcome<Self> {
        let mut whole = Self::default();
        while let Some(part) = tasks.join_next().await {
            let part = part??;
            whole.accepted += part.accepted;
            whole.refused += part.refused;
            whole.latencies.extend(part.latencies);
        }
        whole.elapsed = start.elapsed();
        Ok(whole)
    }
}

/// Which requests are sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Each once; the load ends when there are no more.
    Once,
    /// From the beginning again: for a server that does not care.
    Again,
}

/// Sends on each connection as soon as the last answer is there.
pub async fn closed(
    address: SocketAddr,
    hooks: &Arc<Hooks>,
    connections: usize,
    span: Duration,
    which: Use,
) -> Outcome<Load> {
    let (next, mut tasks) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
    let start = Instant::now();
    for _ in 0..connections {
        let (hooks, next) = (hooks.clone(), next.clone());
        tasks.spawn(async move {
            let (mut connection, mut request) = (Connection::open(address).await?, hooks.blank());
            let mut load = Load::default();
            loop {
                let (mut index, sent) = (next.fetch_add(1, Ordering::Relaxed), Instant::now());
                if which == Use::Again {
                    index %= hooks.len();
                }
                if index >= hooks.len() || sent - start > span {
                    return Ok(load);
                }
                hooks.write(index, &mut request);
                let status = connection.exchange(&request).await?.status;
                load.count(status, sent);
            }
        });
    }
    Load::gather(start, tasks).await
}

/// Sends at this rate. The clock of a request starts when it is due, also if no connection is free then: a server
/// that stalls is charged for everybody who would have come meanwhile.
pub async fn open(
    address: SocketAddr,
    hooks: &Arc<Hooks>,
    connections: usize,
    rate: f64,
    span: Duration,
) -> Outcome<Load> {
    let (next, mut tasks) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
    let (due, turns) = mpsc::unbounded_channel();
    let turns = Arc::new(Mutex::new(turns));
    for _ in 0..connections {
        let (hooks, next, turns) = (hooks.clone(), next.clone(), turns.clone());
        let mut connection = Connection::open(address).await?;
        tasks.spawn(async move {
            let (mut load, mut request) = (Load::default(), hooks.blank());
            loop {
                let Some(due) = turns.lock().await.recv().await else { return Ok(load) };
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= hooks.len() {
                    return Ok(load);
                }
                hooks.write(index, &mut request);
                let status = connection.exchange(&request).await?.status;
                load.count(status, due);
            }
        });
    }
    // A thread, because the runtime's timers know whole milliseconds only.
    std::thread::spawn(move || pace(rate, span, &due));
    Load::gather(Instant::now(), tasks).await
}

fn pace(rate: f64, span: Duration, due: &mpsc::UnboundedSender<Instant>) {
    let (start, mut sent) = (Instant::now(), 0);
    for tick in 0.. {
        let intended = start + TICK * tick;
        std::thread::sleep(intended.saturating_duration_since(Instant::now()));
        let total = (rate * (intended - start).as_secs_f64()) as usize;
        for _ in sent..total {
            let _ = due.send(intended);
        }
        sent = total;
        if intended - start >= span {
            return;
        }
    }
}
