//! Cleans up what apalis leaves behind in Redis, and heals what would stop it.
//!
//! apalis-redis 1.0.0 forgets nothing: a ring that is done stays in the set `done`, in the hash `data` and under a
//! key `meta:ID` of its own; a worker that is gone leaves its metadata. Each process with a worker has a janitor.
//! They do not know of each other: what one of them does is one script, which Redis runs alone.
//!
//! A ring that is thrown away is only late: the sweep finds what it was for.

use std::sync::LazyLock;
use std::time::Duration;

use redis::{RedisResult, Script};
use uuid::Uuid;

use super::Line;

/// Between two turns.
const TURN: Duration = Duration::from_secs(1);
/// What one script removes at most: Redis does nothing else meanwhile.
const AT_ONCE: usize = 1000;
/// Scripts of one turn, at most: more than a worker can answer in its time.
const ROUNDS: usize = 20;
/// With more waiting than this a window has been overrun: apalis's fetch dies for good above some 8,000.
const OVERFULL: usize = 6000;
/// What is left after that.
const HEALED: usize = 2000;
/// Rings that one turn looks at for their age.
const LOOKED_AT: usize = 100;
/// A ring of this age belongs to nothing. Where a janitor is there is a worker, which hears a ring in seconds.
const STALE_S: u64 = 3600;
/// The traces of a worker that died without a word end by themselves after this, in s.
const FORGOTTEN_S: i64 = 600;

/// Forgets rings that are done, and throws out rings until the window is one again. Says how many that were.
static TIDY: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local done, dead, data, scheduled, active = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
        local meta, at_once, overfull, healed = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
        local function forget(ids)
            if #ids == 0 then return 0 end
            redis.call('HDEL', data, unpack(ids))
            for _, id in ipairs(ids) do redis.call('DEL', meta .. id) end
            return #ids
        end
        local removed = forget(redis.call('SPOP', done, at_once)) + forget(redis.call('SPOP', dead, at_once))
        local due = redis.call('ZCARD', scheduled)
        if due > overfull or ARGV[5] == '1' and due > healed then
            local ids = {}
            local popped = redis.call('ZPOPMIN', scheduled, math.min(at_once, due - healed))
            for at = 1, #popped, 2 do table.insert(ids, popped[at]) end
            removed = removed + forget(ids)
        end
        local waiting = redis.call('LLEN', active)
        if waiting > overfull or ARGV[5] == '1' and waiting > healed then
            local count = math.min(at_once, waiting - healed)
            local ids = redis.call('LRANGE', active, 0, count - 1)
            redis.call('LTRIM', active, count, -1)
            removed = removed + forget(ids)
        end
        return {removed, (due > overfull or waiting > overfull) and 1 or 0}
        ",
    )
});

/// Forgets the named rings wherever they are. Without their data they must be nowhere: apalis's fetch dies of a
/// ring that it knows by name only.
static FORGET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        for _, id in ipairs(ARGV) do
            redis.call('ZREM', KEYS[2], id)
            redis.call('LREM', KEYS[3], 0, id)
            redis.call('HDEL', KEYS[1], id)
            redis.call('DEL', KEYS[4] .. id)
        end
        ",
    )
});

/// Forgets a worker. What it had taken is rung again, if it is whole, or forgotten too.
static BURY: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local inflight, workers, traces, active, data, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
        for _, id in ipairs(redis.call('SMEMBERS', inflight)) do
            if ARGV[2] == '1' and redis.call('HEXISTS', data, id) == 1 and redis.call('EXISTS', meta .. id) == 1 then
                redis.call('RPUSH', active, id)
            else
                redis.call('HDEL', data, id)
                redis.call('DEL', meta .. id)
            end
        end
        redis.call('DEL', inflight, traces)
        redis.call('ZREM', workers, ARGV[1])
        ",
    )
});

/// What becomes of the rings that a worker had taken and not answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// They are rung again.
    Rung,
    /// They are forgotten: one of them may be what the worker died of.
    Dropped,
}

/// Keeps the house of one worker.
#[derive(Clone)]
pub(super) struct Janitor {
    line: Line,
    pub(super) name: String,
    /// Where the last look at the age of rings ended.
    cursor: u64,
}

impl Janitor {
    pub(super) fn new(line: &Line, name: &str) -> Self {
        Self { line: line.clone(), name: name.to_owned(), cursor: 0 }
    }

    /// Makes Redis fit for the worker, before it starts. `empty` also throws out all that waits.
    pub(super) async fn welcome(&self, empty: bool) -> RedisResult<()> {
        // apalis sets fields of this key at the start and never looks at it again. It is made beforehand, because
        // only a key that is there can be given an end.
        redis::pipe()
            .hset(self.traces(), "service", "agenthook")
            .ignore()
            .expire(self.traces(), FORGOTTEN_S)
            .ignore()
            .exec_async(&mut self.line.connection.clone())
            .await?;
        self.tidy(empty).await
    }

    /// Turn by turn, for as long as the worker lives.
    pub(super) async fn keep(mut self) {
        loop {
            tokio::time::sleep(TURN).await;
            if let Err(error) = self.turn().await {
                // The worker meets the same and says so.
                tracing::debug!(%error, "the queue could not be cleaned up");
            }
        }
    }

    async fn turn(&mut self) -> RedisResult<()> {
        self.tidy(false).await?;
        self.forget_stale().await?;
        redis::cmd("EXPIRE")
            .arg(self.traces())
            .arg(FORGOTTEN_S)
            .exec_async(&mut self.line.connection.clone())
            .await
    }

    /// `empty` throws out all that waits.
    async fn tidy(&self, empty: bool) -> RedisResult<()> {
        let config = &self.line.config;
        let (mut healing, healed) = if empty { (true, 0) } else { (false, HEALED) };
        for _ in 0..ROUNDS {
            let (removed, overfull): (usize, bool) = TIDY
                .key(config.done_jobs_set())
                .key(config.dead_jobs_set())
                .key(config.job_data_hash())
                .key(config.scheduled_jobs_set())
                .key(config.active_jobs_list())
                .arg(self.meta())
                .arg(AT_ONCE)
                .arg(OVERFULL)
                .arg(healed)
                .arg(u8::from(healing))
                .invoke_async(&mut self.line.connection.clone())
                .await?;
            if overfull && !healing {
                tracing::warn!(
                    "more rings than fit into the queue: some are thrown away, the sweep makes up for it"
                );
            }
            healing |= overfull;
            if removed < AT_ONCE {
                break;
            }
        }
        Ok(())
    }

    /// Looks at some rings, others at each turn, and forgets those that are too old to belong to anything.
    async fn forget_stale(&mut self) -> RedisResult<()> {
        let (config, connection) = (&self.line.config, &mut self.line.connection.clone());
        let (cursor, rings): (u64, Vec<(String, String)>) = redis::cmd("HSCAN")
            .arg(config.job_data_hash())
            .arg(self.cursor)
            .arg("COUNT")
            .arg(LOOKED_AT)
            .query_async(connection)
            .await?;
        self.cursor = cursor;
        let now = second(Uuid::now_v7());
        let stale = |id: &String| Uuid::try_parse(id).map_or(0, second) + STALE_S < now;
        let stale: Vec<_> = rings.into_iter().map(|(id, _)| id).filter(stale).collect();
        if stale.is_empty() {
            return Ok(());
        }
        FORGET
            .key(config.job_data_hash())
            .key(config.scheduled_jobs_set())
            .key(config.active_jobs_list())
            .key(self.meta())
            .arg(stale)
            .invoke_async(connection)
            .await
    }

    /// Tells Redis that the worker is gone. apalis itself does not: at its end it removes the wrong name from the
    /// set of workers, and may drop a fetch that Redis has run already.
    pub(super) async fn bury(&self, found: Found) -> RedisResult<()> {
        let config = &self.line.config;
        BURY.key(format!("{}:{}", config.inflight_jobs_set(), self.name))
            .key(config.workers_set())
            .key(self.traces())
            .key(config.active_jobs_list())
            .key(config.job_data_hash())
            .key(self.meta())
            .arg(&self.name)
            .arg(u8::from(found == Found::Rung))
            .invoke_async::<()>(&mut self.line.connection.clone())
            .await?;
        // It may have been the last one that could.
        self.tidy(false).await
    }

    /// apalis's key for the worker.
    fn traces(&self) -> String {
        format!("{}:metadata:{}", self.line.config.workers_set(), self.name)
    }

    /// What apalis's keys for single rings begin with.
    fn meta(&self) -> String {
        format!("{}:", self.line.config.job_meta_hash())
    }
}

/// When an id was made; long ago if it does not say.
fn second(id: Uuid) -> u64 {
    id.get_timestamp().map_or(0, |made| made.to_unix().0)
}
