//! Step 5, the accept: a hook becomes a row, together with whoever else is waiting ([`Group`]), and only after the
//! commit the sender gets its 202.

use std::sync::Arc;

use crate::app::App;
use crate::model::NewExecution;
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

    /// Stores a hook and rings for it; returns after the commit.
    ///
    /// # Errors
    /// 503 when the server is about to stop, full, or without its database.
    pub async fn accept(&self, hook: NewExecution) -> Result<Accepted, ApiError> {
        if self.app.is_draining() {
            return Err(ApiError::unavailable("the server is about to stop; send it again"));
        }
        let execution_id = hook.execution_id;
        let full = |_| ApiError::unavailable("too many webhooks are waiting to be stored; send it again");
        let accepted = self.group.try_write(hook).await.map_err(full)??;
        if accepted == Accepted::New {
            self.app.ring(execution_id);
        }
        Ok(accepted)
    }
}
