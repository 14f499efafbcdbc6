//! A try of an agent: a run without a signature, or a look at what would be run.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::execution_actions::tell_if_wanted;
use super::prompts::{self, Reader};
use super::{agents, view};
use crate::app::{AgentEntry, App, TenantEntry};
use crate::ingress::{self, Filtered, Ingress, Tried};
use crate::model::{
    Agent, AgentId, AuditAction, ExecutionError, ExecutionId, ExecutionSource, SchemaPolicy,
    UnsignedExecution,
};
use crate::schema;
use crate::template::Message;
use crate::web::{ApiError, Body, Caller, Code, to_the_end};

/// The body, but for `payload`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rest {
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    headers: BTreeMap<String, String>,
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
    /// The hook's headers, for a filter or a template that names some: at most 64, of 1,024 bytes each and 8,192 together.
    #[schema(example = json!({"X-GitHub-Event": "issues"}))]
    headers: Option<BTreeMap<String, String>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AgentTestIgnored)]
struct IgnoredView {
    #[schema(pattern = "^ignored$")]
    status: &'static str,
    #[schema(pattern = "^filter$")]
    reason: &'static str,
    /// Why the filter could not be evaluated, if it could not.
    #[schema(required)]
    error: Option<String>,
}

/// What needs no run.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = AgentTestDone)]
#[allow(dead_code, clippy::large_enum_variant, reason = "the answers are made one by one")]
enum Done {
    /// What would be done.
    DryRun(view::RehearsalView),
    /// The filter leaves it out: nothing runs.
    Ignored(IgnoredView),
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
/// pass its filter and its schema, but the same payload twice is two executions. With `dry_run` nothing is called and nothing is
/// stored: the answer (200) has the verdict, the filter's, the schema's and the prompt as it would be sent.
#[utoipa::path(
    post, path = "/api/v1/agents/{agent_id}/test", tag = "agents", operation_id = "test_agent",
    params(("agent_id" = AgentId, Path, description = "The agent.")),
    request_body(content = Whole, example = json!({"payload": {"ticket_id": "TKT-123"}, "dry_run": true})),
    responses(
        (status = 200, description = "What would be done; or the filter leaves it out.", body = Done),
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
    Ok(match try_out(&caller, &app, &ingress, &path, body).await? {
        Trial::DryRun(rehearsal) => HttpResponse::Ok().json(rehearsal),
        Trial::Ignored(error) => {
            HttpResponse::Ok().json(IgnoredView { status: "ignored", reason: "filter", error })
        }
        Trial::Queued(execution_id) => HttpResponse::Accepted().json(QueuedView {
            status: "queued",
            execution_id,
            message: "Agent execution queued",
        }),
    })
}

/// What has come of a try.
#[allow(clippy::large_enum_variant, reason = "there is one of it at a time")]
pub(crate) enum Trial {
    /// What would be done.
    DryRun(view::RehearsalView),
    /// The filter leaves it out, or cannot be evaluated, and why.
    Ignored(Option<String>),
    /// It will run.
    Queued(ExecutionId),
}

/// Tries an agent.
pub(crate) async fn try_out(
    caller: &Caller,
    app: &web::Data<App>,
    ingress: &Ingress,
    agent_id: &str,
    body: Body,
) -> Result<Trial, ApiError> {
    let agent_id = agents::find(app, caller, agent_id).await?.agent_id;
    let writer = caller.writer()?;
    let (payload, Rest { dry_run, headers }) = body.split("payload")?;
    let headers = Ingress::headers(headers)?;
    if payload.len() > app.settings.max_body_bytes {
        let detail = format!("payloads of at most {} bytes are taken", app.settings.max_body_bytes);
        return Err(ApiError::new(Code::PayloadTooLarge, detail));
    }
    let entry = app.agents.get(&app.store, &app.cipher, agent_id).await?.ok_or_else(ApiError::not_found)?;
    if dry_run {
        let tenant_id = &entry.agent.tenant_id;
        let tenant = app.tenants.get(&app.store, &app.cipher, tenant_id).await?;
        let tenant = tenant.ok_or_else(ApiError::not_found)?;
        let tried = ingress.try_out(&payload, &headers, &entry).await?;
        let message = match &tried.filter {
            Filtered::NotAsked => None,
            Filtered::Wanted | Filtered::LeftOut | Filtered::Failed(_) => {
                let (tenant_id, version) = (tenant_id.clone(), entry.agent.version);
                let reader = Reader { agent_id, tenant_id, version };
                Some(prompts::message(app, reader, payload, headers).await?)
            }
        };
        return Ok(Trial::DryRun(rehearse(app, &entry, &tenant, tried, message)));
    }
    let agent = ingress::active(&entry.agent)?;
    let Tried { filter, fault } = ingress.try_out(&payload, &headers, &entry).await?;
    if let (Filtered::NotAsked | Filtered::Wanted, Some(fault)) = (&filter, fault) {
        return Err(fault);
    }
    if let Filtered::LeftOut | Filtered::Failed(_) = filter {
        return Ok(Trial::Ignored(view::failed(&filter)));
    }
    let (execution_id, now) = (ExecutionId::new(), app.clock.now());
    let log = writer.does(AuditAction::AgentTested, agent_id, now).of(&agent.tenant_id);
    let log = log.with("execution_id", execution_id.to_string()).with("version", agent.version);
    let mut execution = UnsignedExecution {
        execution_id,
        tenant_id: agent.tenant_id.clone(),
        agent_id,
        agent_version: agent.version,
        payload: payload.to_vec(),
        request_id: caller.request_id,
        source: ExecutionSource::Test,
        headers,
        replay_of: None,
        received_at: now,
        event: None,
    };
    tell_if_wanted(app, &mut execution).await?;
    let stored = to_the_end({
        let app = app.clone();
        async move {
            let stored = app.store.insert_unsigned(&execution, &log).await;
            app.ring(execution_id);
            app.events_written();
            stored
        }
    });
    stored.await??;
    tracing::info!(%agent_id, %execution_id, "agent tested");
    Ok(Trial::Queued(execution_id))
}

/// A payload that the agent takes, as far as its schema says. To compile a schema may take a while, so that is done beside.
pub(crate) async fn example_payload(agent: &Agent) -> Result<Value, &'static str> {
    let schema = agent.spec.trigger.as_ref().and_then(|trigger| trigger.payload_schema.clone());
    let Some(schema) = schema else { return Ok(json!({"example": true})) };
    let made = web::block(move || schema::example(&schema)).await;
    made.unwrap_or(Err("the example was broken off: open the page again"))
}

/// What would become of a payload. Calls nothing, stores nothing.
fn rehearse(
    app: &App,
    entry: &AgentEntry,
    tenant: &TenantEntry,
    tried: Tried,
    message: Option<Result<Message, ExecutionError>>,
) -> view::RehearsalView {
    let spec = &entry.agent.spec;
    let trigger = spec.trigger.as_ref();
    // In the order of a run.
    let (message, unmade) = match message.transpose() {
        Ok(message) => (message, Ok(())),
        Err(error) => (None, Err(error)),
    };
    let pays =
        tenant.allows(&spec.llm_config.model).and(unmade).and_then(|()| tenant.pays(app.llm.platform_key()));
    view::rehearsal(view::Rehearsal {
        agent: &entry.agent,
        // In the order of ingress: who is not active hears nothing of its payload.
        standing: ingress::standing(&entry.agent),
        has_filter: trigger.is_some_and(|trigger| trigger.filter.is_some()),
        keeps_mismatches: trigger.is_some_and(|trigger| trigger.schema_policy == SchemaPolicy::Quarantine),
        has_schema: trigger.is_some_and(|trigger| trigger.payload_schema.is_some()),
        tried,
        message,
        pays: pays.map(|(source, _)| source),
    })
}
