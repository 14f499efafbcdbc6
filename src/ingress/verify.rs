//! Step 2: who sent it. One refusal for every reason, in the same bytes and at the same pace.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use actix_web::HttpResponse;

use super::check::INLINE;
use super::outcome::Outcome;
use super::raw::RawWebhook;
use crate::app::{AgentEntry, App, Hook, HookKey};
use crate::model::{Agent, AgentStatus, HeldReason, SecretId, WhenPaused};
use crate::signature::{Scheme, Signed};
use crate::web::{ApiError, Code};

/// Refusals leave on this beat, counted from when all of the request is there. Looking up an agent that is not in
/// memory takes longer than one that is; on the beat both take the same. This is the beat of small bodies, see [`beat`].
const BEAT: Duration = Duration::from_millis(20);
/// Each so many bytes of a body make its beat longer by [`BEAT`]. Every live key of an agent hashes the whole body, and
/// for an unknown agent one dummy does: with ten keys that is 1.25 MiB, a few ms, where the beat has 20.
const BYTES_PER_BEAT: usize = 128 * 1024;

/// What is checked where there is nobody to check.
static NOBODYS: LazyLock<Scheme> = LazyLock::new(Scheme::hub);

/// Proof that the holder of one of the agent's secrets signed exactly these bytes.
#[derive(Clone)]
pub(super) struct Verified {
    pub entry: Arc<AgentEntry>,
    /// The secret that signed.
    pub secret_id: SecretId,
    /// The delivery's id, if the signature covers one.
    pub signed_id: Option<Vec<u8>>,
}

/// The agent that is called. For one that does not exist, or takes no webhooks, the same is done as for one that does.
pub(super) async fn known(app: &App, raw: &Arc<RawWebhook>) -> Result<Option<Arc<AgentEntry>>, ApiError> {
    let entry = match raw.agent_id {
        Some(id) => app.agents.get(&app.store, &app.cipher, id).await?,
        None => None,
    };
    if entry.as_ref().is_none_or(|entry| entry.hook.is_none()) {
        let spend = |raw: &RawWebhook| {
            let nobody = std::iter::empty::<(SecretId, _)>();
            let _ = NOBODYS.verify(nobody, &raw.to_verify());
        };
        apart(raw, spend).await?;
    }
    Ok(entry)
}

/// Checks the signature; `None` is a refusal, for whatever reason.
pub(super) async fn verify(
    raw: &Arc<RawWebhook>,
    entry: &Arc<AgentEntry>,
) -> Result<Option<Verified>, ApiError> {
    // Its people see the hit; the sender learns nothing.
    if entry.hook.is_none() {
        return Ok(None);
    }
    let entry = entry.clone();
    apart(raw, move |raw| check(raw, &entry)).await?
}

fn check(raw: &RawWebhook, entry: &Arc<AgentEntry>) -> Result<Option<Verified>, ApiError> {
    let Some(Ok(hook)) = &entry.hook else { return Err(unusable()) };
    let live = |key: &&HookKey| key.expires_at.is_none_or(|end| raw.received_at < end);
    let keys = hook.keys.iter().filter(live).map(|key| (key.secret_id, &key.key));
    let signed = hook.scheme.verify(keys, &raw.to_verify());
    let fits = raw.content_type().is_none_or(|value| hook.scheme.takes_content_type(value));
    let verified =
        |signed: Signed<_>| Verified { entry: entry.clone(), secret_id: signed.by, signed_id: signed.id };
    Ok(signed.ok().filter(|_| fits).map(verified))
}

/// Off the server's threads where the body is so large that others would wait for it.
async fn apart<T: Send + 'static>(
    raw: &Arc<RawWebhook>,
    work: impl FnOnce(&RawWebhook) -> T + Send + 'static,
) -> Result<T, ApiError> {
    if raw.body.len() <= INLINE {
        return Ok(work(raw));
    }
    let raw = raw.clone();
    let done = tokio::task::spawn_blocking(move || work(&raw)).await;
    done.map_err(|_| ApiError::unavailable("the server is stopping; send it again"))
}

/// The answer where a stored secret or schema cannot be used.
pub(super) fn unusable() -> ApiError {
    ApiError::unavailable("this agent's webhooks cannot be checked right now; try again later")
}

/// The one answer to everybody who could not be verified.
pub(super) async fn refuse(raw: &RawWebhook) -> HttpResponse {
    let beat = beat(raw.body.len());
    let beats = raw.arrived.elapsed().as_nanos() / beat.as_nanos() + 1;
    let leave = raw.arrived + beat * u32::try_from(beats).unwrap_or(1);
    tokio::time::sleep_until(leave.into()).await;
    Outcome::Unverified.answer()
}

/// The beat of a body of this size, which the sender knows anyway.
fn beat(bytes: usize) -> Duration {
    BEAT * u32::try_from(1 + bytes / BYTES_PER_BEAT).unwrap_or(u32::MAX)
}

impl Verified {
    /// What the agent says about its webhooks.
    pub fn hook(&self) -> &Hook {
        match &self.entry.hook {
            Some(Ok(hook)) => hook,
            _ => unreachable!("only a hook that could be used has verified anything"),
        }
    }
}

/// Whether a webhook to this agent waits for a person because the agent is paused; `None` if it runs.
///
/// # Errors
/// 403: it is archived, or paused and holds nothing.
pub fn standing(agent: &Agent) -> Result<Option<HeldReason>, ApiError> {
    let when_paused = agent.spec.trigger.as_ref().map(|trigger| trigger.when_paused);
    match (agent.spec.status, when_paused) {
        (AgentStatus::Paused, Some(WhenPaused::Hold)) => Ok(Some(HeldReason::Paused)),
        _ => active(agent).map(|_| None),
    }
}

/// The agent, if it takes webhooks now; else 403.
///
/// # Errors
/// It is paused or archived.
pub fn active(agent: &Agent) -> Result<&Agent, ApiError> {
    match agent.spec.status {
        AgentStatus::Active => Ok(agent),
        AgentStatus::Paused => Err(ApiError::new(Code::AgentNotActive, "the agent is paused")),
        AgentStatus::Archived => Err(ApiError::new(Code::AgentNotActive, "the agent is archived")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beat_grows_with_the_body() {
        for (bytes, beats) in [
            (0, 1),
            (BYTES_PER_BEAT - 1, 1),
            (BYTES_PER_BEAT, 2),
            (BYTES_PER_BEAT + 1, 2),
            (8 * BYTES_PER_BEAT - 1, 8),
            (8 * BYTES_PER_BEAT, 9),
        ] {
            assert_eq!(beat(bytes), BEAT * beats, "{bytes}");
        }
    }
}
