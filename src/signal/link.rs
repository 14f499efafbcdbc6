//! The two tasks behind a signal between processes, whatever it travels over.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::{Ears, Heard, Hint, OnTheWay, text};
use crate::quiet::Quiet;

/// Hints in one message. With the longest ids this stays below the 8,000 bytes that NOTIFY takes.
const BATCH: usize = 64;
/// From one message to the next, at least: what comes meanwhile goes together.
const PACE: Duration = Duration::from_millis(5);
/// How long the backend may take for anything.
const PATIENCE: Duration = Duration::from_secs(3);
/// A silent connection is asked whether it still lives after this.
pub(super) const SILENCE: Duration = Duration::from_secs(10);
/// The first pause before another connection is tried; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Why nothing gets through.
pub(super) type Fault = Box<dyn std::error::Error + Send + Sync>;

/// What carries messages.
pub(super) trait Link: Clone + Send + Sync + 'static {
    /// A connection that listens.
    type Ear: Ear;
    /// Sends to everybody, over a connection that it keeps.
    fn say(&mut self, message: &str) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Begins to listen.
    fn open(&self) -> impl Future<Output = Result<Self::Ear, Fault>> + Send;
}

/// One connection that listens.
pub(super) trait Ear: Send {
    /// The next message; `None` after [`SILENCE`]. May be dropped in mid wait.
    fn next(&mut self) -> impl Future<Output = Result<Option<String>, Fault>> + Send;
    /// Whether it lives, although it is silent.
    fn check(&mut self) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// Sends what is waiting until nobody can add to it any more: `ended` as far as `waiting` leaves room in a message. What
/// cannot be sent is dropped: it was a hint.
pub(super) async fn tell(
    mut link: impl Link,
    name: String,
    mut waiting: mpsc::Receiver<Hint>,
    mut ended: mpsc::Receiver<Hint>,
    on_the_way: Arc<OnTheWay>,
) {
    let (mut hints, mut quiet) = (Vec::with_capacity(BATCH), Quiet::default());
    loop {
        let first = tokio::select! {
            biased;
            hint = waiting.recv() => hint,
            Some(end) = ended.recv() => Some(end),
        };
        let Some(first) = first else { return };
        hints.push(first);
        while hints.len() < BATCH
            && let Ok(hint) = waiting.try_recv().or_else(|_| ended.try_recv())
        {
            hints.push(hint);
        }
        // From here on a new one is news again.
        on_the_way.clear();
        let message = text::write(&name, &hints);
        hints.clear();
        if let Err(fault) = patiently(link.say(&message)).await
            && quiet.may_speak()
        {
            tracing::warn!(%fault, "hints to other processes are lost; they look by themselves");
        }
        sleep(PACE).await;
    }
}

/// Listens for ever, over one connection after the other.
pub(super) async fn listen(link: impl Link, name: String, ears: Ears) {
    let (mut pause, mut quiet) = (FIRST_PAUSE, Quiet::default());
    loop {
        let fault = match patiently(link.open()).await {
            Ok(mut ear) => {
                // Whatever was said until now went past us.
                ears.hear(Heard::Missed);
                tracing::debug!("hints of other processes are heard");
                pause = FIRST_PAUSE;
                hear(&mut ear, &name, &ears).await
            }
            Err(fault) => fault,
        };
        if quiet.may_speak() {
            tracing::warn!(%fault, "hints of other processes are not heard; this one looks by itself");
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Passes on what one connection hears, until it breaks.
async fn hear(ear: &mut impl Ear, name: &str, ears: &Ears) -> Fault {
    loop {
        let heard = match ear.next().await {
            Ok(Some(message)) => {
                text::read(name, &message).for_each(|hint| ears.hear(Heard::Hint(hint)));
                Ok(())
            }
            Ok(None) => patiently(ear.check()).await,
            Err(fault) => Err(fault),
        };
        if let Err(fault) = heard {
            return fault;
        }
    }
}

pub(super) async fn patiently<T>(what: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    timeout(PATIENCE, what).await.unwrap_or_else(|elapsed| Err(elapsed.into()))
}
