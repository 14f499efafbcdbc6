//! Hooks that go straight into the ledger: no ingress, and no ring for any worker.

use agenthook::model::{AgentId, ExecutionId, NewExecution, SecretId, Time};
use agenthook::store::{Accepted, Store};

/// Stores a hook for an agent, and rings for nobody.
pub async fn accept(store: &Store, agent_id: AgentId, received_at: Time) -> ExecutionId {
    store_hook(store, "acme", agent_id, received_at).await
}

/// The same for any agent of a tenant.
pub async fn accept_of(store: &Store, tenant_id: &str, received_at: Time) -> ExecutionId {
    store_hook(store, tenant_id, AgentId::new(), received_at).await
}

async fn store_hook(store: &Store, tenant_id: &str, agent_id: AgentId, received_at: Time) -> ExecutionId {
    let execution_id = ExecutionId::new();
    let hook = NewExecution {
        execution_id,
        tenant_id: tenant_id.parse().expect("a tenant"),
        agent_id,
        agent_version: 1,
        payload: b"{}".to_vec(),
        secret_id: SecretId::new(),
        request_id: uuid::Uuid::now_v7(),
        dedupe_key: execution_id.to_string(),
        dedupe_until: received_at,
        received_at,
    };
    assert_eq!(store.accept(&[hook]).await.expect("stored"), [Accepted::New]);
    execution_id
}
