//! The task that looks for all streams of a process, once a second.
//!
//! What happens is in the ledger anyway: new executions, the events of ends, and requests to run one again have ids that
//! tell the time, and what runs has an index of its own. So looking is the truth, in whichever process something happens,
//! and costs whoever writes nothing. A row becomes visible later than its id was made, so each look goes back
//! ([`Position::BACK_MS`]) and remembers which ids it has seen.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::broadcast;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::Told;
use crate::model::{ExecutionId, ExecutionStatus, Position};
use crate::store::{Newest, News, Result, Store};

/// From one look to the next.
const TURN: Duration = Duration::from_secs(1);
/// News of one kind that a look reads, at most: 3,000 a second over the time that a look goes back.
const LOOK: usize = 50_000;
/// Running executions that are looked at. Of more, beginnings are not told, and ends by their events alone.
const RUNNING: usize = 50_000;
/// Executions that are read together, and the pause after them: a reader that is quick enough never falls behind.
const CHUNK: usize = 500;
const PAUSE: Duration = Duration::from_millis(10);

/// The task, for as long as this lives.
pub(super) struct Feed {
    told: broadcast::Sender<Told>,
    position: Arc<Mutex<Position>>,
    _stop: DropGuard,
}

impl Feed {
    /// Begins to look; from here on nothing is missed.
    pub async fn start(store: Store, behind: usize, runtime: &Handle) -> Result<Self> {
        let told = broadcast::channel(behind).0;
        let look = Look::first(store).await?;
        let (position, stop) = (Arc::new(Mutex::new(look.last)), CancellationToken::new());
        let task = keep_looking(look, told.clone(), position.clone());
        runtime.spawn(stop.clone().run_until_cancelled_owned(task));
        Ok(Self { told, position, _stop: stop.drop_guard() })
    }

    pub fn listen(&self) -> broadcast::Receiver<Told> {
        self.told.subscribe()
    }

    /// How far the last look came.
    pub fn position(&self) -> Position {
        *self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn keep_looking(mut look: Look, told: broadcast::Sender<Told>, position: Arc<Mutex<Position>>) {
    let mut turn = interval(TURN);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut complained = false;
    loop {
        turn.tick().await;
        match look.again(&told).await {
            Ok(()) => {
                complained = false;
                *position.lock().unwrap_or_else(PoisonError::into_inner) = look.last;
            }
            // The next look goes back to where this one began.
            Err(error) => {
                if !complained {
                    tracing::warn!(%error, "streams of executions stand still");
                }
                complained = true;
            }
        }
    }
}

/// What the looks so far have seen.
struct Look {
    store: Store,
    /// When the last good one began.
    last: Position,
    seen: HashSet<Uuid>,
    running: HashSet<(ExecutionId, i32)>,
    /// What was told of those of which there is news: to tell each state once.
    states: HashMap<ExecutionId, (i32, ExecutionStatus)>,
    /// That there is too much running has been said.
    complained: bool,
}

impl Look {
    /// Sees what there is, and tells nothing of it.
    async fn first(store: Store) -> Result<Self> {
        let last = Position::now();
        let seen = match store.news(last, LOOK).await? {
            Newest::All(news) => news.into_iter().map(|news| news.id).collect(),
            Newest::TooMuch => HashSet::new(),
        };
        let running = store.running(RUNNING).await?.into_iter().collect();
        Ok(Self { store, last, seen, running, states: HashMap::new(), complained: false })
    }

    /// What runs; what ran before if there is too much of it: which ones a limit leaves out changes from look to look.
    async fn running(&mut self) -> Result<HashSet<(ExecutionId, i32)>> {
        let running: HashSet<_> = self.store.running(RUNNING).await?.into_iter().collect();
        let too_many = running.len() >= RUNNING;
        if too_many && !self.complained {
            tracing::warn!("{RUNNING} executions or more run: streams tell no beginnings until fewer do");
        }
        self.complained = too_many;
        Ok(if too_many { self.running.clone() } else { running })
    }

    /// Tells what is new. What is told before the look has ended is for whoever has come as far as the look before.
    async fn again(&mut self, told: &broadcast::Sender<Told>) -> Result<()> {
        let now = Position::now();
        let Newest::All(news) = self.store.news(self.last, LOOK).await? else {
            let first = Self::first(self.store.clone()).await?;
            *self = first;
            // An error means that nobody listens just now.
            let _ = told.send(Told::LeftOut(self.last));
            return Ok(());
        };
        let running = self.running().await?;
        for some in self.changed(&news, &running).chunks(CHUNK) {
            for execution in self.store.these_executions(some).await? {
                let state = (execution.run, execution.status);
                if self.states.insert(execution.execution_id, state) != Some(state) {
                    let _ = told.send(Told::State(self.last, Arc::new(execution)));
                }
            }
            sleep(PAUSE).await;
        }
        let current: HashSet<_> =
            news.iter().map(|news| news.execution_id).chain(running.iter().map(|(id, _)| *id)).collect();
        self.states.retain(|id, _| current.contains(id));
        self.seen = news.into_iter().map(|news| news.id).collect();
        (self.running, self.last) = (running, now);
        Ok(())
    }

    /// Executions of which there is something new, each once.
    fn changed(&self, news: &[News], running: &HashSet<(ExecutionId, i32)>) -> Vec<ExecutionId> {
        let new = news.iter().filter(|news| !self.seen.contains(&news.id)).map(|news| news.execution_id);
        let started = running.difference(&self.running).map(|(id, _)| *id);
        // Back to the queue for a retry, or ended: whatever the event's id says.
        let left = self.running.difference(running).map(|(id, _)| *id);
        let mut once = HashSet::new();
        new.chain(started).chain(left).filter(|id| once.insert(*id)).collect()
    }
}
