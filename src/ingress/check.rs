//! Step 3: is it JSON, and the JSON that the agent wants.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::raw::RawWebhook;
use super::validate;
use super::verify::Verified;
use crate::app::Hook;
use crate::web::{ApiError, Code};

/// Bodies above this size, in bytes, are checked off the server's threads: a smaller one takes less time
/// than the hand-over.
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
        if raw.body.len() <= INLINE {
            return check(&raw.body, verified.hook());
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
    let payload =
        validate::parse(body).map_err(|error| ApiError::new(Code::MalformedJson, error.to_string()))?;
    let Some(schema) = &hook.schema else { return Ok(()) };
    schema.check(&payload).map_err(|mismatches| {
        let detail = "the payload does not match the agent's payload_schema; `errors` says where";
        ApiError::new(Code::SchemaMismatch, detail).with_errors(mismatches)
    })
}
