//! Between processes. Hints: something is due, or something that others have in memory has changed.
//!
//! A hint carries no data but an id and may be lost, doubled or late. Whoever listens must also look by itself
//! from time to time: polling is the truth, a hint only saves its time.
//!
//! Within a process a hint is heard at once. To the others it goes over Postgres or Redis ([`link`]): one task
//! sends, one task listens, and a backend that is away costs hints and nothing else.
//!
//! [`ModelReady`] says on Redis, to others than us, what is no hint: that a model is registered.
//!
//! [`limit`] counts what comes in for all processes together.

pub mod limit;
mod link;
mod model_ready;
mod postgres;
mod redis;
mod text;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::model::{AgentId, Change, ExecutionId, TenantId};
use link::Link;
pub use model_ready::{ModelReady, Publisher};

/// Hints that a slow listener may be behind by; then it hears [`Heard::Missed`].
const BEHIND: usize = 1024;
/// Hints that may wait to be sent to other processes; further ones are dropped. Ends have a queue of their own, as long
/// as this one.
const WAITING: usize = 1024;

/// What there is to know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// An execution may be due.
    Due,
    /// Events may wait to be dispatched, or deliveries to be sent.
    Events,
    /// An execution was cancelled: whoever runs it may stop.
    Cancelled(ExecutionId),
    /// A run that somebody may wait for has ended.
    Ended(ExecutionId),
    /// An agent, its secrets included, was made, changed or deleted.
    Agent(AgentId),
    /// A tenant, its LLM key included, was made, changed or deleted.
    Tenant(TenantId),
    /// An API key was made or revoked.
    ApiKeys,
    /// An endpoint of a tenant was made, changed or deleted.
    Webhooks(TenantId),
}

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A hint.
    Hint(Hint),
    /// Hints were lost: anything may have changed.
    Missed,
}

/// Both ends; cheap to clone. The tasks behind it end with the last clone.
#[derive(Clone, Debug)]
pub struct Signal {
    ears: Ears,
    away: Option<Away>,
}

/// The way to the listeners of this process.
#[derive(Clone, Debug)]
struct Ears {
    all: broadcast::Sender<Heard>,
    /// The same without what is about executions, of which there may be thousands a second.
    changes: broadcast::Sender<Heard>,
    /// Ends, of which there may be as many, and nothing else.
    ends: broadcast::Sender<Heard>,
}

/// The way to other processes.
#[derive(Clone, Debug)]
struct Away {
    hints: mpsc::Sender<Hint>,
    /// So that thousands of ends leave room for the others.
    ends: mpsc::Sender<Hint>,
    on_the_way: Arc<OnTheWay>,
    _listening: Arc<DropGuard>,
}

/// Which hints wait to be sent already, of those of which one says as much as a thousand: they leave room for the others.
#[derive(Debug, Default)]
struct OnTheWay {
    due: AtomicBool,
    events: AtomicBool,
}

/// Hears the hints from the moment it is made.
pub struct Listener(broadcast::Receiver<Heard>);

/// An address that cannot be used; the text never repeats it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadAddress(String);

impl Signal {
    /// Within this process.
    #[must_use]
    pub fn local() -> Self {
        let channel = || broadcast::channel(BEHIND).0;
        Self { ears: Ears { all: channel(), changes: channel(), ends: channel() }, away: None }
    }

    /// Between all processes on this database, by LISTEN and NOTIFY. Connects by itself, now or later.
    ///
    /// # Errors
    /// The URL cannot be used.
    pub fn postgres(url: &str) -> Result<Self, BadAddress> {
        Ok(Self::over(postgres::Postgres::new(url)?))
    }

    /// Between all processes on this Redis and this database of it, by PUBLISH and SUBSCRIBE. Connects by
    /// itself, now or later.
    ///
    /// # Errors
    /// The URL cannot be used.
    pub fn redis(url: &str) -> Result<Self, BadAddress> {
        Ok(Self::over(redis::Redis::new(url)?))
    }

    fn over(link: impl Link) -> Self {
        let local = Self::local();
        let (hints, waiting) = mpsc::channel(WAITING);
        let (ends, ended) = mpsc::channel(WAITING);
        let (on_the_way, stop) = (Arc::<OnTheWay>::default(), CancellationToken::new());
        let me = text::new_name();
        tokio::spawn(link::tell(link.clone(), me.clone(), waiting, ended, on_the_way.clone()));
        let (ears, stopped) = (local.ears.clone(), stop.clone());
        tokio::spawn(async move { stopped.run_until_cancelled(link::listen(link, me, ears)).await });
        let away = Away { hints, ends, on_the_way, _listening: Arc::new(stop.drop_guard()) };
        Self { away: Some(away), ..local }
    }

    /// Tells everybody, this process included; never waits and never fails.
    pub fn send(&self, hint: Hint) {
        self.ears.hear(Heard::Hint(hint.clone()));
        if let Some(away) = &self.away {
            away.send(hint);
        }
    }

    /// Listens from now on, to everything but ends.
    #[must_use]
    pub fn listen(&self) -> Listener {
        Listener(self.ears.all.subscribe())
    }

    /// The same, to nothing but ends.
    #[must_use]
    pub fn listen_to_ends(&self) -> Listener {
        Listener(self.ears.ends.subscribe())
    }

    /// The same, to everything but what is about executions.
    #[must_use]
    pub fn listen_to_changes(&self) -> Listener {
        Listener(self.ears.changes.subscribe())
    }
}

impl Ears {
    fn hear(&self, heard: Heard) {
        let (all, changes, ends) = match &heard {
            Heard::Missed => (true, true, true),
            Heard::Hint(Hint::Due | Hint::Events | Hint::Cancelled(_)) => (true, false, false),
            Heard::Hint(Hint::Ended(_)) => (false, false, true),
            Heard::Hint(Hint::Agent(_) | Hint::Tenant(_) | Hint::ApiKeys | Hint::Webhooks(_)) => {
                (true, true, false)
            }
        };
        for (to, wanted) in [(&self.all, all), (&self.changes, changes), (&self.ends, ends)] {
            if wanted {
                // An error means that nobody listens.
                let _ = to.send(heard.clone());
            }
        }
    }
}

impl Away {
    fn send(&self, hint: Hint) {
        if matches!(hint, Hint::Ended(_)) {
            // A full queue costs somebody's wait.
            let _ = self.ends.try_send(hint);
            return;
        }
        let waits = self.on_the_way.of(&hint);
        if waits.is_some_and(|waits| waits.swap(true, Ordering::SeqCst)) {
            return;
        }
        if self.hints.try_send(hint).is_err()
            && let Some(waits) = waits
        {
            waits.store(false, Ordering::SeqCst);
        }
    }
}

impl OnTheWay {
    fn of(&self, hint: &Hint) -> Option<&AtomicBool> {
        match hint {
            Hint::Due => Some(&self.due),
            Hint::Events => Some(&self.events),
            Hint::Cancelled(_)
            | Hint::Ended(_)
            | Hint::Agent(_)
            | Hint::Tenant(_)
            | Hint::ApiKeys
            | Hint::Webhooks(_) => None,
        }
    }

    /// What waited is taken: from here on a new one is news again.
    fn clear(&self) {
        self.due.store(false, Ordering::SeqCst);
        self.events.store(false, Ordering::SeqCst);
    }
}

impl Listener {
    /// The next; waits for it. `None` when there will be no more.
    pub async fn next(&mut self) -> Option<Heard> {
        match self.0.recv().await {
            Ok(heard) => Some(heard),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Heard::Missed),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl From<Change> for Hint {
    fn from(change: Change) -> Self {
        match change {
            Change::Agent(id) => Self::Agent(id),
            Change::Tenant(id) => Self::Tenant(id),
            Change::ApiKeys => Self::ApiKeys,
            Change::Webhooks(id) => Self::Webhooks(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thousand_times_due_takes_one_place_and_leaves_room_for_a_change() {
        let (hints, mut waiting) = mpsc::channel(3);
        let (ends, mut ended) = mpsc::channel(2);
        let _listening = Arc::new(CancellationToken::new().drop_guard());
        let away = Away { hints, ends, on_the_way: Arc::default(), _listening };
        for _ in 0..1000 {
            away.send(Hint::Due);
            away.send(Hint::Events);
            away.send(Hint::Ended(ExecutionId::new()));
        }
        away.send(Hint::ApiKeys);
        away.send(Hint::ApiKeys);
        assert_eq!(waiting.recv().await, Some(Hint::Due));
        assert_eq!(waiting.recv().await, Some(Hint::Events));
        assert_eq!(waiting.recv().await, Some(Hint::ApiKeys));
        assert!(waiting.try_recv().is_err(), "what does not fit is dropped");
        assert!(matches!(ended.try_recv(), Ok(Hint::Ended(_))), "ends wait elsewhere");
        assert!(ended.try_recv().is_ok() && ended.try_recv().is_err());
    }

    #[tokio::test]
    async fn whoever_is_too_far_behind_hears_that_it_missed_something() {
        let signal = Signal::local();
        let (mut all, mut changes) = (signal.listen(), signal.listen_to_changes());
        signal.send(Hint::ApiKeys);
        for _ in 0..=BEHIND {
            signal.send(Hint::Due);
            signal.send(Hint::Ended(ExecutionId::new()));
        }
        assert_eq!(all.next().await, Some(Heard::Missed));
        assert_eq!(changes.next().await, Some(Heard::Hint(Hint::ApiKeys)));
        drop(signal);
        assert_eq!(changes.next().await, None);
    }
}
