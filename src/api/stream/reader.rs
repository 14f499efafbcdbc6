//! Whoever reads a stream: a few pieces are kept for it and no more, and it stands only as long as its key or session does.

use std::future::Future;
use std::time::Duration;

use actix_web::web::{Bytes, Data};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::text;
use crate::app::{App, Place};
use crate::model::ApiKeyId;

/// Messages that wait for the reader, besides those that are told to all.
pub(super) const PIECES: usize = 16;
/// A reader that takes no piece for so long has gone, or stands in the way of others.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is shown that somebody is there: well below the time after which proxies hang up.
const BEAT: Duration = Duration::from_secs(15);
/// How often it is asked whether the reader may read still.
const CHECK: Duration = Duration::from_secs(2);

/// By what right somebody reads.
pub(crate) enum Standing {
    /// An API key.
    Key(ApiKeyId),
    /// A browser's session, by the hash of its token; it ends with its key.
    Session([u8; 32]),
}

pub(super) struct Reader {
    pub app: Data<App>,
    place: Place,
    standing: Standing,
    pieces: mpsc::Sender<Bytes>,
    beat: Interval,
    check: Interval,
}

/// There is nobody to tell anything any more.
pub(super) struct Gone;

/// What came first.
pub(super) enum Turn<T> {
    /// What was waited for.
    Done(T),
    /// It is time to show that somebody is there.
    Beat,
}

impl Reader {
    pub fn new(app: Data<App>, place: Place, standing: Standing, pieces: mpsc::Sender<Bytes>) -> Self {
        let every = |period| {
            let mut every = interval(period);
            every.set_missed_tick_behavior(MissedTickBehavior::Delay);
            // The first is at once, and too early.
            every.reset();
            every
        };
        Self { app, place, standing, pieces, beat: every(BEAT), check: every(CHECK) }
    }

    /// Sends a piece, as soon as there is room for it.
    pub async fn send(&self, text: String) -> Result<(), Gone> {
        tokio::select! {
            biased;
            sent = self.pieces.send_timeout(text.into(), PATIENCE) => sent.map_err(|_| Gone),
            () = self.place.stopping() => Err(Gone),
        }
    }

    /// Sees to it that the reader is there and may be, between two pieces of many.
    pub async fn go_on(&mut self) -> Result<(), Gone> {
        match self.wait(std::future::ready(())).await? {
            Turn::Beat => self.send(text::beat(None)).await,
            Turn::Done(()) => Ok(()),
        }
    }

    /// The last words, if there is room for them.
    pub fn bye(&self, why: &str) {
        let _ = self.pieces.try_send(text::comment(why).into());
    }

    /// Waits for something that may be given up and begun anew, and sees to it that the reader is there and may be.
    pub async fn wait<T>(&mut self, what: impl Future<Output = T>) -> Result<Turn<T>, Gone> {
        tokio::pin!(what);
        loop {
            tokio::select! {
                biased;
                () = self.pieces.closed() => return Err(Gone),
                () = self.place.stopping() => {
                    self.bye("the server is about to stop: come back in a moment");
                    return Err(Gone);
                }
                _ = self.check.tick() => if !stands(&self.app, &self.standing).await {
                    self.bye("the key or the session is not valid any more");
                    return Err(Gone);
                },
                _ = self.beat.tick() => return Ok(Turn::Beat),
                done = &mut what => return Ok(Turn::Done(done)),
            }
        }
    }
}

/// Whether it still counts. A database that is away says nothing about that, and has nothing to be told either.
async fn stands(app: &App, standing: &Standing) -> bool {
    let stands = match standing {
        Standing::Key(key_id) => app.store.has_api_key(*key_id).await,
        Standing::Session(hash) => {
            app.store.session(hash, app.clock.now()).await.map(|session| session.is_some())
        }
    };
    stands.unwrap_or(true)
}
