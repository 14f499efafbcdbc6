//! Agents' names, for lists that know their ids.

use std::collections::{HashMap, HashSet};

use crate::app::App;
use crate::model::AgentId;
use crate::web::ApiError;

/// Names by ids.
pub(super) struct Names(HashMap<AgentId, String>);

impl Names {
    /// Those of these agents, each looked up once.
    pub async fn of(app: &App, ids: impl IntoIterator<Item = AgentId>) -> Result<Self, ApiError> {
        let ids: HashSet<_> = ids.into_iter().collect();
        let ids: Vec<_> = ids.into_iter().collect();
        let names = if ids.is_empty() { Vec::new() } else { app.store.names_of_agents(&ids).await? };
        Ok(Self(names.into_iter().collect()))
    }

    /// The agent's name; its id if it was deleted.
    pub fn get(&self, id: &AgentId) -> String {
        self.0.get(id).cloned().unwrap_or_else(|| id.to_string())
    }
}
