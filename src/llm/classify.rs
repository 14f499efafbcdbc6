//! What a refusal means, measured against LiteLLM 1.106.2 (this module's test holds the table).
//!
//! The order matters, because every single sign misleads somewhere: a timeout is typed
//! `invalid_request_error`, one 429 `internal_server_error`, and a 401 may be about the caller's key or
//! about the operator's at a provider. So: the status, then `error.type`, then whether the call was
//! routed to a provider at all (headers), and the message's words last.

mod forbidden;
#[cfg(test)]
mod tests;
mod wait;

use serde_json::Value;

use super::LlmError;
use super::scrub::clean;
use super::transport::Answer;
use crate::model::ErrorCode::{
    LlmAuth, LlmBadRequest, LlmBudgetExceeded, LlmInvalidResponse, LlmNoDeployment, LlmRateLimited,
    LlmTimeout, LlmUnavailable,
};
use crate::model::FallbackReason::{BudgetExceeded, RateLimited};

/// Limits that another key would not be under. (Not `tag`: our tags are the same under every key.)
#[rustfmt::skip]
const LIMITS_OF_THE_KEY: [&str; 11] = [
    "api_key", "model_per_key", "tag_per_key", "team", "team_member", "model_per_team", "user",
    "organization", "model_per_organization", "project", "model_per_project",
];

/// The error for an answer other than 200. `model` is the one that was asked, empty if none was.
pub(super) fn classify(answer: &Answer, model: &str) -> LlmError {
    // A page, a `{"detail"}` or a body cut short has no `error` and is judged by its status.
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let error = &body["error"];
    let signs = Signs {
        status: answer.status,
        kind: error["type"].as_str().unwrap_or(""),
        text: error["message"].as_str().unwrap_or(""),
        shaped: error.is_object(),
        routed: answer.headers.contains_key("x-litellm-call-id"),
        provider: answer.headers.keys().any(|name| name.as_str().starts_with("llm_provider-")),
        model: if model.is_empty() { "the model".to_owned() } else { format!("model `{model}`") },
    };
    let error = signs.judge().at(answer.status);
    LlmError {
        retry_after: if error.retryable { wait::retry_after(answer) } else { None },
        call_id: answer.call_id(),
        ..error
    }
}

/// What can be seen of an answer.
struct Signs<'a> {
    status: u16,
    kind: &'a str,
    text: &'a str,
    /// The body has an `error` object: LiteLLM speaks, not something in front of it.
    shaped: bool,
    /// The call has an id: LiteLLM accepted the key.
    routed: bool,
    /// A provider answered.
    provider: bool,
    /// As a message names it.
    model: String,
}

impl Signs<'_> {
    fn judge(&self) -> LlmError {
        match self.status {
            300..=399 => self.wrong_server(),
            400..=499 => self.refused(),
            500.. => self.failed(),
            status => {
                let message = format!("the answer is no chat completion: it has status {status}");
                LlmError::new(LlmInvalidResponse, true, message)
            }
        }
    }

    fn refused(&self) -> LlmError {
        let quota = ["insufficient_quota", "exceeded your current quota", "crossed budget"];
        match self.status {
            // Any 4xx: the status was 400, then 429, is 422 and can be configured; the type stayed.
            _ if self.kind == "budget_exceeded" => self.over_budget(),
            402 => self.over_quota(),
            403 | 429 if quota.iter().any(|words| self.says(words)) => self.over_quota(),
            408 => {
                let message = format!("the provider of {} did not answer in time", self.model);
                LlmError::new(LlmTimeout, true, message)
            }
            429 => self.over_rate(),
            400 | 404 if self.says("Invalid model name passed in") => self.no_deployment(),
            // The words of proxies up to 1.83.5.
            400 | 404 if self.says("no healthy deployments") => self.no_deployment(),
            401 | 403 => self.forbidden(),
            404 | 405 if !self.shaped => self.wrong_server(),
            _ => self.bad_request(),
        }
    }

    fn failed(&self) -> LlmError {
        if self.kind == "no_db_connection" {
            return self.no_database();
        }
        if self.says("No models configured on proxy") {
            return self.no_deployment();
        }
        let message = format!("the LiteLLM proxy or the provider of {} failed", self.model);
        LlmError::new(LlmUnavailable, true, self.quoting(&message))
    }

    fn over_budget(&self) -> LlmError {
        if self.provider {
            return self.over_quota();
        }
        let message = "the LiteLLM budget of this call's key is spent: raise it, or wait until it resets";
        LlmError::new(LlmBudgetExceeded, false, message).because(BudgetExceeded)
    }

    fn over_quota(&self) -> LlmError {
        let message =
            format!("the provider's quota for {} is spent: the proxy's operator must raise it", self.model);
        LlmError::new(LlmBudgetExceeded, false, message)
    }

    fn over_rate(&self) -> LlmError {
        let limited = self.text.split_once("Rate limit exceeded for ").and_then(|(_, by)| by.split_once(':'));
        let by_key = limited.is_some_and(|(by, _)| LIMITS_OF_THE_KEY.contains(&by));
        if by_key && !self.provider {
            let message = "this call's key, or its team, is over its LiteLLM rate limit";
            return LlmError::new(LlmRateLimited, true, message).because(RateLimited);
        }
        let model = &self.model;
        let message = if self.provider {
            format!("the provider of {model} is over its rate limit")
        } else if self.kind == "all_deployments_in_cooldown" || self.says("No deployments available") {
            // It can hide a permanent fault: after two 401s of a provider the third answer was this.
            format!("every deployment of {model} is cooling down after failures, or over its rate limit")
        } else {
            format!("the LiteLLM proxy's rate limit for {model} is reached")
        };
        LlmError::new(LlmRateLimited, true, message)
    }

    fn no_deployment(&self) -> LlmError {
        let message = format!(
            "the LiteLLM proxy has no {}: add it to the proxy's model_list, or give the agent one that \
             GET /v1/models lists",
            self.model
        );
        LlmError::new(LlmNoDeployment, false, message)
    }

    fn bad_request(&self) -> LlmError {
        if self.kind == "no_db_connection" {
            // Permanent: it is how the proxy is set up, not an outage.
            let message = "the LiteLLM proxy has no database, so it knows no virtual keys: its operator must \
                           give it one, or the call must be paid with its master key";
            return LlmError::new(LlmAuth, false, message);
        }
        let model = &self.model;
        let message = if self.says("ContextWindowExceededError") {
            self.quoting(&format!("prompt and payload together are too long for {model}"))
        } else if self.says("ContentPolicyViolationError") {
            format!("the content policy of the provider of {model} refuses this request")
        } else if self.status == 413 {
            "the request is too large for the LiteLLM proxy or something in front of it".to_owned()
        } else {
            self.quoting(&format!("the request for {model} is refused"))
        };
        LlmError::new(LlmBadRequest, false, message)
    }

    fn no_database(&self) -> LlmError {
        let message = "the LiteLLM proxy cannot check keys, because its database is down";
        LlmError::new(LlmUnavailable, true, message)
    }

    /// A 404, 405 or redirect that is not LiteLLM's. Retryable, although a wrong URL does not heal:
    /// an ingress whose backend is just being replaced answers the same.
    fn wrong_server(&self) -> LlmError {
        let message = format!(
            "LITELLM_BASE_URL leads to no LiteLLM proxy (status {}): the platform's operator must check it",
            self.status
        );
        LlmError::new(LlmUnavailable, true, message)
    }

    fn says(&self, words: &str) -> bool {
        self.text.contains(words)
    }

    /// Our sentence with the status and what may be told of LiteLLM's.
    fn quoting(&self, sentence: &str) -> String {
        match clean(self.text).as_str() {
            "" => format!("{sentence} (status {})", self.status),
            news => format!("{sentence} (status {}): {news}", self.status),
        }
    }
}
