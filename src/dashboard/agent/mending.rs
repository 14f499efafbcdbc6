//! What to do about a hit that was refused or left out, and where.

use super::here;
use crate::api::view::HitView;
use crate::model::{AgentId, DiagnosisCode, HitReason};

/// A sentence, and the link that it ends with.
pub struct Mending {
    pub advice: &'static str,
    pub link: &'static str,
    /// The address, below the server's own.
    pub path: String,
    /// Whether that is a form, which a viewer has none of.
    pub is_form: bool,
}

impl Mending {
    /// For this hit, if there is anything to do at this server.
    pub fn of(hit: &HitView) -> Option<Self> {
        let on_page = |advice, link, anchor| Self::on_page(hit.agent_id, advice, link, anchor);
        let in_form = |advice, link, field| Self::in_form(hit.agent_id, advice, link, field);
        Some(match hit.reason {
            HitReason::InvalidSignature => return Self::of_signature(hit),
            HitReason::AgentNotActive => on_page(
                "The agent is paused or archived: resume it, or have hooks held while it is.",
                "The agent",
                "",
            ),
            HitReason::Paused => {
                on_page("It waits in its execution until somebody releases it.", "The agent", "")
            }
            HitReason::SchemaMismatch | HitReason::Quarantine => in_form(
                "Change what the sender sends, or the schema.",
                "The payload schema",
                "payload_schema",
            ),
            HitReason::Filter => in_form("The filter says no: that may be right.", "The filter", "filter"),
            HitReason::CallbackNotAllowed => {
                in_form("Name the host, if it may be called back.", "The callback hosts", "callback_hosts")
            }
            HitReason::RateLimited => {
                in_form("The sender may come again; or allow more.", "The rate", "per_minute")
            }
            HitReason::IdempotencyMismatch => {
                in_form("Each delivery needs an id of its own.", "How repeats are told", "dedupe_by")
            }
            HitReason::MalformedJson | HitReason::UnsupportedMediaType => {
                on_page("The sender must send JSON.", "Programs that do", "send")
            }
            HitReason::Queued
            | HitReason::SameDelivery
            | HitReason::Handshake
            | HitReason::PayloadTooLarge
            | HitReason::Incomplete
            | HitReason::Unavailable => return None,
        })
    }

    fn of_signature(hit: &HitView) -> Option<Self> {
        let on_page = |advice, link, anchor| Self::on_page(hit.agent_id, advice, link, anchor);
        let in_form = |advice, link, field| Self::in_form(hit.agent_id, advice, link, field);
        Some(match hit.diagnosis.as_ref()?.code {
            DiagnosisCode::SecretEncoding => in_form(
                "Have the secret read as the sender reads it.",
                "The secret's encoding",
                "secret_encoding",
            ),
            DiagnosisCode::WrongSecretOf | DiagnosisCode::Unknown => on_page(
                "Compare the secret that the sender has with the agent's: Show has it, Rotate makes another.",
                "The secrets",
                "secrets",
            ),
            DiagnosisCode::MissingHeader | DiagnosisCode::WrongScheme | DiagnosisCode::WrongAlgorithm => {
                in_form(
                    "Choose the scheme by which the sender signs, or have it sign by this one.",
                    "The scheme",
                    "scheme",
                )
            }
            DiagnosisCode::BadPrefix | DiagnosisCode::BodyReserialized | DiagnosisCode::TrailingNewline => {
                on_page("Sign the very bytes that are sent.", "Programs that do", "send")
            }
            DiagnosisCode::TimestampSkew => {
                in_form("Set the sender's clock; or check how it writes its times.", "The scheme", "scheme")
            }
        })
    }

    fn on_page(id: AgentId, advice: &'static str, link: &'static str, anchor: &str) -> Self {
        let anchor = if anchor.is_empty() { String::new() } else { format!("#{anchor}") };
        Self { advice, link, path: format!("{}{anchor}", here(id)), is_form: false }
    }

    fn in_form(id: AgentId, advice: &'static str, link: &'static str, field: &str) -> Self {
        Self { advice, link, path: format!("{}/edit#{field}", here(id)), is_form: true }
    }
}
