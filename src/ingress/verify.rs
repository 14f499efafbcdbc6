//! Step 2: who sent it. One refusal for every reason, in the same bytes and at the same pace.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;

use super::raw::RawWebhook;
use crate::app::{AgentEntry, App, Hook, HookKey};
use crate::model::{Agent, AgentStatus, SchemeName, SecretId};
use crate::signature::Scheme;
use crate::web::{ApiError, Code};

/// Refusals leave on this beat, counted from when all of the request is there. Looking up an agent that is not in
/// memory takes longer than one that is; on the beat both take the same.
const BEAT: Duration = Duration::from_millis(20);

/// Proof that the holder of one of the agent's secrets signed exactly these bytes.
#[derive(Clone)]
pub(super) struct Verified {
    pub entry: Arc<AgentEntry>,
    /// The secret that signed.
    pub secret_id: SecretId,
}

/// Checks the signature; `None` is a refusal, for whatever reason.
pub(super) async fn verify(app: &App, raw: &RawWebhook) -> Result<Option<Verified>, ApiError> {
    let entry = match raw.agent_id {
        Some(id) => app.agents.get(&app.store, &app.cipher, id).await?,
        None => None,
    };
    let Some(entry) = entry.filter(|entry| entry.hook.is_some()) else {
        // The same work as for an agent that exists.
        let nobody = std::iter::empty::<(SecretId, _)>();
        return Ok(Scheme::of(SchemeName::default()).verify(nobody, raw, &raw.body).ok().and(None));
    };
    let Some(Ok(hook)) = &entry.hook else { return Err(unusable()) };
    let live = |key: &&HookKey| key.expires_at.is_none_or(|end| raw.received_at < end);
    let keys = hook.keys.iter().filter(live).map(|key| (key.secret_id, &key.key));
    let scheme = Scheme::of(hook.trigger.scheme);
    let signer = scheme.verify(keys, raw, &raw.body);
    let fits = raw.content_type().is_none_or(|value| scheme.takes_content_type(value));
    Ok(signer.ok().filter(|_| fits).map(|secret_id| Verified { secret_id, entry: entry.clone() }))
}

/// The answer where a stored secret or schema cannot be used.
pub(super) fn unusable() -> ApiError {
    ApiError::unavailable("this agent's webhooks cannot be checked right now; try again later")
}

/// The one answer to everybody who could not be verified.
pub(super) async fn refuse(raw: &RawWebhook) -> HttpResponse {
    let beats = raw.arrived.elapsed().as_nanos() / BEAT.as_nanos() + 1;
    let leave = raw.arrived + BEAT * u32::try_from(beats).unwrap_or(1);
    tokio::time::sleep_until(leave.into()).await;
    HttpResponse::Unauthorized().content_type("application/json").body(r#"{"error":"Invalid signature"}"#)
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
