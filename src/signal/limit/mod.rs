//! Rates: how many hooks an agent, or all agents of a tenant, may have taken.
//!
//! A rate is counted by the generic cell rate algorithm. Of each key one number is kept: the time at which it will have
//! all of its burst again. A hook moves that time on by one step (a minute divided by the rate), and is refused if
//! it would then be more than the burst's steps ahead. What has its whole burst need not be remembered at all.
//!
//! With Redis all processes share the numbers ([`redis`]); without it, and while it is away, each process has its own.
//! `governor` has neither the shared numbers, nor a way to give back, nor limits that differ by key.

mod local;
mod redis;

use std::time::Duration;

use tokio::sync::Mutex;
use uuid::Uuid;

use super::BadAddress;
use crate::clock::Clock;
use crate::model::{AgentId, RateLimit, TenantId, WebhookId};
use crate::quiet::Quiet;
use local::Local;
use redis::Shared;

/// Whose rate it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateOwner {
    /// An agent's.
    Agent(AgentId),
    /// A tenant's: all its agents' together.
    Tenant(TenantId),
    /// An endpoint's: what is sent to it.
    Webhook(WebhookId),
}

/// A rate, and how much it may be. A limit that changes is another rate, and begins with its whole burst.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Whose it is.
    pub owner: RateOwner,
    /// How much.
    pub limit: RateLimit,
}

/// Room was taken of these rates; it can be given back.
#[derive(Debug)]
#[must_use]
pub struct Taken {
    rates: Vec<Rate>,
    shared: bool,
}

/// A rate has no room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Over {
    /// Which: of several the one that has none for longest.
    pub rate: Rate,
    /// When it has room again, if nobody else takes it.
    pub wait: Duration,
}

/// All rates.
pub struct Rates {
    clock: Clock,
    local: Local,
    shared: Option<Shared>,
    quiet: Mutex<Quiet>,
}

impl Rate {
    /// The name of what is kept, in memory and in Redis.
    fn key(&self) -> String {
        let RateLimit { per_minute, burst } = self.limit;
        match &self.owner {
            RateOwner::Agent(AgentId(id)) => {
                format!("agenthook:rate:agent:{}:{per_minute}:{burst}", short(id))
            }
            RateOwner::Tenant(id) => format!("agenthook:rate:tenant:{per_minute}:{burst}:{id}"),
            RateOwner::Webhook(WebhookId(id)) => {
                format!("agenthook:rate:webhook:{}:{per_minute}:{burst}", short(id))
            }
        }
    }

    /// From one hook to the next in the long run, in µs. Whole ones, so that no sum is off, and rather too long: at the
    /// very highest rates one or two hundredths fewer are taken.
    fn step(&self) -> i64 {
        60_000_000_u32.div_ceil(self.limit.per_minute.max(1)).into()
    }

    /// How far ahead the time may be at which the whole burst is there again, in µs.
    fn reach(&self) -> i64 {
        self.step() * i64::from(self.limit.burst)
    }
}

fn short(id: &Uuid) -> impl std::fmt::Display {
    id.simple()
}

impl Rates {
    /// Of this process alone.
    #[must_use]
    pub fn local(clock: Clock) -> Self {
        Self { clock, local: Local::default(), shared: None, quiet: Mutex::default() }
    }

    /// Shared by all processes on this Redis and this database of it. Connects when it is first used.
    ///
    /// # Errors
    /// The URL cannot be used.
    pub fn redis(clock: Clock, url: &str) -> Result<Self, BadAddress> {
        Ok(Self { shared: Some(Shared::new(url)?), ..Self::local(clock) })
    }

    /// Takes room for one hook of all these rates, or of none.
    ///
    /// # Errors
    /// One of them has no room.
    pub async fn take(&self, rates: Vec<Rate>) -> Result<Taken, Over> {
        if rates.is_empty() {
            return Ok(Taken { rates, shared: false });
        }
        if let Some(shared) = &self.shared {
            match shared.take(&rates, self.clock.by_hand()).await {
                Ok(Ok(())) => return Ok(Taken { rates, shared: true }),
                Ok(Err(over)) => return Err(over),
                Err(away) => self.say(away).await,
            }
        }
        self.local.take(&rates, self.clock.now().timestamp_micros())?;
        Ok(Taken { rates, shared: false })
    }

    /// Gives back what was taken: it was nothing new.
    pub async fn give_back(&self, taken: Taken) {
        match &self.shared {
            _ if taken.rates.is_empty() => {}
            Some(shared) if taken.shared => {
                if let Err(away) = shared.give_back(&taken.rates).await {
                    self.say(away).await;
                }
            }
            _ => self.local.give_back(&taken.rates),
        }
    }

    async fn say(&self, away: redis::Away) {
        if self.quiet.lock().await.may_speak() {
            tracing::warn!(%away, "rates are not shared with other processes; each counts for itself");
        }
    }
}
