//! Why an execution, or one attempt of it, failed: a closed list that scripts can rely on.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The outcome of a failed execution or attempt, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExecutionError {
    /// The stable word.
    pub code: ErrorCode,
    /// What happened and what to do, for people. Holds no secret and no payload.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// The codes of [`ExecutionError`]. `docs/errors/` has a page for each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable word.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

codes! {
    /// The proxy or the provider cannot be reached or fails by itself.
    LlmUnavailable = "llm_unavailable";
    /// No answer within the agent's `timeout_seconds`.
    LlmTimeout = "llm_timeout";
    /// The key, the team or the provider is over its rate.
    LlmRateLimited = "llm_rate_limited";
    /// The provider refuses this very request.
    LlmBadRequest = "llm_bad_request";
    /// A key is refused: the caller's by the proxy, or the operator's by the provider.
    LlmAuth = "llm_auth";
    /// The key's budget, or the provider's quota, is spent.
    LlmBudgetExceeded = "llm_budget_exceeded";
    /// The proxy has no such model.
    LlmNoDeployment = "llm_no_deployment";
    /// The answer is no chat completion.
    LlmInvalidResponse = "llm_invalid_response";
    /// Policy leaves no key to call with.
    NoKey = "no_key";
    /// The tenant may not call this model.
    ModelNotAllowed = "model_not_allowed";
    /// The agent's prompt template makes no message of this payload.
    PromptFailed = "prompt_failed";
    /// The agent was deleted before the execution ran.
    AgentDeleted = "agent_deleted";
    /// The worker process died during the call.
    Crashed = "crashed";
    /// On attempts only: the execution was cancelled while the call was out.
    Cancelled = "cancelled";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_written_as_its_word() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).expect("a word"), code.word());
        }
    }
}
