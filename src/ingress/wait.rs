//! Step 6, for whoever asks for it: the sender waits for the end of what it sent (`Prefer: wait`).

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::HeaderName;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::prefer;
use super::raw::RawWebhook;
use crate::app::{App, Hook, Waiter};
use crate::model::{Execution, ExecutionError, ExecutionId, ExecutionStatus};
use crate::signature::HeaderSource;

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// A sender that waits.
#[derive(Debug)]
pub(super) struct Wait {
    waiter: Waiter,
    /// What the sender asked for.
    at_most: Duration,
}

/// The end of an execution, and nothing of its trace.
#[derive(Serialize, ToSchema)]
#[schema(as = Ended)]
pub struct Ended {
    execution_id: ExecutionId,
    /// `success`, `failed`, `cancelled`.
    #[schema(value_type = String, pattern = "^(success|failed|cancelled)$", example = "success")]
    status: ExecutionStatus,
    #[schema(required)]
    output: Option<String>,
    #[schema(required)]
    error: Option<ExecutionError>,
}

/// Begins to wait, if the sender asks for it, the agent allows it and there is room: before the hook is stored, so that
/// its end is not missed.
pub(super) fn begin(app: &App, hook: &Hook, raw: &RawWebhook) -> Option<Wait> {
    if !hook.trigger.allow_wait {
        return None;
    }
    let at_most = prefer::wait(raw.values("prefer"))?;
    let waiter = app.waiters.wait_for(ExecutionId(raw.request_id))?;
    Some(Wait { waiter, at_most })
}

impl Wait {
    /// What is waited for.
    pub fn execution_id(&self) -> ExecutionId {
        self.waiter.execution_id()
    }

    /// The answer if it ends in time. It is looked at when somebody says that it has ended, and once when the time is
    /// up.
    pub async fn ended(&self, app: &App) -> Option<HttpResponse> {
        let end = Instant::now() + self.at_most;
        loop {
            let told = tokio::time::timeout_at(end, self.waiter.told()).await;
            if let Ok(None) = told {
                return None;
            }
            let outcome = app.store.outcome(self.execution_id()).await.ok().flatten();
            match outcome.filter(|(execution, _)| execution.status.is_terminal()) {
                Some((execution, output)) => return Some(self.answer(execution, output)),
                // Its time is up.
                None if told.is_err() => return None,
                // Somebody has begun another run already.
                None => {}
            }
        }
    }

    fn answer(&self, execution: Execution, output: Option<String>) -> HttpResponse {
        let applied = format!("wait={}", self.at_most.as_secs());
        HttpResponse::Ok().insert_header((PREFERENCE_APPLIED, applied)).json(Ended {
            execution_id: execution.execution_id,
            status: execution.status,
            output,
            error: execution.error,
        })
    }
}
