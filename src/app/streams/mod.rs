//! Whoever follows executions while they happen: a few at a time, all fed by one task ([`feed`]) that is there only while
//! somebody follows.

mod feed;

use std::sync::{Arc, Weak};

use tokio::runtime::Handle;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Mutex, broadcast};
use tokio_util::sync::CancellationToken;

use super::places::{Full, Placed, Places};
use crate::model::{ApiKeyId, Execution, Position};
use crate::store::{self, Store};
use feed::Feed;

/// Streams that are open at a time, in one process: each holds a connection, a task and a small buffer.
pub const STREAMS: usize = 200;
/// Of them, those of one key and the sessions that were begun with it.
pub const STREAMS_OF_KEY: usize = 20;
/// Messages that a reader may be behind by; then it is let go, and comes back for the rest.
const BEHIND: usize = 4096;
/// News of one kind that somebody who comes back is told of, at most.
pub const MISSED: usize = 10_000;

/// All of them.
pub struct Streams {
    places: Places,
    store: Store,
    /// Not that of a thread which answers requests.
    runtime: Handle,
    feed: Mutex<Weak<Feed>>,
    /// The process is about to stop.
    stopping: CancellationToken,
}

/// A place for one stream, for as long as it is held.
pub struct Place {
    _placed: Placed,
    stopping: CancellationToken,
}

/// One who hears of everything that is committed from the moment it is made.
pub struct Follow {
    feed: Arc<Feed>,
    told: broadcast::Receiver<Told>,
}

/// What is told to all.
#[derive(Clone, Debug)]
pub enum Told {
    /// How an execution stands, for whoever has heard of all up to this position.
    State(Position, Arc<Execution>),
    /// So much has happened that some of it was left out.
    LeftOut(Position),
}

/// Somebody reads too slowly, or nobody tells anything any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over;

impl Streams {
    pub(super) fn new(store: Store) -> Self {
        Self {
            places: Places::new(STREAMS, STREAMS_OF_KEY),
            store,
            runtime: Handle::current(),
            feed: Mutex::default(),
            stopping: CancellationToken::new(),
        }
    }

    /// A place for somebody with this key.
    ///
    /// # Errors
    /// Why there is none.
    pub fn place(&self, key_id: ApiKeyId) -> Result<Place, Full> {
        let placed = self.places.take(key_id)?;
        Ok(Place { _placed: placed, stopping: self.stopping.clone() })
    }

    /// Follows all executions from now on.
    ///
    /// # Errors
    /// The database's.
    pub async fn follow(&self) -> store::Result<Follow> {
        let mut place = self.feed.lock().await;
        let feed = match place.upgrade() {
            Some(feed) => feed,
            None => {
                let feed = Arc::new(Feed::start(self.store.clone(), BEHIND, &self.runtime).await?);
                *place = Arc::downgrade(&feed);
                feed
            }
        };
        Ok(Follow { told: feed.listen(), feed })
    }

    /// How many are open.
    #[must_use]
    pub fn count(&self) -> usize {
        STREAMS - self.places.free()
    }

    /// Lets everybody go, at once and from now on.
    pub(super) fn let_go(&self) {
        self.stopping.cancel();
    }
}

impl Place {
    /// Returns when the process is about to stop.
    pub async fn stopping(&self) {
        self.stopping.cancelled().await;
    }
}

impl Follow {
    /// The next; waits for it.
    ///
    /// # Errors
    /// There is no next one for this reader.
    pub async fn next(&mut self) -> Result<Told, Over> {
        self.told.recv().await.map_err(|error| match error {
            RecvError::Lagged(_) | RecvError::Closed => Over,
        })
    }

    /// How far one has come who has taken all that was told; `None` if there is more to take.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        // In this order: what is told up to a position is there before the position is.
        let position = self.feed.position();
        self.told.is_empty().then_some(position)
    }
}
