//! What a failed call means: for the execution, for a retry, and for the key that was used.

use std::time::Duration;

use crate::model::{Cost, ErrorCode, ExecutionError, FallbackReason, Usage};

/// A call without a usable answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct LlmError {
    /// The stable word.
    pub code: ErrorCode,
    /// For the tenant: what happened and what to do. Holds no key and no name of another model.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// How long the proxy or the provider asks us to wait; at most a day.
    pub retry_after: Option<Duration>,
    /// HTTP status; `None` if there was no answer.
    pub status: Option<u16>,
    /// What the failure means for the key that was used: set only when LiteLLM refuses that very key,
    /// never when a provider refuses the operator's. Whether another key may then pay is
    /// [`super::keys::fallback`]'s decision.
    pub fallback: Option<FallbackReason>,
    /// The proxy's id of the call, if it got far enough to have one.
    pub call_id: Option<String>,
    /// What the call cost although its answer is of no use. Boxed: rare, and errors travel by value.
    pub billed: Option<Box<Billed>>,
}

/// What a useless answer reported about its price.
#[derive(Clone, Debug, PartialEq)]
pub struct Billed {
    /// Tokens.
    pub usage: Option<Usage>,
    /// Money.
    pub cost: Option<Cost>,
    /// The model that answered.
    pub model: Option<String>,
}

/// Why no client could be built. Shows neither key nor URL: a URL may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The base URL cannot be used.
    #[error("LITELLM_BASE_URL {0}")]
    BaseUrl(&'static str),
    /// The platform key cannot stand in a header.
    #[error("LITELLM_API_KEY holds characters that no HTTP header can carry (a line break?)")]
    PlatformKey,
    /// TLS could not be set up.
    #[error("no HTTP client: {0}")]
    Http(String),
}

impl LlmError {
    /// An error that says nothing about the key.
    pub(super) fn new(code: ErrorCode, retryable: bool, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retryable,
            retry_after: None,
            status: None,
            fallback: None,
            call_id: None,
            billed: None,
        }
    }

    /// With the status of the answer that it was read from.
    pub(super) fn at(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// With what it means for the key.
    pub(super) fn because(mut self, reason: FallbackReason) -> Self {
        self.fallback = Some(reason);
        self
    }

    /// As the trace and the API show it.
    #[must_use]
    pub fn to_execution_error(&self) -> ExecutionError {
        ExecutionError { code: self.code, message: self.message.clone(), retryable: self.retryable }
    }
}
