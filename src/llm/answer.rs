//! What a 200 holds. Everything but the text may be missing: usage, cost and model are LiteLLM's
//! courtesy, and a provider's oddity in one of them must not cost the tenant an output that is paid for.

use serde_json::Value;

use super::transport::Answer;
use super::{Billed, Completion, LlmError};
use crate::model::{Cost, ErrorCode, Usage};

/// No call takes more tokens; what claims to is nonsense and must not spoil sums over many calls.
const MAX_TOKENS: i64 = 1_000_000_000;

/// Longest model name or finish reason that is kept.
const MAX_WORD: usize = 200;

/// Reads a chat completion. `call_id` is ours, for a proxy that does not echo it.
pub(super) fn completion(answer: &Answer, call_id: String) -> Result<Completion, LlmError> {
    let body = json(answer)?;
    let (usage, cost) = (usage(&body["usage"]), cost(answer));
    let model = word(&body["model"]);
    match text(&body) {
        Ok(output) => Ok(Completion {
            output,
            finish_reason: word(&body["choices"][0]["finish_reason"]),
            usage,
            cost,
            call_id: answer.call_id().unwrap_or(call_id),
            model,
            status: answer.status,
        }),
        // Permanent: the model was asked and answered; asking again would cost the same again.
        Err(message) => Err(LlmError {
            billed: Some(Box::new(Billed { usage, cost, model })),
            ..invalid(answer, false, message)
        }),
    }
}

/// The names in `GET /v1/models`.
pub(super) fn models(answer: &Answer) -> Result<Vec<String>, LlmError> {
    let body = json(answer)?;
    let Some(models) = body["data"].as_array() else {
        return Err(invalid(answer, true, "what /v1/models answered is no list of models"));
    };
    Ok(models.iter().filter_map(|model| word(&model["id"])).collect())
}

fn json(answer: &Answer) -> Result<Value, LlmError> {
    let parsed = serde_json::from_slice(&answer.body);
    parsed.map_err(|error: serde_json::Error| {
        let is_json = answer.body.trim_ascii_start().starts_with(b"{");
        if is_json && error.is_eof() {
            // A server that closes in the middle without saying how long the body would be.
            let message = "the answer of the LiteLLM proxy ends in the middle";
            let cut = LlmError::new(ErrorCode::LlmUnavailable, true, message).at(answer.status);
            return LlmError { call_id: answer.call_id(), ..cut };
        }
        // Retryable: a page is not LiteLLM's answer but that of something in front of it (a login, a
        // maintenance notice), so the model was most likely never asked.
        invalid(answer, true, "the answer is no JSON: is LITELLM_BASE_URL the LiteLLM proxy's own address?")
    })
}

/// The text, or what came instead.
fn text(body: &Value) -> Result<String, &'static str> {
    let Some(choices) = body["choices"].as_array() else {
        return Err("the answer is no chat completion: it has no list of choices");
    };
    let Some(choice) = choices.first() else {
        return Err("the answer has no choices: the model returned nothing");
    };
    let message = &choice["message"];
    if !message.is_object() {
        return Err("the answer is no chat completion: its choice has no message");
    }
    let has = |field: &str| match &message[field] {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    };
    let content = &message["content"];
    if content.as_str().is_none_or(str::is_empty) {
        if has("refusal") {
            return Err("the model refused to answer");
        }
        if has("tool_calls") || has("function_call") {
            return Err("the model asked for a tool call instead of answering; agents have no tools, \
                        so the proxy's configuration of this model must offer none");
        }
        if has("audio") {
            return Err("the model answered with audio instead of text");
        }
    }
    match content {
        Value::String(text) => Ok(text.replace('\0', "\u{FFFD}")),
        Value::Null if choice["finish_reason"] == "length" => {
            Err("the model used up its tokens before it wrote anything: raise max_tokens")
        }
        Value::Null if choice["finish_reason"] == "content_filter" => {
            Err("the provider's content filter withheld the answer")
        }
        Value::Null => Err("the model answered without any text"),
        _ => Err("the answer is no chat completion: its content is no text"),
    }
}

fn usage(usage: &Value) -> Option<Usage> {
    let (prompt, completion) = (tokens(&usage["prompt_tokens"]), tokens(&usage["completion_tokens"]));
    let total = tokens(&usage["total_tokens"]);
    // An object without any of the three is as unknown as no object.
    prompt.or(completion).or(total)?;
    let (prompt_tokens, completion_tokens) = (prompt.unwrap_or(0), completion.unwrap_or(0));
    Some(Usage {
        prompt_tokens,
        completion_tokens,
        total_tokens: total.unwrap_or(prompt_tokens + completion_tokens),
        cached_tokens: tokens(&usage["prompt_tokens_details"]["cached_tokens"]).unwrap_or(0),
        reasoning_tokens: tokens(&usage["completion_tokens_details"]["reasoning_tokens"]).unwrap_or(0),
    })
}

/// A count, clamped to what can be one. Some providers write `12.0`.
fn tokens(count: &Value) -> Option<i64> {
    // A cast from float saturates, and JSON has no NaN.
    let count = count.as_i64().or_else(|| count.as_f64().map(|n| n as i64))?;
    Some(count.clamp(0, MAX_TOKENS))
}

fn cost(answer: &Answer) -> Option<Cost> {
    Cost::from_usd(answer.header("x-litellm-response-cost")?.trim().parse().ok()?)
}

/// A short printable word of the answer.
fn word(value: &Value) -> Option<String> {
    let word = value.as_str()?;
    let fine = (1..=MAX_WORD).contains(&word.len()) && !word.contains(char::is_control);
    fine.then(|| word.to_owned())
}

fn invalid(answer: &Answer, retryable: bool, message: &str) -> LlmError {
    let error = LlmError::new(ErrorCode::LlmInvalidResponse, retryable, message).at(answer.status);
    LlmError { call_id: answer.call_id(), ..error }
}
