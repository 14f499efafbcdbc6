//! apalis's in-process backend, fed by our bounded channel.
//!
//! [`MemoryStorage`]'s own sink is unbounded, and its clones panic and hang when several tasks send at once
//! (apalis-core 1.0.0). So nothing is ever sent through it: the storage reads our channel as its stream.

use std::future::Future;
use std::sync::Arc;

use apalis::prelude::{MemorySink, MemoryStorage, MemoryStorageError, Task, WorkerBuilder, WorkerBuilderExt};
use futures_util::{SinkExt, StreamExt, sink};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::model::ExecutionId;

/// Runs apalis workers, one after another if need be, until `stop`.
pub(super) async fn work<H, F>(
    calls: mpsc::Receiver<ExecutionId>,
    concurrency: usize,
    stop: CancellationToken,
    handler: H,
) where
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
                tracing::error!(%id, %error, "a run panicked; it is run again");
            }
        }
    };
    // A new name for each start: apalis refuses or strands a name that it has seen.
    let worker = WorkerBuilder::new(format!("agenthook-{}", uuid::Uuid::now_v7()))
        .backend(storage)
        .concurrency(concurrency)
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
