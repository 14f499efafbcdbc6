//! Rates in Redis: one script, one trip, whatever it is about.
//!
//! Redis runs a script as a whole, so two processes cannot both take the last of a rate, and it tells the time, so that
//! a process whose clock is wrong takes nothing from the others. Each number has an end: Redis forgets what has its whole
//! burst. If Redis does not answer at once it is left alone for a while: a hook must not wait for it.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError, Script};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::super::BadAddress;
use super::{Over, Rate};
use crate::model::Time;

/// How long Redis may take, connecting included.
const PATIENCE: Duration = Duration::from_millis(500);
/// So long it is not asked after it did not answer; then one asks, and the others wait for what comes of it.
const PAUSE: Duration = Duration::from_secs(1);

/// The same as [`super::local::Local::take`]. ARGV: the time in µs, or -1 for Redis's own; then of each key its step and
/// its reach in µs. All of them are far below 2^53, so Lua's numbers are exact. Answers which key has no room, and for how long; 0 is none.
const TAKE: &str = "
local now = tonumber(ARGV[1])
if now < 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local full, longest, whose = {}, 0, 0
for i, key in ipairs(KEYS) do
  local step = tonumber(ARGV[2 * i])
  full[i] = math.max(tonumber(redis.call('GET', key) or now), now) + step
  local wait = full[i] - tonumber(ARGV[2 * i + 1]) - now
  if wait > longest then longest, whose = wait, i end
end
if whose > 0 then return {whose, longest} end
for i, key in ipairs(KEYS) do
  redis.call('SET', key, string.format('%.0f', full[i]), 'PX', math.ceil((full[i] - now) / 1000) + 1000)
end
return {0, 0}";

/// ARGV: the step of each key.
const GIVE_BACK: &str = "
for i, key in ipairs(KEYS) do
  if redis.call('EXISTS', key) == 1 then redis.call('DECRBY', key, ARGV[i]) end
end";

/// Why Redis has not counted.
#[derive(Debug, thiserror::Error)]
pub(super) enum Away {
    #[error("Redis: {0}")]
    Fault(#[from] RedisError),
    #[error("Redis has not answered within {} ms", PATIENCE.as_millis())]
    Slow,
    #[error("Redis has just not answered")]
    LeftAlone,
}

/// The numbers of all processes.
pub(super) struct Shared {
    client: Client,
    connection: OnceCell<ConnectionManager>,
    take: Script,
    give_back: Script,
    left_alone_until: Mutex<Option<Instant>>,
}

impl Shared {
    /// Connects to nothing yet.
    pub fn new(url: &str) -> Result<Self, BadAddress> {
        // The error's own text may repeat the URL, and with it a password.
        let fault = |error: RedisError| {
            BadAddress(format!("is not a URL that can be used for Redis ({:?})", error.kind()))
        };
        Ok(Self {
            client: Client::open(url).map_err(fault)?,
            connection: OnceCell::new(),
            take: Script::new(TAKE),
            give_back: Script::new(GIVE_BACK),
            left_alone_until: Mutex::default(),
        })
    }

    /// Takes room for one hook of all these rates, or of none; at this time, or at Redis's.
    pub async fn take(&self, rates: &[Rate], at: Option<Time>) -> Result<Result<(), Over>, Away> {
        let mut call = self.take.prepare_invoke();
        call.arg(at.map_or(-1, |at| at.timestamp_micros()));
        for rate in rates {
            call.key(rate.key()).arg(rate.step()).arg(rate.reach());
        }
        let (whose, wait): (usize, u64) =
            self.ask(async |mut connection| call.invoke_async(&mut connection).await).await?;
        let over = whose.checked_sub(1).and_then(|place| rates.get(place));
        Ok(match over {
            None => Ok(()),
            Some(rate) => Err(Over { rate: rate.clone(), wait: Duration::from_micros(wait) }),
        })
    }

    /// Gives back what was taken.
    pub async fn give_back(&self, rates: &[Rate]) -> Result<(), Away> {
        let mut call = self.give_back.prepare_invoke();
        for rate in rates {
            call.key(rate.key()).arg(rate.step());
        }
        self.ask(async |mut connection| call.invoke_async(&mut connection).await).await
    }

    async fn ask<T>(
        &self,
        what: impl AsyncFnOnce(ConnectionManager) -> Result<T, RedisError>,
    ) -> Result<T, Away> {
        let was_away = self.may_ask()?;
        let answer = async {
            let connection = self.connection.get_or_try_init(async || self.connect()).await?;
            Ok(what(connection.clone()).await?)
        };
        let answer = timeout(PATIENCE, answer).await.unwrap_or(Err(Away::Slow));
        if was_away || answer.is_err() {
            *self.left_alone() = answer.is_err().then(|| Instant::now() + PAUSE);
        }
        answer
    }

    /// Whether it did not answer lately, and this one finds out for all.
    fn may_ask(&self) -> Result<bool, Away> {
        let mut left_alone = self.left_alone();
        let Some(until) = *left_alone else { return Ok(false) };
        let now = Instant::now();
        if now < until {
            return Err(Away::LeftAlone);
        }
        *left_alone = Some(now + PAUSE);
        Ok(true)
    }

    /// On the runtime of whoever asks first; a lost connection is made again by itself.
    fn connect(&self) -> Result<ConnectionManager, RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(PATIENCE))
            .set_connection_timeout(Some(PATIENCE))
            .set_number_of_retries(0);
        ConnectionManager::new_lazy_with_config(self.client.clone(), config)
    }

    fn left_alone(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.left_alone_until.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
