//! What a hit's reason means, in sentences, and the names of diagnoses.

use crate::model::{DiagnosisCode, HitReason};

/// What it means, and what to do.
pub(super) fn reason(reason: HitReason) -> &'static str {
    match reason {
        HitReason::Queued => "It was accepted.",
        HitReason::Paused => {
            "It was accepted while the agent was paused, and was held until somebody released it."
        }
        HitReason::Quarantine => {
            "It does not match the agent's payload_schema, and was held for somebody to look at it."
        }
        HitReason::SameDelivery => {
            "The same delivery was accepted before, and runs once. If it was another one, its sender has \
                            to give it an id of its own; the agent's trigger.dedupe says what counts as the same."
        }
        HitReason::Filter => "The agent's trigger.filter leaves it out.",
        HitReason::Handshake => "It was the sender's handshake, and was answered: nothing runs.",
        HitReason::InvalidSignature => {
            "Its signature could not be verified. The sender was told no more than that."
        }
        HitReason::AgentNotActive => {
            "The agent was paused or archived: make it active, and let the sender send it again."
        }
        HitReason::MalformedJson => {
            "The signature was right, and the body is no JSON within the bounds: look at it."
        }
        HitReason::SchemaMismatch => {
            "The signature was right, and the body does not match the agent's payload_schema: try it \
                              with `agenthook agent test AGENT_ID FILE --dry-run`."
        }
        HitReason::CallbackNotAllowed => {
            "The signature was right, and its Agenthook-Callback-Url is none that the agent's trigger.callback_hosts \
                                     allows: the sender was told so."
        }
        HitReason::IdempotencyMismatch => {
            "Another body was accepted under this delivery id before: the sender has to use an id \
                                   once."
        }
        HitReason::RateLimited => {
            "It came over the rate of the agent or of its tenant: the sender was told when to try again."
        }
        HitReason::PayloadTooLarge => "The body is larger than AGENTHOOK_MAX_BODY_BYTES.",
        HitReason::UnsupportedMediaType => {
            "Its content type or encoding is not taken: JSON is, and not compressed."
        }
        HitReason::Incomplete => "The body came too slowly, or ended early.",
        HitReason::Unavailable => {
            "The server could not take it then: it was full, stopping, or without its database."
        }
    }
}

/// As the API writes it.
pub(super) fn code(code: DiagnosisCode) -> &'static str {
    match code {
        DiagnosisCode::MissingHeader => "missing_header",
        DiagnosisCode::TimestampSkew => "timestamp_skew",
        DiagnosisCode::WrongAlgorithm => "wrong_algorithm",
        DiagnosisCode::BadPrefix => "bad_prefix",
        DiagnosisCode::SecretEncoding => "secret_encoding",
        DiagnosisCode::WrongSecretOf => "wrong_secret_of",
        DiagnosisCode::TrailingNewline => "trailing_newline",
        DiagnosisCode::BodyReserialized => "body_reserialized",
        DiagnosisCode::WrongScheme => "wrong_scheme",
        DiagnosisCode::Unknown => "unknown",
    }
}
