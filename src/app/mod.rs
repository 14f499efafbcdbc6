//! Everything a request or a run needs, opened once and shared.

mod agents;
mod api_keys;
mod cache;
mod follow;
mod sealed;
mod searches;
mod start;
mod tenants;
mod wrong_keys;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::DropGuard;

use crate::cipher::Cipher;
use crate::clock::Clock;
use crate::config::Settings;
use crate::llm::LlmClient;
use crate::model::{Change, ExecutionId};
use crate::queue::Queue;
use crate::signal::{Hint, Signal};
use crate::store::Store;
use follow::Caches;

pub use agents::{AgentEntry, Agents, Hook, HookKey, Unusable, secret_owner};
pub use api_keys::{ApiKeys, key_hash};
pub use sealed::{Closed, ClosedReason, Rekeyed, Standing, count_sealed, rekey};
pub use searches::{SEARCHES, Searches};
pub use start::{StartError, migrate};
pub use tenants::{TenantEntry, Tenants, llm_key_owner};
pub use wrong_keys::{TooMany, WrongKeys};

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// API and worker.
    All,
    /// Takes webhooks and answers the API.
    Api,
    /// Runs what is due.
    Worker,
}

/// The program's parts.
pub struct App {
    /// What this process does.
    pub role: Role,
    /// What the operator said.
    pub settings: Settings,
    /// The ledger.
    pub store: Store,
    /// Opens stored secrets.
    pub cipher: Cipher,
    /// Tells the time.
    pub clock: Clock,
    /// Rings workers.
    pub queue: Queue,
    /// Tells other processes.
    pub signal: Signal,
    /// Calls models.
    pub llm: LlmClient,
    /// Agents as the hot path needs them.
    pub agents: Arc<Agents>,
    /// Tenants as the hot path needs them.
    pub tenants: Arc<Tenants>,
    /// API keys that were seen to be valid.
    pub api_keys: Arc<ApiKeys>,
    /// Who tries API keys.
    pub wrong_keys: WrongKeys,
    /// Who searches.
    pub searches: Searches,
    /// The three caches above, as they are forgotten.
    caches: Caches,
    /// Where other processes make changes too: whoever learns of them, for as long as this is held.
    _follower: Option<DropGuard>,
    /// Set once, when the process is told to stop.
    draining: AtomicBool,
    /// Held as long as the embedded database is ours.
    _embedded_lock: Option<std::fs::File>,
}

impl App {
    /// Tells whoever has room that an execution may be due; never waits. Call it after the commit.
    pub fn ring(&self, id: ExecutionId) {
        self.queue.ring(id);
        if !self.queue.is_in_process() {
            self.signal.send(Hint::Due);
        }
    }

    /// Tells whoever runs an execution that it was cancelled; never waits. Call it after the commit.
    pub fn cancelled(&self, id: ExecutionId) {
        self.signal.send(Hint::Cancelled(id));
    }

    /// Forgets what has changed, here and in all other processes. Call it after the commit.
    pub async fn changed(&self, change: Change) {
        self.caches.forget(&change).await;
        self.signal.send(change.into());
    }

    /// Takes no new work from now on.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// Whether new work is refused.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }
}
