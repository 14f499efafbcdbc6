//! Answers: what the API shows of the model, field by field, so that a new column is never shown by accident.

mod agent;
mod api_key;
mod audit;
mod execution;
mod rehearsal;
mod tenant;
mod webhook_secret;

use serde::Serialize;

use crate::model::Time;

pub use agent::{AgentView, agent, agent_version};
pub use api_key::api_key;
pub use audit::audit;
pub use execution::{ExecutionView, execution, trace};
pub use rehearsal::{Rehearsal, RehearsalView, rehearsal};
pub use tenant::{tenant, tenant_warned};
pub use webhook_secret::{rotated, secret};

/// A time as the contract writes it: RFC 3339, UTC, milliseconds.
#[derive(Serialize)]
#[serde(into = "String")]
#[derive(Clone, Copy)]
pub struct Stamp(pub Time);

impl From<Stamp> for String {
    fn from(stamp: Stamp) -> Self {
        stamp.0.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
    }
}

pub fn stamp(time: Option<Time>) -> Option<Stamp> {
    time.map(Stamp)
}
