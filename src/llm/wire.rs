//! What goes out: the body and the headers of one chat completion.
//!
//! The body is made of [`LlmConfig`]'s own fields and two messages, and nothing else: everything that
//! LiteLLM would take from a body to redirect, impersonate or multiply the call cannot be there, and
//! what is ours travels in headers, which LiteLLM keeps to itself (measured against LiteLLM 1.106.2:
//! body fields that it does not know go on to the provider).

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::{Call, LlmError};
use crate::model::{ErrorCode, ExecutionId, FallbackReason, LlmConfig};

/// The id of one call, known before it is made, so that its row can be written first. LiteLLM's spend log
/// has it too: after a crash it tells whether the lost call was billed.
#[must_use]
pub fn call_id_for(execution: ExecutionId, attempt: i32) -> String {
    format!("{execution}-{attempt}")
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    config: &'a LlmConfig,
    messages: Vec<Message<'a>>,
}

/// One message of a call.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Message<'a> {
    /// `system` or `user`.
    pub role: &'static str,
    /// Its text.
    pub content: &'a str,
}

/// The messages of a call, as they go out.
#[must_use]
pub fn messages<'a>(system_prompt: &'a str, user_message: &'a str) -> Vec<Message<'a>> {
    let system = Message { role: "system", content: system_prompt };
    let user = Message { role: "user", content: user_message };
    // An empty system message is refused by some providers; left out it means the same.
    if system_prompt.is_empty() { vec![user] } else { vec![system, user] }
}

/// The JSON of the request.
pub(super) fn body(call: &Call<'_>) -> Vec<u8> {
    let messages = messages(call.system_prompt, call.user_message);
    serde_json::to_vec(&Body { config: call.config, messages })
        .expect("strings, numbers and JSON values always have a JSON form")
}

/// The headers of the request. Fails only for a key that no header can carry.
pub(super) fn headers(call: &Call<'_>) -> Result<HeaderMap, LlmError> {
    let Call { execution_id, agent_id, tenant_id, .. } = call;
    let log = serde_json::json!({
        "execution_id": execution_id, "agent_id": agent_id, "tenant_id": tenant_id,
    });
    let ours = [
        ("x-litellm-call-id", call_id_for(*execution_id, call.attempt)),
        ("x-litellm-trace-id", execution_id.to_string()),
        ("x-litellm-tags", format!("agent:{agent_id},tenant:{tenant_id}")),
        ("x-litellm-spend-logs-metadata", log.to_string()),
        // LiteLLM's own retries would multiply with ours, unseen: with its num_retries at 2 one call
        // became 3, and a provider's 429 held us 22 s (measured against LiteLLM 1.106.2). The header
        // alone does it; the body's field of that name is not ours to add.
        ("x-litellm-num-retries", "0".to_owned()),
        ("x-litellm-timeout", proxy_timeout(call).to_string()),
        ("traceparent", traceparent(*execution_id, call.attempt)),
    ];
    let mut headers = HeaderMap::with_capacity(ours.len() + 2);
    headers.insert(AUTHORIZATION, authorization(call.key)?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in ours {
        let value = HeaderValue::try_from(value).expect("ids and numbers are printable ASCII");
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(headers)
}

/// The key as a header that debug output hides.
pub(super) fn authorization(key: &SecretString) -> Result<HeaderValue, LlmError> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose_secret())).map_err(|_| {
        let message = "the LLM key holds characters that no HTTP header can carry: set it again";
        LlmError::new(ErrorCode::LlmAuth, false, message).because(FallbackReason::Rejected)
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// A little under our own timeout, in s: then a slow provider ends in LiteLLM's own answer, which its
/// log explains, and not in a connection that we drop.
fn proxy_timeout(call: &Call<'_>) -> f64 {
    let ours = call.timeout.as_secs_f64();
    let margin = (ours / 5.0).min(1.0);
    ((ours - margin) * 1000.0).round() / 1000.0
}

/// W3C trace context: the execution is the trace, the attempt a span of it. The span id is derived, so
/// that whoever has the attempt can find the span.
fn traceparent(execution: ExecutionId, attempt: i32) -> String {
    let trace = execution.0.as_u128();
    let span = (trace as u64).wrapping_add(attempt as u64).max(1);
    format!("00-{trace:032x}-{span:016x}-01")
}
