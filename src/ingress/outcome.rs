//! What becomes of a hook, and what its sender is told.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::wait::{Ended, Wait};
use crate::filter::EvalFault;
use crate::model::{ExecutionId, HeldReason, HitReason, HitVerdict};
use crate::signature::Handshake;
use crate::web::{ApiError, Code};

/// What became of a hook that was read whole. A refusal that says why is an [`ApiError`].
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is this execution; the answer's status is what the sender takes for success.
    Accepted(ExecutionId, StatusCode),
    /// It is this execution, and its sender waits for its end; the answer's status if that comes too late.
    Awaited(Wait, StatusCode),
    /// It is this execution, which waits for a person.
    Held(ExecutionId, HeldReason, StatusCode),
    /// It is this execution already.
    Duplicate(ExecutionId),
    /// The agent's filter leaves it out, or could not be evaluated.
    Filtered(Option<EvalFault>),
    /// It was a question, and this is the answer; nothing runs.
    Handshake(Handshake),
    /// Nobody knows who sent it.
    Unverified,
}

/// What became of a delivery.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct Answer {
    #[schema(value_type = String, pattern = "^(queued|held|duplicate)$", example = "queued")]
    status: &'static str,
    execution_id: ExecutionId,
    #[schema(value_type = String, example = "Agent execution queued")]
    message: &'static str,
}

/// What was left out.
#[derive(Serialize, ToSchema)]
#[schema(as = Ignored)]
pub struct Ignored {
    #[schema(value_type = String, pattern = "^ignored$", example = "ignored")]
    status: &'static str,
    #[schema(value_type = String, pattern = "^(filter|handshake)$", example = "filter")]
    reason: &'static str,
}

/// The answer to Slack's handshake.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "the scheme makes it")]
pub struct Challenge {
    challenge: String,
}

/// The answer to Discord's handshake.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "the scheme makes it")]
pub struct Pong {
    r#type: i32,
}

/// What a 200 is.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "the answers are made one by one")]
#[schema(as = Done)]
pub enum Done {
    /// It was accepted before; or it is new, and the scheme's sender takes no other status.
    Delivery(Answer),
    /// The end that was waited for.
    Ended(Ended),
    /// Nothing runs.
    Ignored(Ignored),
    Challenge(Challenge),
    Pong(Pong),
}

/// The 401, in the same bytes for every reason.
#[derive(Serialize, ToSchema)]
pub struct InvalidSignature {
    #[schema(value_type = String, pattern = "^Invalid signature$", example = "Invalid signature")]
    error: &'static str,
}

impl Outcome {
    /// The answer to its sender; to whoever could not be verified [`super::verify::refuse`] gives it on the beat.
    pub fn answer(&self) -> HttpResponse {
        match *self {
            Self::Filtered(_) => HttpResponse::Ok().json(Ignored { status: "ignored", reason: "filter" }),
            Self::Accepted(execution_id, status) => queued(execution_id, status),
            // Its time is up.
            Self::Awaited(ref wait, status) => queued(wait.execution_id(), status),
            Self::Held(execution_id, reason, status) => HttpResponse::build(status).json(Answer {
                status: "held",
                execution_id,
                message: why_held(reason),
            }),
            Self::Duplicate(execution_id) => HttpResponse::Ok().json(Answer {
                status: "duplicate",
                execution_id,
                message: "This delivery was accepted before; it runs once",
            }),
            Self::Handshake(ref handshake) => {
                let status = StatusCode::from_u16(handshake.status).unwrap_or(StatusCode::OK);
                let mut answer = HttpResponse::build(status);
                match &handshake.body {
                    Some(body) => answer.json(body),
                    None => answer.finish(),
                }
            }
            Self::Unverified => {
                HttpResponse::Unauthorized().json(InvalidSignature { error: "Invalid signature" })
            }
        }
    }

    /// What its agent's owner should know besides: why a filter could not be evaluated. Nothing of the payload.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Filtered(fault) => {
                fault.as_ref().map(|fault| format!("the filter cannot be evaluated: {fault}"))
            }
            Self::Accepted(..)
            | Self::Awaited(..)
            | Self::Held(..)
            | Self::Duplicate(_)
            | Self::Handshake(_)
            | Self::Unverified => None,
        }
    }

    /// The status of that answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Accepted(_, status) | Self::Awaited(_, status) | Self::Held(_, _, status) => {
                status.as_u16()
            }
            Self::Duplicate(_) | Self::Filtered(_) => 200,
            Self::Handshake(handshake) => handshake.status,
            Self::Unverified => 401,
        }
    }

    /// The execution that it is.
    pub fn execution_id(&self) -> Option<ExecutionId> {
        match *self {
            Self::Accepted(id, _) | Self::Held(id, ..) | Self::Duplicate(id) => Some(id),
            Self::Awaited(ref wait, _) => Some(wait.execution_id()),
            Self::Filtered(_) | Self::Handshake(_) | Self::Unverified => None,
        }
    }

    /// The same in the words of the hit ledger.
    pub fn verdict(&self) -> (HitVerdict, HitReason) {
        match self {
            Self::Accepted(..) | Self::Awaited(..) => (HitVerdict::Accepted, HitReason::Queued),
            Self::Held(_, HeldReason::Paused, _) => (HitVerdict::Held, HitReason::Paused),
            Self::Held(_, HeldReason::Quarantine, _) => (HitVerdict::Held, HitReason::Quarantine),
            Self::Duplicate(_) => (HitVerdict::Duplicate, HitReason::SameDelivery),
            Self::Filtered(_) => (HitVerdict::Ignored, HitReason::Filter),
            Self::Handshake(_) => (HitVerdict::Ignored, HitReason::Handshake),
            Self::Unverified => (HitVerdict::Rejected, HitReason::InvalidSignature),
        }
    }
}

fn queued(execution_id: ExecutionId, status: StatusCode) -> HttpResponse {
    HttpResponse::build(status).json(Answer {
        status: "queued",
        execution_id,
        message: "Agent execution queued",
    })
}

fn why_held(reason: HeldReason) -> &'static str {
    match reason {
        HeldReason::Paused => "Stored, but the agent is paused: it runs when a person releases it",
        HeldReason::Quarantine => {
            "Stored, but the payload does not match the agent's schema: it runs when a person releases it"
        }
    }
}

/// A refusal that says why, in the words of the hit ledger.
pub(super) fn reason(error: &ApiError) -> HitReason {
    match error.code() {
        Code::AgentNotActive => HitReason::AgentNotActive,
        Code::MalformedJson => HitReason::MalformedJson,
        Code::SchemaMismatch => HitReason::SchemaMismatch,
        Code::CallbackNotAllowed => HitReason::CallbackNotAllowed,
        Code::IdempotencyMismatch => HitReason::IdempotencyMismatch,
        Code::TooManyRequests => HitReason::RateLimited,
        Code::PayloadTooLarge => HitReason::PayloadTooLarge,
        Code::UnsupportedMediaType => HitReason::UnsupportedMediaType,
        Code::IncompleteBody | Code::RequestTimeout => HitReason::Incomplete,
        // Ingress itself says `Internal` and `Unavailable`; the others are the API's.
        Code::Internal
        | Code::Unavailable
        | Code::Unauthorized
        | Code::Forbidden
        | Code::NotFound
        | Code::MethodNotAllowed
        | Code::Conflict
        | Code::LastAdminKey
        | Code::VersionMismatch
        | Code::InvalidRequest
        | Code::InvalidSchema
        | Code::InvalidFilter
        | Code::InvalidTemplate
        | Code::ReservedEventType
        | Code::MlflowNotConfigured
        | Code::BelowBaseline
        | Code::MlflowUnavailable
        | Code::MlflowRefused => HitReason::Unavailable,
    }
}

/// Faults of a payload that the ledger names; the sender was told all of them.
const NAMED: usize = 3;

/// What a refusal has told, in one text: places and what is wanted there, and nothing of the payload.
pub(super) fn told(error: &ApiError) -> String {
    let text = |fault: &serde_json::Value, name: &str| fault[name].as_str().unwrap_or_default().to_owned();
    let faults = error.errors().iter().take(NAMED).map(|fault| {
        let place = text(fault, "instance_path");
        format!("{} {}", if place.is_empty() { "the payload" } else { &place }, text(fault, "message"))
    });
    let mut told = vec![error.detail().to_owned()];
    told.extend(faults);
    if error.errors().len() > NAMED {
        told.push("…".to_owned());
    }
    told.join("; ")
}
