//! The call in the middle: one chat completion through the LiteLLM proxy, paid with a key that
//! policy chose.
//!
//! The step is split by question: [`keys`] says who pays, [`prompt`] how a payload becomes a message,
//! `wire` what goes out, `answer` what a good answer holds, `classify` what a bad one means, and
//! `scrub` how much of it a tenant may read. [`LlmClient::complete`] makes exactly one HTTP request:
//! retries, key fallbacks and waiting are the worker's, because each of them is a row in the trace.

mod answer;
mod classify;
mod error;
mod key_check;
pub mod keys;
pub mod prompt;
mod scrub;
#[cfg(test)]
mod tests;
mod transport;
mod wire;

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

pub use error::{Billed, LlmError, SetupError};
pub use key_check::KeyStanding;
pub use wire::{Message, call_id_for, messages};

use crate::model::{AgentId, Cost, ErrorCode, ExecutionId, LlmConfig, TenantId, Usage};
use transport::Transport;

/// How long the short questions of `doctor` may take; they call no model.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// A list of models is short; nobody needs more of it.
const PROBE_BYTES: usize = 4 << 20;

/// Where the proxy is and what it may send us.
#[derive(Clone, Debug)]
pub struct LlmSettings {
    /// `LITELLM_BASE_URL`. A path prefix is kept; a final `/v1`, as OpenAI's clients want it, is dropped.
    pub base_url: Url,
    /// `LITELLM_API_KEY`: pays where [`keys`] says so.
    pub platform_key: Option<SecretString>,
    /// The longest answer, in bytes.
    pub max_response_bytes: usize,
}

/// The proxy's client: built once, shared by every call of the process.
#[derive(Debug)]
pub struct LlmClient {
    transport: Transport,
    platform_key: Option<SecretString>,
    max_response_bytes: usize,
}

/// One call to make.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The agent's model and sampling fields; nothing else of the agent reaches the body's top level.
    pub config: &'a LlmConfig,
    /// Sent byte for byte; left out when empty.
    pub system_prompt: &'a str,
    /// See [`prompt::user_message`].
    pub user_message: &'a str,
    /// Who pays: see [`keys::choose`].
    pub key: &'a SecretString,
    /// Bounds the whole call, connecting and reading included.
    pub timeout: Duration,
    /// Becomes the trace id.
    pub execution_id: ExecutionId,
    /// For LiteLLM's spend log.
    pub agent_id: AgentId,
    /// For LiteLLM's spend log.
    pub tenant_id: &'a TenantId,
    /// The number of the attempt's row.
    pub attempt: i32,
}

/// An answer of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// What the model wrote. NUL, which no database text can hold, is U+FFFD here.
    pub output: String,
    /// `stop`, `length`, `content_filter` …
    pub finish_reason: Option<String>,
    /// Tokens, where the proxy reported them.
    pub usage: Option<Usage>,
    /// `None` for a model that the proxy's cost map does not know.
    pub cost: Option<Cost>,
    /// The proxy's id of the call: ours, unless it made one of its own.
    pub call_id: String,
    /// What answered: after a fallback in the proxy not the model that was asked.
    pub model: Option<String>,
    /// HTTP status.
    pub status: u16,
}

impl LlmClient {
    /// A client for this proxy. Needs a default rustls provider, which `main` installs.
    ///
    /// # Errors
    /// A base URL or platform key that no request could carry.
    pub fn new(settings: LlmSettings) -> Result<Self, SetupError> {
        if let Some(key) = &settings.platform_key {
            wire::authorization(key).map_err(|_| SetupError::PlatformKey)?;
        }
        Ok(Self {
            transport: Transport::new(&settings.base_url)?,
            platform_key: settings.platform_key,
            max_response_bytes: settings.max_response_bytes,
        })
    }

    /// The platform's key, for [`keys::choose`] and [`keys::fallback`].
    #[must_use]
    pub fn platform_key(&self) -> Option<&SecretString> {
        self.platform_key.as_ref()
    }

    /// Makes one call and waits for its whole answer.
    ///
    /// # Errors
    /// Everything but a chat completion with text; the error says what it means for a retry and for the key.
    pub async fn complete(&self, call: &Call<'_>) -> Result<Completion, LlmError> {
        let request = self
            .transport
            .post("v1/chat/completions")
            .headers(wire::headers(call)?)
            .body(wire::body(call))
            .timeout(call.timeout);
        let mut answer = self.transport.send(request, call.timeout, self.max_response_bytes).await?;
        if answer.status == 200 {
            answer::completion(&answer, call_id_for(call.execution_id, call.attempt))
        } else {
            scrub::forget(call.key, &mut answer.body);
            Err(classify::classify(&answer, &call.config.model))
        }
    }

    /// The models that this key may call, as the proxy lists them. Calls no model and costs nothing, so
    /// `doctor` uses it to see whether a key is accepted: [`LlmError::fallback`] is
    /// [`Rejected`](crate::model::FallbackReason::Rejected) if it is not.
    ///
    /// # Errors
    /// As [`LlmClient::complete`].
    pub async fn models(&self, key: &SecretString) -> Result<Vec<String>, LlmError> {
        let authorization = wire::authorization(key)?;
        let request = self
            .transport
            .get("v1/models")
            .header(reqwest::header::AUTHORIZATION, authorization)
            .timeout(PROBE_TIMEOUT);
        let answer = self.transport.send(request, PROBE_TIMEOUT, PROBE_BYTES).await?;
        if answer.status == 200 { answer::models(&answer) } else { Err(classify::classify(&answer, "")) }
    }

    /// Whether this key administers the proxy, as its master key does: asked of an address that answers
    /// administrators alone, tells no secret and needs no database. Such a key is above budgets and rates.
    ///
    /// # Errors
    /// As [`LlmClient::complete`].
    pub async fn is_admin(&self, key: &SecretString) -> Result<bool, LlmError> {
        let authorization = wire::authorization(key)?;
        let request = self
            .transport
            .get("router/settings")
            .header(reqwest::header::AUTHORIZATION, authorization)
            .timeout(PROBE_TIMEOUT);
        let answer = self.transport.send(request, PROBE_TIMEOUT, PROBE_BYTES).await?;
        match answer.status {
            200 => Ok(true),
            401 | 403 | 404 => Ok(false),
            _ => Err(classify::classify(&answer, "")),
        }
    }

    /// Whether a LiteLLM proxy is up at the base URL. Needs no key. (`/health` would call every model.)
    ///
    /// # Errors
    /// As [`LlmClient::complete`].
    pub async fn liveliness(&self) -> Result<(), LlmError> {
        let request = self.transport.get("health/liveliness").timeout(PROBE_TIMEOUT);
        let answer = self.transport.send(request, PROBE_TIMEOUT, PROBE_BYTES).await?;
        if answer.status != 200 {
            return Err(classify::classify(&answer, ""));
        }
        // The whole text is "I'm alive!" in quotes; some other server's front page is a 200 too.
        if String::from_utf8_lossy(&answer.body).contains("alive") {
            return Ok(());
        }
        let message = "the server at LITELLM_BASE_URL answers, but is no LiteLLM proxy: check the URL";
        Err(LlmError::new(ErrorCode::LlmUnavailable, true, message).at(answer.status))
    }
}
