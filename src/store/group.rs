//! Group commit: whoever waits is written in the next transaction, together.
//!
//! A commit costs a disk flush however much it holds. So one writer takes what has gathered while the last commit was
//! under way (no timer), writes it in one transaction and only then answers the waiters: nobody is told "done" of a
//! row that a power cut could take back.

use std::future::Future;

use tokio::sync::{mpsc, oneshot};

use super::{Error, Result, Store};

/// Entries per transaction, at most: a bound for how long a writer holds the database.
const BATCH: usize = 512;
/// Bytes per transaction, at most, unless a single entry has more: a bound for memory, and far below what Postgres
/// takes in one message (1 GiB).
const BATCH_BYTES: usize = 32 << 20;

/// What can be written together with others of its kind.
pub trait Entry: Send + Sync + Sized + 'static {
    /// What becomes of one.
    type Outcome: Send + 'static;

    /// About how large it is, in bytes.
    fn size(&self) -> usize;

    /// Writes them together; the outcomes are in the batch's order, and true when this returns. After an error some may
    /// be written, so writing the same again must do no harm.
    fn write(store: &Store, batch: &[Self]) -> impl Future<Output = Result<Vec<Self::Outcome>>> + Send;
}

/// The way to a writer; cheap to clone. The writer ends when the last clone is dropped.
pub struct Group<T: Entry>(mpsc::Sender<Waiting<T>>);

struct Waiting<T: Entry> {
    entry: T,
    answer: oneshot::Sender<Result<T::Outcome>>,
}

/// Why an entry was not taken: it is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl<T: Entry> Clone for Group<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Entry> Group<T> {
    /// Starts a writer on the current runtime, for which up to `room` entries may wait.
    #[must_use]
    pub fn start(store: Store, room: usize) -> Self {
        let (waiting, arrivals) = mpsc::channel(room);
        tokio::spawn(write(store, arrivals));
        Self(waiting)
    }

    /// Writes an entry if there is room for it to wait, and returns after the commit.
    ///
    /// # Errors
    /// [`Full`] at once; inside, the database's.
    pub async fn try_write(&self, entry: T) -> std::result::Result<Result<T::Outcome>, Full> {
        let (answer, written) = oneshot::channel();
        self.0.try_send(Waiting { entry, answer }).map_err(|_| Full)?;
        Ok(written.await.unwrap_or_else(|_| Err(gone())))
    }

    /// Writes an entry, waits for room if need be, and returns after the commit.
    ///
    /// # Errors
    /// The database's.
    pub async fn write(&self, entry: T) -> Result<T::Outcome> {
        let (answer, written) = oneshot::channel();
        self.0.send(Waiting { entry, answer }).await.map_err(|_| gone())?;
        written.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// The writer has ended: its runtime is shutting down.
fn gone() -> Error {
    sqlx::Error::WorkerCrashed.into()
}

async fn write<T: Entry>(store: Store, mut arrivals: mpsc::Receiver<Waiting<T>>) {
    let mut gathered = Vec::with_capacity(BATCH);
    while arrivals.recv_many(&mut gathered, BATCH).await > 0 {
        while !gathered.is_empty() {
            let (entries, waiters) =
                gathered.drain(..fitting(&gathered)).map(|w| (w.entry, w.answer)).unzip();
            write_batch(&store, entries, waiters).await;
        }
    }
}

/// How many of these fit into one transaction: one at least.
fn fitting<T: Entry>(gathered: &[Waiting<T>]) -> usize {
    let mut bytes = 0;
    let fits = |waiting: &&Waiting<T>| {
        bytes += waiting.entry.size();
        bytes <= BATCH_BYTES
    };
    gathered.iter().take_while(fits).count().max(1)
}

/// A waiter may have hung up: its entry is written all the same.
async fn write_batch<T: Entry>(
    store: &Store,
    entries: Vec<T>,
    waiters: Vec<oneshot::Sender<Result<T::Outcome>>>,
) {
    match T::write(store, &entries).await {
        Ok(outcomes) => {
            for (waiter, outcome) in waiters.into_iter().zip(outcomes) {
                let _ = waiter.send(Ok(outcome));
            }
        }
        // One row that the database cannot take must not cost its neighbors their place.
        Err(Error::Fault(error)) if entries.len() > 1 => {
            tracing::error!(%error, batch = entries.len(), "a batch was refused; its rows are written one by one");
            for (entry, waiter) in entries.iter().zip(waiters) {
                let outcome = T::write(store, std::slice::from_ref(entry)).await;
                let _ = waiter.send(outcome.map(|mut outcomes| outcomes.remove(0)));
            }
        }
        Err(error) => {
            tracing::warn!(%error, batch = entries.len(), "a batch could not be written");
            for waiter in waiters {
                let _ = waiter.send(Err(error.clone()));
            }
        }
    }
}
