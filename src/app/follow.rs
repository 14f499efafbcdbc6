//! How this process learns what others have changed: it reads their journal twice a second, and at once when a
//! hint says so.
//!
//! A row of the journal becomes visible with its transaction, later than the time in it, and that time is
//! another machine's. So each look goes back by more than clocks and transactions may be off, and remembers
//! which rows it has seen. After a pause in which rows may have gone past, everything is forgotten.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::cache::Vouched;
use super::{Agents, ApiKeys, Subscriptions, Tenants};
use crate::clock::Clock;
use crate::model::{Change, Time};
use crate::signal::{Heard, Hint, Listener};
use crate::store::{JournalRow, Store};

/// From one look to the next: half of what a change may take, so that one look may be slow.
const POLL: Duration = Duration::from_millis(500);
/// A look that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(5);
/// After a longer pause between two looks, by either clock, everything is forgotten.
const PAUSE: TimeDelta = TimeDelta::seconds(30);
/// How far a look goes back: a pause, and a minute for clocks that differ and transactions that linger.
const BACK: TimeDelta = TimeDelta::seconds(90);
/// More rows than this are not looked at one by one.
const MANY: usize = 10_000;
/// Rows are of no use after this.
const KEPT: TimeDelta = TimeDelta::hours(1);
/// How often old rows are deleted, and how many at a time.
const PRUNE: TimeDelta = TimeDelta::minutes(1);
const PRUNED: u64 = 1000;
/// A failure that lasts is logged this often.
const COMPLAINT: Duration = Duration::from_secs(10);

/// What is kept in memory, and can be forgotten.
#[derive(Clone)]
pub(super) struct Caches {
    pub agents: Arc<Agents>,
    pub tenants: Arc<Tenants>,
    pub api_keys: Arc<ApiKeys>,
    pub subscriptions: Arc<Subscriptions>,
}

impl Caches {
    /// Empty ones.
    pub fn new(vouched: &Vouched) -> Self {
        Self {
            agents: Arc::new(Agents::new(vouched.clone())),
            tenants: Arc::new(Tenants::new(vouched.clone())),
            api_keys: Arc::new(ApiKeys::new(vouched.clone())),
            subscriptions: Arc::new(Subscriptions::new(vouched.clone())),
        }
    }

    /// Forgets what has changed. Call it after the commit.
    pub async fn forget(&self, change: &Change) {
        match change {
            Change::Agent(id) => self.agents.forget(*id).await,
            Change::Tenant(id) => self.tenants.forget(id).await,
            Change::ApiKeys => self.api_keys.forget_all(),
            Change::Webhooks(id) => self.subscriptions.forget(id).await,
        }
    }

    fn forget_all(&self) {
        self.agents.forget_all();
        self.tenants.forget_all();
        self.api_keys.forget_all();
        self.subscriptions.forget_all();
    }
}

/// Keeps the caches true. Holds nothing of the [`super::App`] but what it needs, so that the App can end.
pub(super) struct Follower {
    pub store: Store,
    pub clock: Clock,
    pub caches: Caches,
    pub vouched: Vouched,
    /// The last good look: when, by both clocks.
    last: Option<(Instant, Time)>,
    seen: HashSet<Uuid>,
    pruned: Option<Time>,
    complained: Option<Instant>,
}

impl Follower {
    pub fn new(store: Store, clock: Clock, caches: Caches, vouched: Vouched) -> Self {
        Self {
            store,
            clock,
            caches,
            vouched,
            last: None,
            seen: HashSet::new(),
            pruned: None,
            complained: None,
        }
    }

    /// Begins to follow, until the guard is dropped.
    pub fn start(self, listener: Listener) -> DropGuard {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move { stopped.run_until_cancelled(self.run(listener)).await });
        stop.drop_guard()
    }

    async fn run(mut self, mut listener: Listener) {
        let mut tick = interval(POLL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let heard = tokio::select! {
                _ = tick.tick() => Heard::Missed,
                heard = listener.next() => match heard {
                    Some(heard) => heard,
                    // Nobody can say anything any more: the process is about to end.
                    None => return,
                },
            };
            match heard {
                Heard::Hint(Hint::Due | Hint::Events | Hint::Cancelled(_) | Hint::Ended(_)) => {}
                Heard::Hint(Hint::Agent(id)) => self.caches.forget(&Change::Agent(id)).await,
                Heard::Hint(Hint::Tenant(id)) => self.caches.forget(&Change::Tenant(id)).await,
                Heard::Hint(Hint::ApiKeys) => self.caches.forget(&Change::ApiKeys).await,
                Heard::Hint(Hint::Webhooks(id)) => self.caches.forget(&Change::Webhooks(id)).await,
                Heard::Missed => self.look().await,
            }
        }
    }

    async fn look(&mut self) {
        let (began, now) = (Instant::now(), self.clock.now());
        let reading = self.store.changes(now - BACK, MANY as i64 + 1);
        match timeout(PATIENCE, reading).await {
            Ok(Ok(rows)) => {
                self.take_in(rows, began, now).await;
                self.prune(now).await;
            }
            Ok(Err(error)) => self.complain(&error.to_string()),
            Err(elapsed) => self.complain(&elapsed.to_string()),
        }
    }

    async fn take_in(&mut self, rows: Vec<JournalRow>, began: Instant, now: Time) {
        let paused = self.last.is_none_or(|(at, time)| {
            let passed = TimeDelta::from_std(began.duration_since(at)).unwrap_or(TimeDelta::MAX);
            passed > PAUSE || (now - time).abs() > PAUSE
        });
        if paused || rows.len() > MANY {
            self.caches.forget_all();
        } else {
            for row in rows.iter().filter(|row| !self.seen.contains(&row.change_id)) {
                if let Some(change) = &row.change {
                    self.caches.forget(change).await;
                }
            }
        }
        self.seen = rows.into_iter().map(|row| row.change_id).collect();
        self.vouched.since(began);
        self.last = Some((began, now));
    }

    /// Deletes what nobody needs any more; whoever comes first does it for all.
    async fn prune(&mut self, now: Time) {
        if self.pruned.is_some_and(|last| (now - last).abs() < PRUNE) {
            return;
        }
        match timeout(PATIENCE, self.store.prune_changes(now - KEPT, PRUNED as i64)).await {
            // There may be more.
            Ok(Ok(PRUNED)) => {}
            // Not now is as good as done: it comes round again.
            Ok(Ok(_) | Err(_)) | Err(_) => self.pruned = Some(now),
        }
    }

    fn complain(&mut self, problem: &str) {
        let lasts = self.last.is_none_or(|(at, _)| at.elapsed() > COMPLAINT);
        if lasts && self.complained.is_none_or(|last| last.elapsed() > COMPLAINT) {
            self.complained = Some(Instant::now());
            tracing::warn!(
                problem,
                "changes made by other processes cannot be read; what is in memory counts for 1 s"
            );
        }
    }
}
