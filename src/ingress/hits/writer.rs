//! The one writer of hits: what has gathered in a second is one transaction, and so is what was counted.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use super::counts::{Counts, hour};
use super::unread::Strangers;
use super::{Row, ToWriter};
use crate::app::App;
use crate::model::{HitDetail, Time, WebhookSecret};
use crate::quiet::Quiet;
use crate::store::{self, Error};

/// From one write to the next: what a process that is killed has counted in vain.
const EVERY: Duration = Duration::from_secs(1);
/// Rows of one transaction, at most.
const BATCH: usize = 128;
/// How often the last write is tried, and what is waited between: less than the stop waits for it.
const LAST_TRIES: u32 = 40;
const AGAIN: Duration = Duration::from_millis(50);
/// How often what is too old is looked for.
const SWEEP: Duration = Duration::from_secs(3600);

/// Writes rows and counts.
pub(super) struct Writer {
    app: Arc<App>,
    counts: Arc<Counts>,
    strangers: Arc<Strangers>,
    batch: Vec<Row>,
    swept: Option<Instant>,
    quiet: Quiet,
}

impl Writer {
    pub fn new(app: Arc<App>, counts: Arc<Counts>, strangers: Arc<Strangers>) -> Self {
        Self {
            app,
            counts,
            strangers,
            batch: Vec::with_capacity(BATCH),
            swept: None,
            quiet: Quiet::default(),
        }
    }

    /// Writes until nobody is there to send more.
    pub async fn run(mut self, mut rows: mpsc::Receiver<ToWriter>) {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.sweep().await;
        loop {
            tokio::select! {
                message = rows.recv(), if self.batch.len() < BATCH => match message {
                    Some(ToWriter::Write(row)) => {
                        self.batch.push(*row);
                        // While the database is away the batch stays, and is tried at the next tick.
                        if self.batch.len() == BATCH {
                            self.write().await;
                        }
                    }
                    Some(ToWriter::Flush(done)) => {
                        self.write().await;
                        let _ = done.send(());
                    }
                    None => break,
                },
                _ = tick.tick() => {
                    self.write().await;
                    self.sweep().await;
                }
            }
        }
        self.write_the_last().await;
    }

    /// Writes what there is at the stop. Connections that the server's threads have opened end with these, and the pool
    /// learns that only when it uses them: so it is tried again.
    async fn write_the_last(&mut self) {
        for _ in 0..LAST_TRIES {
            match self.try_write().await {
                Ok(()) => return,
                Err(error) => {
                    tracing::debug!(%error, "the last hits could not be written; it is tried again")
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
        self.write().await;
    }

    async fn write(&mut self) {
        if let Err(error) = self.try_write().await
            && self.quiet.may_speak()
        {
            tracing::warn!(%error, "hits cannot be written now; they are counted on");
        }
    }

    async fn try_write(&mut self) -> store::Result<()> {
        let strangers = self.strangers.introduce(&self.app, &self.counts).await?;
        // While the database is away the batch is full: their rows are lost, and no count.
        self.batch.extend(strangers.into_iter().take(BATCH.saturating_sub(self.batch.len())));
        let counted = self.counts.take(self.app.clock.now());
        if !counted.is_empty()
            && let Err(error) = self.app.store.count_hits(counted.clone()).await
        {
            self.counts.add_all(counted);
            return Err(error);
        }
        if self.batch.is_empty() {
            return Ok(());
        }
        let hits: Vec<HitDetail> = self.batch.iter().map(Row::detail).collect();
        let written = self.app.store.add_hits(&hits, self.app.settings.hits_per_agent).await;
        match written {
            // They are tried again.
            Err(Error::Unavailable(_)) => {}
            Ok(()) | Err(_) => self.batch.clear(),
        }
        written
    }

    /// Forgets what is too old, once an hour.
    async fn sweep(&mut self) {
        if self.swept.is_some_and(|last| last.elapsed() < SWEEP) {
            return;
        }
        self.swept = Some(Instant::now());
        if let Err(error) = forget(&self.app).await
            && self.quiet.may_speak()
        {
            tracing::warn!(%error, "old hits cannot be forgotten now; it is tried again in an hour");
        }
    }
}

/// Forgets hits, counts and retired secrets that are too old.
async fn forget(app: &App) -> store::Result<()> {
    let now = app.clock.now();
    let days = app.settings.hits_days;
    app.store.forget_hits(oldest(days, now), counted_since(days, now)).await?;
    app.store.forget_secrets(now - TimeDelta::days(WebhookSecret::RETIRED_DAYS)).await
}

/// Since when hits are kept.
fn oldest(days: u32, now: Time) -> Time {
    now - TimeDelta::days(days.into())
}

/// Since when they are counted: from a whole hour on.
pub(super) fn counted_since(days: u32, now: Time) -> Time {
    hour(oldest(days, now))
}
