//! Why an execution, or one attempt of it, failed: a closed list that scripts can rely on.

use serde::{Deserialize, Serialize};

/// The outcome of a failed execution or attempt, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionError {
    /// The stable word.
    pub code: ErrorCode,
    /// What happened and what to do, for people. Holds no secret and no payload.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
}

/// The codes of [`ExecutionError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The proxy or the provider cannot be reached or fails by itself.
    LlmUnavailable,
    /// No answer within the agent's `timeout_seconds`.
    LlmTimeout,
    /// The key, the team or the provider is over its rate.
    LlmRateLimited,
    /// The provider refuses this very request.
    LlmBadRequest,
    /// A key is refused: the caller's by the proxy, or the operator's by the provider.
    LlmAuth,
    /// The key's budget, or the provider's quota, is spent.
    LlmBudgetExceeded,
    /// The proxy has no such model.
    LlmNoDeployment,
    /// The answer is no chat completion.
    LlmInvalidResponse,
    /// Policy leaves no key to call with.
    NoKey,
    /// The tenant may not call this model.
    ModelNotAllowed,
    /// The agent was deleted before the execution ran.
    AgentDeleted,
    /// The worker process died during the call.
    Crashed,
    /// On attempts only: the execution was cancelled while the call was out.
    Cancelled,
}
