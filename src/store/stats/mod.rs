//! Sums of what has ended ([`mod@count`] adds, [`reading`] reads, [`forget`] forgets), and what waits at this moment
//! ([`backlog`]).
//!
//! A run is counted in the transaction that dispatches the event of its end: that event is written once, with the end, and
//! of all who dispatch one wins it. Neither accepting nor ending pays for it.

mod backlog;
mod count;
mod forget;
mod reading;

pub use backlog::{Backlog, COUNTED};

pub(super) use count::{ADD_POSTGRES, SET_POSTGRES, count};

use uuid::Uuid;

use crate::model::{AgentId, TenantId};

/// The statements that both databases prepare.
pub(super) const STATEMENTS: &[&[&str]] =
    &[backlog::STATEMENTS, count::STATEMENTS, forget::STATEMENTS, reading::STATEMENTS];

/// Whose runs are added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Only this tenant's.
    pub tenant_id: Option<TenantId>,
    /// Only those of this agent, whose tenant has to be said with it.
    pub agent_id: Option<AgentId>,
}

impl Counted {
    fn agent(&self) -> Uuid {
        self.agent_id.map_or(Uuid::nil(), |id| id.0)
    }

    fn tenant(&self) -> &str {
        self.tenant_id.as_ref().map_or("", TenantId::as_str)
    }
}
