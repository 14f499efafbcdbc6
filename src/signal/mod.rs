//! Hints between processes: something is due, or something that others have in memory has changed.
//!
//! A hint carries no data but an id and may be lost, doubled or late. Whoever listens must also look by itself
//! from time to time: polling is the truth, a hint only saves its time.

use tokio::sync::broadcast;

use crate::model::{AgentId, TenantId};

/// Hints that a slow listener may be behind by; then it hears [`Heard::Missed`].
const BEHIND: usize = 1024;

/// What there is to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// An execution may be due.
    Due,
    /// An agent, its secrets included, was made, changed or deleted.
    Agent(AgentId),
    /// A tenant, its LLM key included, was made, changed or deleted.
    Tenant(TenantId),
    /// An API key was made or revoked.
    ApiKeys,
}

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A hint.
    Hint(Hint),
    /// Hints were lost: anything may have changed.
    Missed,
}

/// Both ends; cheap to clone.
#[derive(Clone, Debug)]
pub struct Signal {
    heard: broadcast::Sender<Heard>,
}

/// Hears the hints from the moment it is made.
pub struct Listener(broadcast::Receiver<Heard>);

impl Signal {
    /// Within this process.
    #[must_use]
    pub fn local() -> Self {
        Self { heard: broadcast::channel(BEHIND).0 }
    }

    /// Tells everybody, this process included; never waits.
    pub fn send(&self, hint: Hint) {
        // An error means that nobody listens.
        let _ = self.heard.send(Heard::Hint(hint));
    }

    /// Listens from now on.
    #[must_use]
    pub fn listen(&self) -> Listener {
        Listener(self.heard.subscribe())
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
