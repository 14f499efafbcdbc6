//! The channel `model_ready`: what consumers of a pipeline heard on Redis before there were webhooks.
//!
//! Redis hands a message to whoever listens at that moment and keeps none, so nothing here is kept either: each message is
//! tried once, for as long as a hint, and what does not get through is said in the log.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::TaskTracker;

use super::BadAddress;
use super::link::{Link, patiently};
use super::redis::Redis;
use crate::quiet::Quiet;

/// Its name, in every database of the Redis.
const CHANNEL: &str = "model_ready";
/// Bytes that may wait for a Redis that is slow; what goes beyond is not published.
const WAITING: usize = 32 << 20;

/// The channel on a Redis.
#[derive(Clone)]
pub struct ModelReady(Redis);

/// Publishes there; cheap to clone. What waits when the last clone is gone is published still.
#[derive(Clone, Debug)]
pub struct Publisher {
    waiting: mpsc::UnboundedSender<Message>,
    room: Arc<Semaphore>,
}

/// A text, and the room that it takes.
#[derive(Debug)]
struct Message {
    text: String,
    _room: OwnedSemaphorePermit,
}

/// A message that nobody hears: too much waits for Redis already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too much waits for Redis already")]
pub struct NoRoom;

impl ModelReady {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// The URL cannot be used.
    pub fn new(url: &str) -> Result<Self, BadAddress> {
        Ok(Self(Redis::on(CHANNEL.to_owned(), url)?))
    }

    /// Begins to publish, in a task among these.
    #[must_use]
    pub fn start(self, tasks: &TaskTracker) -> Publisher {
        let (waiting, messages) = mpsc::unbounded_channel();
        tasks.spawn(publish(self.0, messages));
        Publisher { waiting, room: Arc::new(Semaphore::new(WAITING)) }
    }
}

impl Publisher {
    /// Publishes a text as it is, after those before it; never waits.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn publish(&self, text: String) -> Result<(), NoRoom> {
        let bytes = u32::try_from(text.len()).map_err(|_| NoRoom)?;
        let room = self.room.clone().try_acquire_many_owned(bytes).map_err(|_| NoRoom)?;
        self.waiting.send(Message { text, _room: room }).map_err(|_| NoRoom)
    }
}

async fn publish(mut redis: Redis, mut messages: mpsc::UnboundedReceiver<Message>) {
    let mut quiet = Quiet::default();
    while let Some(message) = messages.recv().await {
        if let Err(fault) = patiently(redis.say(&message.text)).await
            && quiet.may_speak()
        {
            tracing::warn!(%fault, "a registered model could not be published on Redis (channel {CHANNEL})");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_waits_for_redis_has_a_bound() {
        let (waiting, mut messages) = mpsc::unbounded_channel();
        let publisher = Publisher { waiting, room: Arc::new(Semaphore::new(8)) };
        assert_eq!(publisher.publish("12345".into()), Ok(()));
        assert_eq!(publisher.publish("6789".into()), Err(NoRoom));
        assert_eq!(publisher.publish("678".into()), Ok(()));
        assert_eq!(messages.recv().await.map(|message| message.text), Some("12345".to_owned()));
        assert_eq!(publisher.publish("again".into()), Ok(()), "what was taken makes room");
    }
}
