//! apalis's in-process backend, fed by our bounded channel.
//!
//! [`MemoryStorage`]'s own sink is unbounded, and its clones panic and hang when several tasks send at once
//! (apalis-core 1.0.0). So nothing is ever sent through it: the storage reads our channel as its stream.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use apalis::prelude::{MemorySink, MemoryStorage, MemoryStorageError, Task, WorkerBuilder, WorkerBuilderExt};
use futures_util::{SinkExt, StreamExt, sink};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{AT_ONCE, WINDOW};
use crate::model::ExecutionId;

/// Both ends of the bell; cheap to clone.
#[derive(Clone)]
pub struct Memory {
    bell: mpsc::Sender<ExecutionId>,
    /// Taken once, by [`Memory::work`].
    calls: Arc<Mutex<Option<mpsc::Receiver<ExecutionId>>>>,
}

impl Memory {
    pub(super) fn new() -> Self {
        let (bell, calls) = mpsc::channel(WINDOW);
        Self { bell, calls: Arc::new(Mutex::new(Some(calls))) }
    }

    /// Never waits. With a full window nothing happens: the sweep finds it.
    pub(super) fn ring(&self, id: ExecutionId) {
        let _ = self.bell.try_send(id);
    }

    pub(super) async fn work<H, F>(&self, stop: CancellationToken, handler: H)
    where
        H: Fn(ExecutionId) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner).take();
        match calls {
            Some(calls) => work(calls, stop, handler).await,
            None => tracing::error!("the in-process queue has a worker already"),
        }
    }
}

/// Runs an apalis worker until `stop`.
async fn work<H, F>(calls: mpsc::Receiver<ExecutionId>, stop: CancellationToken, handler: H)
where
    H: Fn(ExecutionId) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let ended = stop.clone();
    let tasks = futures_util::stream::unfold(calls, |mut calls| async move {
        calls.recv().await.map(|id| (Task::new(id), calls))
    })
    .take_until(ended.cancelled_owned())
    // A stream that ends would end the worker before the calls under way have: it waits for its stop instead.
    .chain(futures_util::stream::pending());
    let unused = sink::drain().sink_map_err(|never| match never {});
    let unused: Box<dyn futures_util::Sink<_, Error = MemoryStorageError> + Send + Sync + Unpin> =
        Box::new(unused);
    let storage = MemoryStorage::new_with(
        MemorySink::new(Arc::new(futures_util::lock::Mutex::new(unused))),
        tasks.boxed(),
    );
    let run = move |id: ExecutionId| {
        let handler = handler.clone();
        async move {
            // A task of its own: on any thread of the runtime, and a panic is its own.
            if let Err(error) = tokio::spawn(handler(id)).await {
                tracing::error!(%id, %error, "a ring fell over; the sweep makes up for it");
            }
        }
    };
    // A new name for each start: apalis refuses or strands a name that it has seen.
    let worker = WorkerBuilder::new(format!("agenthook-{}", uuid::Uuid::now_v7()))
        .backend(storage)
        .concurrency(AT_ONCE)
        .build(run);
    let outcome = worker
        .run_until(async move {
            stop.cancelled().await;
            Ok::<(), std::io::Error>(())
        })
        .await;
    if let Err(error) = outcome {
        tracing::error!(%error, "the in-process queue's worker ended");
    }
}
