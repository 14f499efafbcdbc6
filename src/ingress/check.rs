//! Step 3: is it JSON, and the JSON that the agent wants.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::raw::RawWebhook;
use super::validate;
use super::verify::Verified;
use crate::app::Hook;
use crate::schema::Mismatch;
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
    pub async fn check(&self, raw: &RawWebhook, verified: &Verified) -> Result<(), ApiError> {
        if raw.body.len() <= INLINE
            && let Some(verdict) = quick_check(&raw.body, verified.hook())
        {
            return verdict;
        }
        let stopping = |_| ApiError::unavailable("the server is stopping; send it again");
        let turn = self.0.clone().acquire_owned().await.map_err(|_| stopping(()))?;
        let (body, verified) = (raw.body.clone(), verified.clone());
        let checked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            check(&body, verified.hook())
        });
        checked.await.map_err(|_| stopping(()))?
    }
}

fn check(body: &[u8], hook: &Hook) -> Result<(), ApiError> {
    let payload = parse(body)?;
    hook.schema.as_ref().map_or(Ok(()), |schema| schema.check(&payload)).map_err(mismatch)
}

/// As [`check`]; `None` if it would take longer than others should have to wait for this thread.
fn quick_check(body: &[u8], hook: &Hook) -> Option<Result<(), ApiError>> {
    let payload = match parse(body) {
        Ok(payload) => payload,
        Err(error) => return Some(Err(error)),
    };
    let verdict = hook.schema.as_ref().map_or(Some(Ok(())), |schema| schema.quick_check(&payload))?;
    Some(verdict.map_err(mismatch))
}

fn parse(body: &[u8]) -> Result<serde_json::Value, ApiError> {
    validate::parse(body).map_err(|error| ApiError::new(Code::MalformedJson, error.to_string()))
}

fn mismatch(mismatches: Vec<Mismatch>) -> ApiError {
    let detail = "the payload does not match the agent's payload_schema; `errors` says where";
    ApiError::new(Code::SchemaMismatch, detail).with_errors(mismatches)
}
