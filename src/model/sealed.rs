//! What is stored encrypted, kind by kind.

use std::fmt;

use serde::Serialize;

/// A kind of stored secret: one column of one table. A new one gets a variant, a place in [`SealedKind::ALL`], and what
/// the compiler then asks for; `agenthook rekey`, `doctor` and the look at the start know it by that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SealedKind {
    /// What an agent's senders sign with.
    WebhookSecret,
    /// A tenant's own key for LiteLLM.
    LlmKey,
    /// Where an endpoint is: its URL and headers.
    WebhookTarget,
    /// What deliveries are signed with.
    SigningSecret,
    /// Where a sender wants to hear of the end of its execution.
    Callback,
}

impl SealedKind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::WebhookSecret, Self::LlmKey, Self::WebhookTarget, Self::SigningSecret, Self::Callback];

    /// Its word, in owners' labels and in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::WebhookSecret => "webhook-secret",
            Self::LlmKey => "llm-key",
            Self::WebhookTarget => "webhook-target",
            Self::SigningSecret => "signing-secret",
            Self::Callback => "callback",
        }
    }

    /// The owner's label inside the ciphertext of a row of this kind: the kind is part of it, so that one noun's id is
    /// never another's.
    #[must_use]
    pub fn owner(self, id: impl fmt::Display) -> String {
        format!("{}:{id}", self.word())
    }
}

impl fmt::Display for SealedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
