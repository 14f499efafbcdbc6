//! Step 5, the group commit: whoever waits is stored in the next transaction, together.
//!
//! A commit costs a disk flush however much it holds. So one writer takes what has gathered while the last
//! commit was under way (no timer), stores it in one transaction and only then answers the waiters: a 202
//! is never sent for a row that a power cut could take back.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::app::App;
use crate::model::NewExecution;
use crate::store::{self, Accepted};
use crate::web::ApiError;

/// Hooks per transaction, at most: a bound for how long the writer holds the database.
const BATCH: usize = 512;
/// Bytes of payload per transaction, at most, unless a single one has more: a bound for memory, and far below
/// what Postgres takes in one message (1 GiB).
const BATCH_BYTES: usize = 32 << 20;

/// The way to the writer; cheap to clone.
#[derive(Clone)]
pub struct Intake {
    app: Arc<App>,
    waiting: mpsc::Sender<Waiting>,
}

struct Waiting {
    hook: NewExecution,
    answer: oneshot::Sender<Result<Accepted, ApiError>>,
}

impl Intake {
    /// Starts the writer on the current runtime. It ends when the last clone is dropped.
    #[must_use]
    pub fn start(app: Arc<App>) -> Self {
        let (waiting, arrivals) = mpsc::channel(app.settings.accept_queue);
        tokio::spawn(write(app.clone(), arrivals));
        Self { app, waiting }
    }

    /// Stores a hook, and returns after the commit.
    ///
    /// # Errors
    /// 503 when the server is about to stop, full, or without its database.
    pub async fn accept(&self, hook: NewExecution) -> Result<Accepted, ApiError> {
        if self.app.is_draining() {
            return Err(ApiError::unavailable("the server is about to stop; send it again"));
        }
        let (answer, stored) = oneshot::channel();
        if self.waiting.try_send(Waiting { hook, answer }).is_err() {
            return Err(ApiError::unavailable("too many webhooks are waiting to be stored; send it again"));
        }
        stored.await.map_err(|_| ApiError::unavailable("the server is stopping; send it again"))?
    }
}

async fn write(app: Arc<App>, mut arrivals: mpsc::Receiver<Waiting>) {
    let mut gathered = Vec::with_capacity(BATCH);
    while arrivals.recv_many(&mut gathered, BATCH).await > 0 {
        while !gathered.is_empty() {
            let (hooks, waiters) = gathered.drain(..fitting(&gathered)).map(|w| (w.hook, w.answer)).unzip();
            store_batch(&app, hooks, waiters).await;
        }
    }
}

/// How many of these fit into one transaction: one at least.
fn fitting(gathered: &[Waiting]) -> usize {
    let mut bytes = 0;
    let fits = |waiting: &&Waiting| {
        bytes += waiting.hook.payload.len();
        bytes <= BATCH_BYTES
    };
    gathered.iter().take_while(fits).count().max(1)
}

async fn store_batch(
    app: &App,
    hooks: Vec<NewExecution>,
    waiters: Vec<oneshot::Sender<Result<Accepted, ApiError>>>,
) {
    match app.store.accept(&hooks).await {
        Ok(outcomes) => {
            for ((hook, waiter), outcome) in hooks.iter().zip(waiters).zip(outcomes) {
                settle(app, hook, waiter, Ok(outcome));
            }
        }
        // One row that the database cannot take must not cost its neighbours their place.
        Err(store::Error::Fault(error)) if hooks.len() > 1 => {
            tracing::error!(%error, batch = hooks.len(), "a batch was refused; storing its rows one by one");
            for (hook, waiter) in hooks.iter().zip(waiters) {
                let outcome = app.store.accept(std::slice::from_ref(hook)).await;
                settle(app, hook, waiter, outcome.map(|outcomes| outcomes[0]).map_err(ApiError::from));
            }
        }
        Err(error) => {
            tracing::warn!(batch = hooks.len(), "a batch could not be stored; its senders get an error");
            let error = ApiError::from(error);
            for (hook, waiter) in hooks.iter().zip(waiters) {
                settle(app, hook, waiter, Err(error.clone()));
            }
        }
    }
}

/// Rings for what is new and tells the waiter, who may have hung up: the row is stored all the same.
fn settle(
    app: &App,
    hook: &NewExecution,
    waiter: oneshot::Sender<Result<Accepted, ApiError>>,
    outcome: Result<Accepted, ApiError>,
) {
    if matches!(outcome, Ok(Accepted::New)) {
        app.ring(hook.execution_id);
    }
    let _ = waiter.send(outcome);
}
