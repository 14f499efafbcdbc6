//! What an agent may say about its chat completion.
//!
//! The list is closed: the sampling and output fields of OpenAI's chat completions
//! (<https://platform.openai.com/docs/api-reference/chat/create>). Whatever could send the call
//! elsewhere, pay with another key, speak for another or change the messages (`api_base`, `api_key`,
//! `extra_headers`, `user_config`, `mock_response`, `messages`, `stream`, `n`, tools …) is unknown here
//! and therefore refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The model and how it samples. `model` is a model name of the LiteLLM proxy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names are the vendor's, documented on the page above")]
pub struct LlmConfig {
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*$",
        example = "gpt-4o-mini"
    )]
    pub model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 2)]
    pub temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4_294_967_295_u32)]
    pub max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4_294_967_295_u32)]
    pub max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logit_bias: Option<BTreeMap<String, f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// At most 65,536 bytes of JSON.
    pub response_format: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verbosity: Option<String>,
}

/// One stop sequence or several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "must be a string or a list of strings")]
pub enum Stop {
    /// A single sequence.
    One(String),
    /// Up to four, says the vendor; LiteLLM judges.
    Many(Vec<String>),
}

impl LlmConfig {
    /// The longest model name, in bytes.
    pub const MAX_MODEL_LEN: usize = 200;
    /// The largest response format, in bytes of JSON without spaces.
    pub const MAX_RESPONSE_FORMAT_BYTES: usize = 64 * 1024;

    /// Only a model, everything else as the provider likes it.
    #[must_use]
    pub fn of_model(model: &str) -> Self {
        serde_json::from_value(serde_json::json!({ "model": model }))
            .expect("a model alone is a configuration")
    }
}
