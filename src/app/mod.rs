//! Everything a request or a run needs, opened once and shared.

mod agents;
mod api_keys;
mod start;
mod tenants;

use std::sync::atomic::{AtomicBool, Ordering};

use crate::cipher::Cipher;
use crate::clock::Clock;
use crate::config::Settings;
use crate::llm::LlmClient;
use crate::queue::Queue;
use crate::store::Store;

pub use agents::{AgentEntry, Agents, Hook, HookKey, Unusable, secret_owner};
pub use api_keys::{ApiKeys, key_hash};
pub use start::StartError;
pub use tenants::{TenantEntry, Tenants, llm_key_owner};

/// The program's parts.
pub struct App {
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
    /// Calls models.
    pub llm: LlmClient,
    /// Agents as the hot path needs them.
    pub agents: Agents,
    /// Tenants as the hot path needs them.
    pub tenants: Tenants,
    /// API keys that were seen to be valid.
    pub api_keys: ApiKeys,
    /// Set once, when the process is told to stop.
    draining: AtomicBool,
    /// Held as long as the embedded database is ours.
    _embedded_lock: Option<std::fs::File>,
}

impl App {
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
