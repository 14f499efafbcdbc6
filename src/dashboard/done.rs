//! What a button has done, as the next page says it.

use serde::{Deserialize, Serialize};

use super::show::Show;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Done {
    Cancelled,
    Retried,
    Replayed,
    Released,
    Discarded,
    Tested,
    Recovered,
    Enabled,
    Disabled,
    SentAgain,
    Created,
    Saved,
    Unchanged,
    Restored,
    Paused,
    Resumed,
    Archived,
    SecretRevoked,
    TestQueued,
    WebhookDeleted,
    Published,
    TenantMade,
    TenantDeleted,
    LlmKeySet,
    LlmKeyRemoved,
    KeyRevoked,
}

impl Done {
    /// As a query string says it.
    pub fn of(word: &str) -> Option<Self> {
        serde_json::from_value(word.into()).ok()
    }

    /// For whoever pressed the button.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Cancelled => "The execution is cancelled.",
            Self::Retried => "The execution is queued for another run.",
            Self::Replayed => "This is the new execution, of the same payload.",
            Self::Released => "The execution is released and will run.",
            Self::Discarded => "The execution is discarded and never runs.",
            Self::Tested => "A test is being sent: it is among the deliveries in a moment.",
            Self::Recovered => "What failed in that time is sent again, bit by bit.",
            Self::Enabled => "The webhook is enabled, and what waited for it is sent.",
            Self::Disabled => "The webhook is disabled: nothing is sent to it until it is enabled.",
            Self::SentAgain => "The delivery is due and goes at once.",
            Self::Created => "The agent is created.",
            Self::Saved => "The changes are saved.",
            Self::Unchanged => "Nothing was changed, so there is no new version.",
            Self::Restored => "The agent says again what that version said, as a new version.",
            Self::Paused => "The agent is paused.",
            Self::Resumed => "The agent is active and takes hooks.",
            Self::Archived => "The agent is archived: it takes no hooks, and is kept for its history.",
            Self::SecretRevoked => "The secret is revoked and verifies nothing any more.",
            Self::TestQueued => "The test is queued: this is its execution.",
            Self::WebhookDeleted => "The webhook is deleted. What waited for it is never sent.",
            Self::Published => "The event is written, and goes to the webhooks that want to hear of it.",
            Self::TenantMade => "This is the new tenant.",
            Self::TenantDeleted => "The tenant is deleted, and its API keys with it.",
            Self::LlmKeySet => "The LLM key is checked and set.",
            Self::LlmKeyRemoved => "The LLM key is removed.",
            Self::KeyRevoked => "The API key is revoked: within a second it is refused everywhere.",
        }
    }

    /// The page at this path, which says so.
    pub fn at(self, path: &str) -> String {
        format!("{path}?done={}", self.word())
    }
}
