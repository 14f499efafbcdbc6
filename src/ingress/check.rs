//! Step 3: is it JSON, does the agent want it, and is it the JSON that the agent wants.

use std::sync::Arc;

use actix_web::web::Bytes;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::validate;
use crate::app::{AgentEntry, Hook};
use crate::filter::EvalFault;
use crate::model::Headers;
use crate::schema::{Mismatch, PayloadSchema};
use crate::web::{ApiError, Code};

/// Bodies above this size, in bytes, are checked off the server's threads, and so are those that turn out to
/// be costly: any other takes less time than the hand-over.
pub(super) const INLINE: usize = 32 * 1024;
/// Large bodies checked at once.
const AT_ONCE: usize = 4;

/// What a body is to its agent.
#[derive(Debug)]
pub(super) enum Checked {
    /// What it wants.
    Fine,
    /// JSON that its filter leaves out, or cannot be evaluated on. Its schema was not asked.
    Filtered(Option<EvalFault>),
    /// JSON that does not match its schema.
    Mismatch(Vec<Mismatch>),
}

/// How far a body is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// As a hook is.
    Hook,
    /// Against the schema whatever the filter says.
    Schema,
}

/// Checks payloads, the large ones a few at a time.
pub(super) struct Checker(Arc<Semaphore>);

impl Default for Checker {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Checker {
    /// Refuses what is no JSON (400), and holds the rest against what the agent says.
    pub async fn check(
        &self,
        body: &Bytes,
        headers: &Headers,
        agent: &Arc<AgentEntry>,
        scope: Scope,
    ) -> Result<Checked, ApiError> {
        let mut parsed = None;
        if body.len() <= INLINE {
            let payload = parse(body)?;
            if let Some(checked) = quick_check(&payload, headers, agent, scope) {
                return Ok(checked);
            }
            parsed = Some(payload);
        }
        let (body, headers, agent) = (body.clone(), headers.clone(), agent.clone());
        self.in_turn(move || {
            let payload = parsed.map_or_else(|| parse(&body), Ok)?;
            Ok(check(&payload, &headers, &agent, scope))
        })
        .await?
    }

    /// Where a body does not match a schema; nowhere if either cannot be used any more.
    pub async fn against(&self, body: Vec<u8>, schema: Value) -> Result<Vec<Mismatch>, ApiError> {
        let mismatches = move || {
            let schema = PayloadSchema::compile(&schema).ok()?;
            schema.check(&validate::parse(&body).ok()?).err()
        };
        Ok(self.in_turn(mismatches).await?.unwrap_or_default())
    }

    /// Off the server's threads, a few at a time.
    async fn in_turn<T: Send + 'static>(
        &self,
        check: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let stopping = || ApiError::unavailable("the server is stopping; send it again");
        let turn = self.0.clone().acquire_owned().await.map_err(|_| stopping())?;
        let checked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            check()
        });
        checked.await.map_err(|_| stopping())
    }
}

/// What a hook needs; an agent without a trigger takes any.
fn hook_of(agent: &AgentEntry) -> Option<&Hook> {
    agent.hook.as_ref()?.as_ref().ok()
}

fn check(payload: &Value, headers: &Headers, agent: &AgentEntry, scope: Scope) -> Checked {
    let Some(hook) = hook_of(agent) else { return Checked::Fine };
    let filter = hook.filter.as_ref().filter(|_| scope == Scope::Hook);
    let wanted = filter.map_or(Ok(true), |filter| filter.matches(payload, headers, agent.agent.facts()));
    left_out(wanted)
        .unwrap_or_else(|| verdict(hook.schema.as_ref().map_or(Ok(()), |schema| schema.check(payload))))
}

/// As [`check`]; `None` if it would take longer than others should have to wait for this thread.
fn quick_check(payload: &Value, headers: &Headers, agent: &AgentEntry, scope: Scope) -> Option<Checked> {
    let Some(hook) = hook_of(agent) else { return Some(Checked::Fine) };
    let filter = hook.filter.as_ref().filter(|_| scope == Scope::Hook);
    let wanted = filter
        .map_or(Some(Ok(true)), |filter| filter.quick_matches(payload, headers, agent.agent.facts()))?;
    if let Some(filtered) = left_out(wanted) {
        return Some(filtered);
    }
    let matched = hook.schema.as_ref().map_or(Some(Ok(())), |schema| schema.quick_check(payload))?;
    Some(verdict(matched))
}

/// What the filter does not want. Where it cannot be evaluated it does not match: most often a payload of another kind
/// lacks what the filter asks about.
fn left_out(wanted: Result<bool, EvalFault>) -> Option<Checked> {
    match wanted {
        Ok(true) => None,
        Ok(false) => Some(Checked::Filtered(None)),
        Err(fault) => Some(Checked::Filtered(Some(fault))),
    }
}

fn verdict(matched: Result<(), Vec<Mismatch>>) -> Checked {
    matched.map_or_else(Checked::Mismatch, |()| Checked::Fine)
}

/// The JSON of a body; 400 if it is none.
pub(super) fn parse(body: &[u8]) -> Result<Value, ApiError> {
    validate::parse(body).map_err(|error| ApiError::new(Code::MalformedJson, error.to_string()))
}

/// The refusal of what does not match.
pub(super) fn mismatch(mismatches: Vec<Mismatch>) -> ApiError {
    let detail = "the payload does not match the agent's payload_schema; `errors` says where";
    ApiError::new(Code::SchemaMismatch, detail).with_errors(mismatches)
}
