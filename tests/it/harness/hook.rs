//! Hooks that go straight into the ledger: no ingress, and no ring for any worker.

use agenthook::model::{AgentId, ExecutionId, Headers, NewExecution, SecretId, Time};
use agenthook::store::{Accepted, Store};

/// Stores a hook for an agent, and rings for nobody.
pub async fn accept(store: &Store, agent_id: AgentId, received_at: Time) -> ExecutionId {
    accept_many(store, "acme", agent_id, received_at, 1).await[0]
}

/// The same for any agent of a tenant.
pub async fn accept_of(store: &Store, tenant_id: &str, received_at: Time) -> ExecutionId {
    accept_many(store, tenant_id, AgentId::new(), received_at, 1).await[0]
}

/// The same many times.
pub async fn accept_many(
    store: &Store,
    tenant_id: &str,
    agent_id: AgentId,
    received_at: Time,
    count: usize,
) -> Vec<ExecutionId> {
    let hook = |execution_id: ExecutionId| NewExecution {
        execution_id,
        tenant_id: tenant_id.parse().expect("a tenant"),
        agent_id,
        agent_version: 1,
        payload: b"{}".to_vec(),
        secret_id: SecretId::new(),
        request_id: uuid::Uuid::now_v7(),
        dedupe_key: execution_id.to_string(),
        dedupe_until: received_at,
        headers: Headers::default(),
        held: None,
        callback: None,
        received_at,
        event: None,
    };
    let ids: Vec<ExecutionId> = (0..count).map(|_| ExecutionId::new()).collect();
    for some in ids.chunks(1000) {
        let hooks: Vec<NewExecution> = some.iter().copied().map(hook).collect();
        let accepted = store.accept(&hooks).await.expect("stored");
        assert!(accepted.iter().all(|accepted| *accepted == Accepted::New));
    }
    ids
}
