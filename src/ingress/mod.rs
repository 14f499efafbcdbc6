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

#[derive(Serialize)]
struct Answer {
    status: &'static str,
    execution_id: ExecutionId,
    message: &'static str,
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

/// `POST /webhook/agents/{agent_id}/webhook`.
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
