//! What is told of an agent: never its prompt, its secrets or its schema.

use serde::Serialize;

use super::{Event, EventType};
use crate::model::{Agent, AgentId, AgentStatus, TenantId, Time};

#[derive(Serialize)]
struct Data<'a> {
    agent_id: AgentId,
    tenant_id: &'a TenantId,
    name: &'a str,
    version: i32,
    status: AgentStatus,
    /// Fields of the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<&'a [String]>,
}

impl Event {
    /// Tells that there is a new agent.
    #[must_use]
    pub fn of_new_agent(agent: &Agent, at: Time) -> Self {
        about(EventType::AgentCreated, agent, None, at)
    }

    /// Tells that an agent has this version now, because these of its fields were changed.
    #[must_use]
    pub fn of_changed_agent(agent: &Agent, changed: &[String], at: Time) -> Self {
        about(EventType::AgentUpdated, agent, Some(changed), at)
    }

    /// Tells that an agent is no more.
    #[must_use]
    pub fn of_deleted_agent(agent: &Agent, at: Time) -> Self {
        about(EventType::AgentDeleted, agent, None, at)
    }
}

fn about(kind: EventType, agent: &Agent, changed: Option<&[String]>, at: Time) -> Event {
    let data = Data {
        agent_id: agent.agent_id,
        tenant_id: &agent.tenant_id,
        name: &agent.spec.name,
        version: agent.version,
        status: agent.spec.status,
        changed,
    };
    Event::new(kind, Some(agent.tenant_id.clone()), at, &data).of_agent(agent.agent_id)
}
