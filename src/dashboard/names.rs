//! Agents' names, for lists that know their ids.

use std::collections::HashMap;

use crate::app::App;
use crate::model::AgentId;
use crate::web::ApiError;

/// Names by ids.
pub(super) struct Names(HashMap<AgentId, String>);

impl Names {
    /// Those of these agents, each looked up once.
    pub async fn of(app: &App, ids: impl IntoIterator<Item = AgentId>) -> Result<Self, ApiError> {
        let mut names = HashMap::new();
        for id in ids {
            if !names.contains_key(&id)
                && let Some(name) = app.store.agent_name(id).await?
            {
                names.insert(id, name);
            }
        }
        Ok(Self(names))
    }

    /// The agent's name; its id if it was deleted.
    pub fn get(&self, id: &AgentId) -> String {
        self.0.get(id).cloned().unwrap_or_else(|| id.to_string())
    }
}
