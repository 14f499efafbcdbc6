//! Step 5, the accept: a hook becomes a row, together with whoever else is waiting ([`Group`]), and only after the
//! commit the sender gets its 202.

use std::sync::Arc;

use crate::app::App;
use crate::model::{Event, EventType, NewExecution};
use crate::store::{Accepted, Group};
use crate::web::ApiError;

/// The way to the ledger; cheap to clone.
#[derive(Clone)]
pub struct Intake {
    app: Arc<App>,
    group: Group<NewExecution>,
}

impl Intake {
    /// Starts the writer on the current runtime. It ends when the last clone is dropped.
    #[must_use]
    pub fn start(app: Arc<App>) -> Self {
        let group = Group::start(app.store.clone(), app.settings.accept_queue);
        Self { app, group }
    }

    /// Stores a hook and rings for it, unless it waits for a person; returns after the commit.
    ///
    /// # Errors
    /// 503 when the server is about to stop, full, or without its database.
    pub async fn accept(&self, mut hook: NewExecution) -> Result<Accepted, ApiError> {
        if self.app.is_draining() {
            return Err(ApiError::unavailable("the server is about to stop; send it again"));
        }
        let (execution_id, is_held) = (hook.execution_id, hook.held.is_some());
        let event = if is_held { EventType::ExecutionHeld } else { EventType::ExecutionQueued };
        let is_wanted = self.app.is_wanted(&event, &hook.tenant_id, hook.agent_id).await?;
        hook.event = is_wanted.then(|| Event::of_hook(&hook));
        let full = |_| ApiError::unavailable("too many webhooks are waiting to be stored; send it again");
        let accepted = self.group.try_write(hook).await.map_err(full)??;
        if accepted == Accepted::New && !is_held {
            self.app.ring(execution_id);
        }
        if is_wanted {
            self.app.events_written();
        }
        Ok(accepted)
    }
}
