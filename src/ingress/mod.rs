//! The front door: a POST becomes a durable execution, or is refused for one reason.
//!
//! `RawWebhook → Verified → ValidInput → accept`: each step takes what the one before proved, so none can
//! be left out. The order of the checks is the public contract's.

mod accept;
mod check;
mod delivery;
mod raw;
pub mod validate;
mod verify;

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::{AgentEntry, App};
use crate::model::{ExecutionId, NewExecution};
use crate::store::Accepted;
use crate::web::{ApiError, Code, RequestId};

pub use accept::Intake;
use check::Checker;
use raw::RawWebhook;
pub use verify::active;

/// What the front door keeps between requests.
pub struct Ingress {
    app: Arc<App>,
    intake: Intake,
    checker: Checker,
}

/// What became of a delivery.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct Answer {
    #[schema(value_type = String, pattern = "^(queued|duplicate)$", example = "queued")]
    status: &'static str,
    execution_id: ExecutionId,
    #[schema(value_type = String, example = "Agent execution queued")]
    message: &'static str,
}

/// The 401, in the same bytes for every reason.
#[derive(Serialize, ToSchema)]
pub struct InvalidSignature {
    #[schema(value_type = String, pattern = "^Invalid signature$", example = "Invalid signature")]
    error: &'static str,
}

impl Ingress {
    /// A front door that stores through this intake.
    #[must_use]
    pub fn new(app: Arc<App>, intake: Intake) -> Self {
        Self { app, intake, checker: Checker::default() }
    }

    /// What a hook with this payload would meet after its signature: for whoever tries an agent without one.
    ///
    /// # Errors
    /// Those of a hook: 503 if nothing can be checked right now, 400, 422.
    pub async fn check(&self, payload: &web::Bytes, agent: &Arc<AgentEntry>) -> Result<(), ApiError> {
        if let Some(Err(_)) = &agent.hook {
            return Err(verify::unusable());
        }
        self.checker.check(payload, agent).await
    }
}

/// Deliver a webhook
///
/// Any JSON that the agent's `payload_schema` takes, signed over the body's bytes. A 202 says that it is stored and will
/// run. The same delivery again is a 200 with the same execution.
#[utoipa::path(
    post, path = "/webhook/agents/{agent_id}/webhook", tag = "webhooks", operation_id = "deliver_webhook",
    security(("signature" = [])),
    params(
        ("agent_id" = String, Path, description = "The agent.", example = "01a20174-af9d-764c-ac07-00a385c2f011"),
        ("Idempotency-Key" = Option<String>, Header, description = "Names the delivery."),
        ("X-GitHub-Delivery" = Option<String>, Header, description = "The same, as GitHub says it."),
    ),
    request_body(content = serde_json::Value, example = json!({"ticket_id": "TKT-123"})),
    responses(
        (status = 202, description = "Stored; it will run.", body = Answer),
        (status = 200, description = "It was accepted before, and runs once.", body = Answer, example = json!({
            "status": "duplicate", "execution_id": "01a20174-af9d-764c-ac07-00a385c2f011",
            "message": "This delivery was accepted before; it runs once"
        })),
        (status = 400, description = "malformed_json incomplete_body"),
        (status = 401, description = "It could not be verified; the answer is the same for every reason.",
            body = InvalidSignature),
        (status = 403, description = "agent_not_active"),
        (status = 408, description = "request_timeout"),
        (status = 413, description = "payload_too_large"),
        (status = 415, description = "unsupported_media_type"),
        (status = 422, description = "schema_mismatch idempotency_mismatch")
    )
)]
pub async fn receive(
    request: HttpRequest,
    payload: web::Payload,
    agent_id: web::Path<String>,
    request_id: RequestId,
    ingress: web::Data<Ingress>,
) -> Result<HttpResponse, ApiError> {
    let app = &ingress.app;
    let hook =
        RawWebhook::read(&request, payload, &agent_id, app.clock.now(), app.settings.max_body_bytes).await?;
    let Some(verified) = verify::verify(app, &hook).await? else { return Ok(verify::refuse(&hook).await) };
    let agent = verify::active(&verified.entry.agent)?;
    ingress.checker.check(&hook.body, &verified.entry).await?;
    let delivery = delivery::of(verified.hook(), &hook);
    let execution_id = ExecutionId::new();
    let outcome = ingress
        .intake
        .accept(NewExecution {
            execution_id,
            tenant_id: agent.tenant_id.clone(),
            agent_id: agent.agent_id,
            agent_version: agent.version,
            payload: hook.body.to_vec(),
            secret_id: verified.secret_id,
            request_id: request_id.0,
            dedupe_key: delivery.key,
            dedupe_until: delivery.until,
            received_at: hook.received_at,
        })
        .await?;
    match outcome {
        Accepted::New => Ok(HttpResponse::Accepted().json(Answer {
            status: "queued",
            execution_id,
            message: "Agent execution queued",
        })),
        Accepted::Duplicate(execution_id) => Ok(HttpResponse::Ok().json(Answer {
            status: "duplicate",
            execution_id,
            message: "This delivery was accepted before; it runs once",
        })),
        Accepted::Mismatch => Err(ApiError::new(
            Code::IdempotencyMismatch,
            "another body was accepted under this delivery id; send a new id with a new body",
        )),
    }
}
