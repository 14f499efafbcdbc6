//! The work of a bulk job, at its pace.

use std::time::Duration;

use actix_web::web;
use futures_util::{StreamExt, stream};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::BulkAction;
use crate::api::execution_actions::{By, cancel_one, replay_one, retry_one};
use crate::api::executions::{find, find_trace};
use crate::api::held::{discard_one, release_one};
use crate::app::App;
use crate::model::ExecutionId;
use crate::web::{ApiError, Caller, Code};

/// Executions of one job at a time: each is a transaction, and accepts wait for those before them.
const AT_ONCE: usize = 4;
/// How often an execution is tried while the database is away, once a second.
const TRIES: u32 = 5;
/// The log says how far a job is after so many executions.
const REPORTED: usize = 1000;

/// What a job works through.
pub(super) struct Job {
    /// Its name.
    pub job_id: Uuid,
    /// What is done.
    pub action: BulkAction,
    /// By whom.
    pub caller: Caller,
    /// The oldest first.
    pub ids: Vec<ExecutionId>,
}

/// Does it, a few at a time, until all are done, the process stops, or the database stays away.
pub(super) async fn work(job: Job, app: web::Data<App>, _turn: OwnedSemaphorePermit) {
    let Job { job_id, action, caller, ids } = job;
    let (matched, mut done, mut refused) = (ids.len(), 0, 0);
    let caller = &caller;
    let mut results = stream::iter(ids)
        .take_while(|_| std::future::ready(!app.is_draining()))
        .map(|id| patiently(&app, caller, job_id, action, id))
        .buffer_unordered(AT_ONCE);
    while let Some((id, result)) = results.next().await {
        match result {
            Ok(()) => done += 1,
            Err(error) if is_final(&error) => {
                tracing::error!(%job_id, ?action, %id, %error, done, refused, matched, "bulk job given up; the filter still matches the rest");
                return;
            }
            // It is not any more as it was when it was counted, or it was never fit for this.
            Err(error) => {
                refused += 1;
                tracing::debug!(%job_id, ?action, %id, %error, "bulk job: passed over");
            }
        }
        if (done + refused) % REPORTED == 0 {
            tracing::info!(%job_id, ?action, done, refused, matched, "bulk job goes on");
        }
    }
    match done + refused < matched {
        true => {
            tracing::warn!(%job_id, ?action, done, refused, matched, "bulk job ended by the stop; the filter still matches the rest");
        }
        false => tracing::info!(%job_id, ?action, done, refused, matched, "bulk job done"),
    }
}

async fn patiently(
    app: &web::Data<App>,
    caller: &Caller,
    job_id: Uuid,
    action: BulkAction,
    id: ExecutionId,
) -> (ExecutionId, Result<(), ApiError>) {
    for _ in 1..TRIES {
        match one(app, caller, job_id, action, id).await {
            Err(error) if error.code() == Code::Unavailable => {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            result => return (id, result),
        }
    }
    (id, one(app, caller, job_id, action, id).await)
}

async fn one(
    app: &web::Data<App>,
    caller: &Caller,
    job_id: Uuid,
    action: BulkAction,
    id: ExecutionId,
) -> Result<(), ApiError> {
    let (by, id) = (By::job(caller, job_id), id.to_string());
    match action {
        BulkAction::Replay => {
            let trace = find_trace(app, caller, &id).await?;
            replay_one(app, by, trace, None).await.map(drop)
        }
        BulkAction::Retry => retry_one(app, by, &find(app, caller, &id).await?).await.map(drop),
        BulkAction::Cancel => cancel_one(app, by, &find(app, caller, &id).await?).await,
        BulkAction::Release => release_one(app, by, &find(app, caller, &id).await?).await,
        BulkAction::Discard => discard_one(app, by, &find(app, caller, &id).await?).await,
    }
}

/// Whether the next would fare no better.
fn is_final(error: &ApiError) -> bool {
    matches!(error.code(), Code::Unavailable | Code::Internal | Code::Forbidden)
}
