//! The worker: runs what is due.
//!
//! It hears of work through the queue and finds the rest by its own sweep; it tells that it lives, and takes back
//! what dead ones held; told to stop, it takes nothing new, finishes what it can and hands the rest back.

mod alone;
mod execute;
mod forget;
mod forget_events;
mod forget_stats;
mod lease;
mod outbound;
mod prompt;
mod slots;
mod sweep;
mod under_way;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::model::WorkerId;
use crate::signal::Hint;
use crate::store::{Begin, Claim, End, Group, Loss, Lost, Store};
use lease::OwnLease;
use outbound::Outbound;
use slots::Slots;
use under_way::UnderWay;

/// Runs under way may take this long to end after the stop; then they are handed back.
const DRAIN: Duration = Duration::from_secs(20);
/// For so long it is tried again to hand them back.
const HAND_BACK: Duration = Duration::from_secs(2);

/// One worker process, or the worker half of the all-in-one; cheap to clone.
#[derive(Clone)]
pub struct Worker {
    app: Arc<App>,
    id: WorkerId,
    slots: Slots,
    under_way: UnderWay,
    lease: OwnLease,
    writers: Writers,
    /// Wakes the sweep.
    wake: Arc<Notify>,
    /// A ring was left alone, because its run has to be counted.
    left: Arc<Notify>,
    /// Has what we hold compared with what we run at once.
    look_at_holds: Arc<Notify>,
    /// Prompt templates rendered at once: each may take some memory.
    prompts: Arc<Semaphore>,
    /// The drain took too long: runs under way are not waited for any more.
    given_up: CancellationToken,
}

/// The group commits of a worker.
#[derive(Clone)]
struct Writers {
    claims: Group<Claim>,
    begins: Group<Begin>,
    ends: Group<End>,
}

impl Writers {
    /// Room for as many as can be under way: nobody ever waits for it.
    fn start(store: &Store, room: usize) -> Self {
        Self {
            claims: Group::start(store.clone(), room),
            begins: Group::start(store.clone(), room),
            ends: Group::start(store.clone(), room),
        }
    }
}

impl Worker {
    /// A worker with an id of its own. Its writers run on the current runtime.
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        let concurrency = app.settings.worker_concurrency;
        Self {
            writers: Writers::start(&app.store, concurrency),
            slots: Slots::new(concurrency),
            id: WorkerId::new(),
            under_way: UnderWay::default(),
            lease: OwnLease::default(),
            wake: Arc::default(),
            left: Arc::default(),
            look_at_holds: Arc::default(),
            prompts: Arc::new(Semaphore::new(prompt::AT_ONCE)),
            given_up: CancellationToken::new(),
            app,
        }
    }

    /// Runs what is due until `stop`, then drains and returns.
    pub async fn run(self, stop: CancellationToken) {
        let (stop, ended) = (stop.child_token(), CancellationToken::new());
        let (mut tasks, mut lease) = (JoinSet::new(), JoinSet::new());
        if self.app.store.is_embedded() {
            if let Err(error) = self.recover_all().await {
                tracing::warn!(%error, "could not take back what ran when the last process ended");
            }
        } else {
            lease.spawn(self.clone().keep_lease(stop.clone(), ended.clone()));
        }
        self.note_surroundings().await;
        tasks.spawn(self.clone().sweep(stop.clone()));
        tasks.spawn(self.clone().listen(stop.clone()));
        tasks.spawn(self.clone().count_for_rings(stop.clone()));
        tasks.spawn(self.clone().look_around(stop.clone()));
        tasks.spawn(self.clone().compare_holds(stop.clone()));
        tasks.spawn(self.clone().run_suspects(stop.clone()));
        tasks.spawn(self.clone().forget(stop.clone()));
        let outbound = Outbound::new(self.clone());
        tasks.spawn(outbound.clone().run(stop.clone()));
        tasks.spawn(self.clone().forget_events(stop.clone()));
        tasks.spawn(self.clone().forget_stats(stop.clone()));
        let worker = self.clone();
        let mut rings = pin!(self.app.queue.work(stop.clone(), move |id| worker.clone().take_up(id)));
        let part = async {
            tokio::select! {
                Some(ended) = tasks.join_next() => ended,
                Some(ended) = lease.join_next() => ended,
            }
        };
        tokio::select! {
            () = &mut rings => stop.cancel(),
            ended = part => {
                if !stop.is_cancelled() {
                    // Without it work would be left lying and nobody would know. Whoever started us sees us end.
                    tracing::error!(?ended, "a part of the worker ended by itself");
                    stop.cancel();
                }
                rings.await;
            }
        }
        tokio::select! {
            // What is given up below are deliveries too.
            _ = futures_util::future::join(self.slots.quiet(), outbound.quiet()) => {}
            () = tokio::time::sleep(DRAIN) => tracing::warn!("some runs or deliveries did not end in time; they are handed back"),
        }
        self.given_up.cancel();
        // First whoever might still claim, then the signs of life, and only then what is held: nothing is added to it.
        while tasks.join_next().await.is_some() {}
        ended.cancel();
        while lease.join_next().await.is_some() {}
        self.hand_back().await;
    }

    /// Hands back whatever is still held.
    async fn hand_back(&self) {
        let began = Instant::now();
        loop {
            match self.app.store.abandon(self.id, Loss::Stopped, self.app.clock.now()).await {
                Ok(lost) if lost.requeued.is_empty() => return,
                Ok(lost) => return tracing::info!(runs = lost.requeued.len(), "handed back"),
                // Another transaction may have been in the way.
                Err(_) if began.elapsed() < HAND_BACK => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(error) => {
                    return tracing::warn!(%error, "could not hand back; the others notice that we are gone");
                }
            }
        }
    }

    /// Tells whoever dispatches, and whoever waits for what has ended as crashed.
    fn tell_ends(&self, lost: &Lost) {
        for id in &lost.crashed {
            self.app.signal.send(Hint::Ended(*id));
            self.app.events_written();
        }
    }

    /// Whether new runs may be taken: others must believe that we live.
    fn may_claim(&self) -> bool {
        self.app.store.is_embedded() || self.lease.is_fresh()
    }
}
