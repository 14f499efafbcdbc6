//! Everything a request or a run needs, opened once and shared.

mod agents;
mod api_keys;
mod bulk_jobs;
mod cache;
mod exports;
mod follow;
mod places;
mod platform_webhook;
mod sealed;
mod searches;
mod start;
mod streams;
mod subscriptions;
mod tenants;
mod waiters;
mod webhooks;
mod wrong_keys;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::DropGuard;
use tokio_util::task::TaskTracker;

use crate::cipher::Cipher;
use crate::clock::Clock;
use crate::config::Settings;
use crate::egress::Sender;
use crate::llm::LlmClient;
use crate::model::{AgentId, Change, EventType, ExecutionId, TenantId};
use crate::queue::Queue;
use crate::registry::Registry;
use crate::signal::limit::Rates;
use crate::signal::{Hint, ModelReady, Signal};
use crate::store::{self, Group, Report, Store};
use follow::Caches;

pub use agents::{AgentEntry, Agents, Hook, HookKey, Unusable, Version, secret_owner};
pub use api_keys::{ApiKeys, key_hash};
pub use bulk_jobs::{BULK_JOBS, BulkJobs};
pub use exports::{EXPORTS, EXPORTS_OF_KEY, Exports};
pub use places::{Full, Placed};
pub use sealed::{Closed, ClosedReason, Rekeyed, Standing, count_sealed, rekey};
pub use searches::{SEARCHES, Searches};
pub use start::{StartError, migrate};
pub use streams::{Follow, MISSED, Over, Place, STREAMS, STREAMS_OF_KEY, Streams, Told};
pub use subscriptions::Subscriptions;
pub use tenants::{TenantEntry, Tenants, llm_key_owner};
pub use waiters::{Waiter, Waiters};
pub use webhooks::{UnusableWebhook, WebhookEntry, Webhooks, open_target};
pub use wrong_keys::{TooMany, WrongKeys};

/// How long the last writes may take after the stop.
const LAST_WRITES: Duration = Duration::from_secs(5);

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
    /// Says on Redis that models are registered, where there is a Redis.
    pub model_ready: Option<ModelReady>,
    /// Counts hooks where they are limited.
    pub rates: Rates,
    /// Calls models.
    pub llm: LlmClient,
    /// Sends webhooks.
    pub sender: Sender,
    /// Rings for whoever dispatches events and sends deliveries in this process.
    pub outbound: Notify,
    /// Events that others report, written together with whoever else reports one.
    pub reports: Group<Report>,
    /// Endpoints as the worker needs them.
    pub webhooks: Webhooks,
    /// Where models are registered, if the operator has an MLflow server.
    pub registry: Option<Registry>,
    /// Agents as the hot path needs them.
    pub agents: Arc<Agents>,
    /// Tenants as the hot path needs them.
    pub tenants: Arc<Tenants>,
    /// API keys that were seen to be valid.
    pub api_keys: Arc<ApiKeys>,
    /// Which events endpoints want to hear of.
    pub subscriptions: Arc<Subscriptions>,
    /// Who tries API keys.
    pub wrong_keys: WrongKeys,
    /// Who searches.
    pub searches: Searches,
    /// Who exports.
    pub exports: Exports,
    /// Who follows executions while they happen.
    pub streams: Streams,
    /// Senders that wait for the end of what they sent.
    pub waiters: Waiters,
    /// Who does something to many executions.
    pub bulk_jobs: BulkJobs,
    /// The four caches above, as they are forgotten.
    caches: Caches,
    /// Where other processes make changes too: whoever learns of them, for as long as this is held.
    _follower: Option<DropGuard>,
    /// What writes beside requests: it ends by itself, and before the database is closed.
    pub tasks: TaskTracker,
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

    /// Tells whoever dispatches that events were written; never waits. Call it after the commit.
    pub fn events_written(&self) {
        match self.role {
            Role::All | Role::Worker => self.outbound.notify_one(),
            Role::Api => self.signal.send(Hint::Events),
        }
    }

    /// Whether somebody wants to hear of this about this agent: what nobody wants to hear of is not written. Looks into the
    /// memory, and into the database once after a change.
    ///
    /// # Errors
    /// The database's.
    pub async fn is_wanted(
        &self,
        event: &EventType,
        tenant: &TenantId,
        agent: AgentId,
    ) -> store::Result<bool> {
        self.subscriptions.want(&self.store, tenant, agent, event).await
    }

    /// Tells whoever runs an execution that it was cancelled; never waits. Call it after the commit.
    pub fn cancelled(&self, id: ExecutionId) {
        self.signal.send(Hint::Cancelled(id));
    }

    /// Tells whoever dispatches, and senders that wait for the end of an execution, if senders may: on this version of its
    /// agent. Call it after the commit.
    pub async fn ended(&self, id: ExecutionId, agent_id: AgentId, version: i32) {
        self.events_written();
        let spec = self.agents.version(&self.store, agent_id, version).await;
        let may_wait = match spec {
            Ok(Some(version)) => version.spec.trigger.as_ref().is_some_and(|trigger| trigger.allow_wait),
            // Whoever waits in vain waits to the end of its time.
            Ok(None) | Err(_) => false,
        };
        if may_wait {
            self.signal.send(Hint::Ended(id));
        }
    }

    /// Forgets what has changed, here and in all other processes. Call it after the commit.
    pub async fn changed(&self, change: Change) {
        self.caches.forget(&change).await;
        if matches!(change, Change::Agent(_)) {
            self.events_written();
        }
        self.signal.send(change.into());
    }

    /// Waits until what writes beside requests has written all, but not for ever. Call it when no request comes any
    /// more.
    pub async fn end_tasks(&self) {
        self.tasks.close();
        if tokio::time::timeout(LAST_WRITES, self.tasks.wait()).await.is_err() {
            tracing::warn!("not all hits could be written before the end");
        }
    }

    /// Takes no new work from now on.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        self.waiters.let_go();
        self.streams.let_go();
    }

    /// Whether new work is refused.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }
}
