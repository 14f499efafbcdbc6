//! A try of an agent: a run without a signature, or a look at what would be run.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{agents, to_the_end, view};
use crate::app::{AgentEntry, App, TenantEntry};
use crate::ingress::{self, Ingress};
use crate::llm::prompt;
use crate::model::{AgentId, AuditAction, ExecutionId, ExecutionSource, UnsignedExecution};
use crate::web::{ApiError, Body, Caller, Code};

/// The body, but for `payload`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rest {
    #[serde(default)]
    dry_run: bool,
}

/// What to try an agent with.
#[derive(ToSchema)]
#[schema(as = AgentTest)]
#[allow(dead_code, reason = "the body is read in two parts, so that the payload's bytes stay as they are")]
struct Whole {
    /// What a webhook's body would be. Its bytes are kept as they stand here.
    payload: Value,
    /// Calls nothing and stores nothing, and says what would be done.
    #[schema(default = false)]
    dry_run: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AgentTestQueued)]
struct QueuedView {
    #[schema(pattern = "^queued$")]
    status: &'static str,
    execution_id: ExecutionId,
    message: &'static str,
}

/// Try an agent
///
/// Runs it with a payload and without a signature; otherwise as a webhook would: the agent must be active and the payload
/// match its schema, but the same payload twice is two executions. With `dry_run` nothing is called and nothing is
/// stored: the answer (200) has the verdict, the schema's and the prompt as it would be sent.
#[utoipa::path(
    post, path = "/api/v1/agents/{agent_id}/test", tag = "agents", operation_id = "test_agent",
    params(("agent_id" = AgentId, Path, description = "The agent.")),
    request_body(content = Whole, example = json!({"payload": {"ticket_id": "TKT-123"}, "dry_run": true})),
    responses(
        (status = 200, description = "What would be done.", body = view::RehearsalView),
        (status = 202, description = "It will run.", body = QueuedView),
        (status = 403, description = "forbidden agent_not_active"),
        (status = 422, description = "invalid_request schema_mismatch")
    )
)]
pub async fn run(
    caller: Caller,
    app: web::Data<App>,
    ingress: web::Data<Ingress>,
    path: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let agent_id = agents::find(&app, &caller, &path).await?.agent_id;
    let writer = caller.writer()?;
    let (payload, Rest { dry_run }) = body.split("payload")?;
    if payload.len() > app.settings.max_body_bytes {
        let detail = format!("payloads of at most {} bytes are taken", app.settings.max_body_bytes);
        return Err(ApiError::new(Code::PayloadTooLarge, detail));
    }
    let entry = app.agents.get(&app.store, &app.cipher, agent_id).await?.ok_or_else(ApiError::not_found)?;
    if dry_run {
        let tenant_id = &entry.agent.tenant_id;
        let tenant = app.tenants.get(&app.store, &app.cipher, tenant_id).await?;
        let tenant = tenant.ok_or_else(ApiError::not_found)?;
        let checked = ingress.check(&payload, &entry).await;
        return Ok(HttpResponse::Ok().json(rehearse(&app, &entry, &tenant, &payload, checked)?));
    }
    let agent = ingress::active(&entry.agent)?;
    ingress.check(&payload, &entry).await?;
    let (execution_id, now) = (ExecutionId::new(), app.clock.now());
    let log = writer.does(AuditAction::AgentTested, agent_id, now).of(&agent.tenant_id);
    let log = log.with("execution_id", execution_id.to_string()).with("version", agent.version);
    let execution = UnsignedExecution {
        execution_id,
        tenant_id: agent.tenant_id.clone(),
        agent_id,
        agent_version: agent.version,
        payload: payload.to_vec(),
        request_id: caller.request_id,
        source: ExecutionSource::Test,
        replay_of: None,
        received_at: now,
    };
    let stored = to_the_end({
        let app = app.clone();
        async move {
            let stored = app.store.insert_unsigned(&execution, &log).await;
            app.ring(execution_id);
            stored
        }
    });
    stored.await??;
    tracing::info!(%agent_id, %execution_id, "agent tested");
    Ok(HttpResponse::Accepted().json(QueuedView {
        status: "queued",
        execution_id,
        message: "Agent execution queued",
    }))
}

/// What would become of a payload. Calls nothing, stores nothing.
fn rehearse(
    app: &App,
    entry: &AgentEntry,
    tenant: &TenantEntry,
    payload: &[u8],
    checked: Result<(), ApiError>,
) -> Result<view::RehearsalView, ApiError> {
    let spec = &entry.agent.spec;
    let fault = match checked {
        // What says nothing about the payload is the answer itself.
        Err(error) if !matches!(error.code(), Code::MalformedJson | Code::SchemaMismatch) => {
            return Err(error);
        }
        checked => checked.err(),
    };
    let is_json = fault.as_ref().is_none_or(|fault| fault.code() != Code::MalformedJson);
    let mut marker = 0;
    let message = is_json.then(|| {
        prompt::user_message(payload, || {
            marker = prompt::random_marker();
            marker
        })
    });
    let pays = tenant.allows(&spec.llm_config.model).and_then(|()| tenant.pays(app.llm.platform_key()));
    let trigger = spec.trigger.as_ref();
    Ok(view::rehearsal(view::Rehearsal {
        agent: &entry.agent,
        // In the order of ingress: who is not active hears nothing of its payload.
        refusal: ingress::active(&entry.agent).err().or_else(|| fault.clone()),
        has_schema: trigger.is_some_and(|trigger| trigger.payload_schema.is_some()),
        fault,
        message,
        marker,
        pays: pays.map(|(source, _)| source),
    }))
}
