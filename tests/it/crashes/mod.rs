//! Processes are killed, stopped and restarted under load, and what they lean on is taken away.
//!
//! Always the same is asked at the end: everything that was accepted has ended, once; a crash has cost no more calls
//! than were in flight; each call has its row; and each end is told once.

mod api;
mod crowd;
mod outbound;
mod poison;
mod postgres;
mod probe;
mod redis;
mod ringing;
mod stop;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use crate::harness::{Agent, Database, Fleet, ManyCalls, env};

/// What the LLM takes for a call, where it has to be in mid-call when something happens.
const CALL: Duration = Duration::from_millis(1500);

/// Whether the run is one with Redis.
fn with_redis() -> bool {
    env("AGENTHOOK_TEST_QUEUE").is_some()
}

/// A fleet on a database of its own.
async fn fleet(call: Duration) -> (Fleet, Arc<ManyCalls>, Database) {
    let (database, llm) = (Database::create().await, ManyCalls::start(call));
    (Fleet::on(&database.url, database.redis_url.as_deref(), llm.clone()), llm, database)
}

/// Sends so many different hooks at once; all must be accepted.
async fn accepted(agent: &Agent, hooks: usize) -> Vec<String> {
    let sends = (0..hooks).map(|number| agent.accepted(format!(r#"{{"number":{number}}}"#)));
    futures_util::future::join_all(sends).await
}
