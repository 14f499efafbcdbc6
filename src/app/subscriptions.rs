//! Who wants to hear of what, as the hot path needs it: some events are written only where somebody does.

use std::sync::Arc;

use super::cache::{Cached, Vouched};
use crate::model::{AgentId, EventType, Subscription, TenantId};
use crate::store::{self, Store};

/// A cache of what a tenant's endpoints subscribe to; of a tenant without any that it has none.
pub struct Subscriptions(Cached<TenantId, Arc<[Subscription]>>);

impl Subscriptions {
    pub(super) fn new(vouched: Vouched) -> Self {
        Self(Cached::new(vouched))
    }

    /// Whether an endpoint of the tenant wants to hear of this about this agent.
    ///
    /// # Errors
    /// The database's.
    pub async fn want(
        &self,
        store: &Store,
        tenant: &TenantId,
        agent: AgentId,
        event: &EventType,
    ) -> store::Result<bool> {
        let found = async { Ok::<_, store::Error>(Some(store.subscriptions(tenant).await?.into())) };
        let all = self.0.get_or(tenant, found).await?;
        Ok(all.is_some_and(|all| all.iter().any(|one| one.wants(agent, event))))
    }

    pub(super) async fn forget(&self, tenant: &TenantId) {
        self.0.forget(tenant).await;
    }

    pub(super) fn forget_all(&self) {
        self.0.forget_all();
    }
}
