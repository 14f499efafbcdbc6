//! Group commit: whoever waits is written in the next transaction, together.
//!
//! A commit costs a disk flush however much it holds. So one writer takes what has gathered while the last commit was
//! under way (no timer), writes it in one transaction and only then answers the waiters: nobody is told "done" of a
//! row that a power cut could take back.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
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
    match write_or_fault(store, &entries).await {
        Ok(outcomes) => {
            for (waiter, outcome) in waiters.into_iter().zip(outcomes) {
                let _ = waiter.send(Ok(outcome));
            }
        }
        // One row that the database cannot take must not cost its neighbors their place.
        Err(Error::Fault(error)) if entries.len() > 1 => {
            tracing::error!(%error, batch = entries.len(), "a batch was refused; its rows are written one by one");
            for (entry, waiter) in entries.iter().zip(waiters) {
                let outcome = write_or_fault(store, std::slice::from_ref(entry)).await;
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

/// A panic is a fault of its batch, not the end of the writer: whoever comes next is written.
async fn write_or_fault<T: Entry>(store: &Store, batch: &[T]) -> Result<Vec<T::Outcome>> {
    let written = AssertUnwindSafe(T::write(store, batch)).catch_unwind().await;
    written.unwrap_or_else(|_| Err(sqlx::Error::Encode("writing a batch panicked".into()).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Panics where it is negative, is refused where it is zero.
    struct Number(i32);

    impl Entry for Number {
        type Outcome = i32;

        fn size(&self) -> usize {
            1
        }

        async fn write(_: &Store, batch: &[Self]) -> Result<Vec<i32>> {
            assert!(batch.iter().all(|number| number.0 >= 0), "negative");
            if batch.iter().any(|number| number.0 == 0) {
                return Err(sqlx::Error::RowNotFound.into());
            }
            Ok(batch.iter().map(|number| number.0).collect())
        }
    }

    #[tokio::test]
    async fn one_that_cannot_be_written_costs_its_neighbors_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite://{}", directory.path().join("group.db").display());
        let group = Group::start(Store::open(&url, 1).await.expect("opens"), 64);
        let numbers = [3, -1, 4, 0, 5];
        let written = futures_util::future::join_all(numbers.map(|number| group.write(Number(number)))).await;
        for (number, written) in numbers.iter().zip(written) {
            assert_eq!(written.ok(), (*number > 0).then_some(*number));
        }
        assert_eq!(group.write(Number(6)).await.ok(), Some(6), "the writer goes on");
    }

    #[tokio::test]
    async fn without_room_an_entry_is_refused_at_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite://{}", directory.path().join("group.db").display());
        // On a single thread the writer has no turn before the second one is tried.
        let group = Group::start(Store::open(&url, 1).await.expect("opens"), 1);
        let (first, second) = tokio::join!(group.try_write(Number(1)), group.try_write(Number(2)));
        assert_eq!(first.expect("there was room").ok(), Some(1));
        assert_eq!(second.err(), Some(Full));
    }
}
