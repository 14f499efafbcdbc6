//! Step 3: is it JSON, and the JSON that the agent wants.

use std::sync::Arc;

use actix_web::web::Bytes;
use tokio::sync::Semaphore;

use super::validate;
use crate::app::AgentEntry;
use crate::schema::{Mismatch, PayloadSchema};
use crate::web::{ApiError, Code};

/// Bodies above this size, in bytes, are checked off the server's threads, and so are those that turn out to
/// be costly: any other takes less time than the hand-over.
const INLINE: usize = 32 * 1024;
/// Large bodies checked at once.
const AT_ONCE: usize = 4;

/// Checks payloads, the large ones a few at a time.
pub(super) struct Checker(Arc<Semaphore>);

impl Default for Checker {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Checker {
    /// Refuses what is no JSON (400) or does not match the agent's schema (422).
    pub async fn check(&self, body: &Bytes, agent: &Arc<AgentEntry>) -> Result<(), ApiError> {
        let schema = schema_of(agent);
        if body.len() <= INLINE
            && let Some(verdict) = quick_check(body, schema)
        {
            return verdict;
        }
        let stopping = |_| ApiError::unavailable("the server is stopping; send it again");
        let turn = self.0.clone().acquire_owned().await.map_err(|_| stopping(()))?;
        let (body, agent) = (body.clone(), agent.clone());
        let checked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            check(&body, schema_of(&agent))
        });
        checked.await.map_err(|_| stopping(()))?
    }
}

/// What the agent's payloads must look like; an agent without a trigger takes any.
fn schema_of(agent: &AgentEntry) -> Option<&PayloadSchema> {
    agent.hook.as_ref()?.as_ref().ok()?.schema.as_ref()
}

fn check(body: &[u8], schema: Option<&PayloadSchema>) -> Result<(), ApiError> {
    let payload = parse(body)?;
    schema.map_or(Ok(()), |schema| schema.check(&payload)).map_err(mismatch)
}

/// As [`check`]; `None` if it would take longer than others should have to wait for this thread.
fn quick_check(body: &[u8], schema: Option<&PayloadSchema>) -> Option<Result<(), ApiError>> {
    let payload = match parse(body) {
        Ok(payload) => payload,
        Err(error) => return Some(Err(error)),
    };
    let verdict = schema.map_or(Some(Ok(())), |schema| schema.quick_check(&payload))?;
    Some(verdict.map_err(mismatch))
}

fn parse(body: &[u8]) -> Result<serde_json::Value, ApiError> {
    validate::parse(body).map_err(|error| ApiError::new(Code::MalformedJson, error.to_string()))
}

fn mismatch(mismatches: Vec<Mismatch>) -> ApiError {
    let detail = "the payload does not match the agent's payload_schema; `errors` says where";
    ApiError::new(Code::SchemaMismatch, detail).with_errors(mismatches)
}
