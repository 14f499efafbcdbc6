//! Which events a tenant's endpoints want to hear of.

use uuid::Uuid;

use super::super::db::{on_read, statements};
use super::super::row::word;
use super::super::{Result, Store};
use crate::model::{AgentId, Subscription, TenantId};

statements! {
    OF_TENANT = "SELECT agent_id, events, profile FROM webhooks
        WHERE tenant_id = $1 AND kind = 'webhook' AND status = 'active' AND deleted_at IS NULL";
}

impl Store {
    /// What a tenant's active endpoints want to hear of. One that cannot be read wants nothing: nobody could tell it.
    ///
    /// # Errors
    /// The database's.
    pub async fn subscriptions(&self, tenant: &TenantId) -> Result<Vec<Subscription>> {
        let rows: Vec<(Option<Uuid>, String, String)> =
            on_read!(self, |conn| sqlx::query_as(OF_TENANT).bind(tenant.as_str()).fetch_all(conn).await)?;
        let subscription = |(agent_id, events, profile): (Option<Uuid>, String, String)| {
            let (events, profile) = (serde_json::from_str(&events).ok()?, word(&profile).ok()?);
            Some(Subscription { agent_id: agent_id.map(AgentId), events, profile })
        };
        Ok(rows.into_iter().filter_map(subscription).collect())
    }
}
