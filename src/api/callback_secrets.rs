//! An agent's callback endpoint: made with the first `callback_hosts`, with a secret that is shown once.

use actix_web::{HttpResponse, web};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{RACES, agents, signing_secret, view};
use crate::app::App;
use crate::model::{
    Agent, AgentId, AuditAction, CircuitRule, Profile, RetrySchedule, SealedKind, TargetText, Time, Webhook,
    WebhookId, WebhookKind, WebhookOptions, WebhookStatus,
};
use crate::store::{self, NewWebhook};
use crate::web::{ApiError, Body, Caller, Code};

/// How to rotate.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = CallbackSecretRotate)]
struct Rotate {
    /// How long earlier secrets sign too, in s; 0 ends them at once.
    #[schema(maximum = 2_592_000, default = 86_400)]
    overlap_seconds: Option<u32>,
}

/// The endpoint that an agent needs and does not have yet, and its secret's text.
pub(super) async fn missing(
    app: &App,
    agent: &Agent,
    now: Time,
) -> Result<Option<(NewWebhook, SecretString)>, ApiError> {
    let calls_back = agent.spec.trigger.as_ref().is_some_and(|trigger| trigger.callback_hosts.is_some());
    if !calls_back || app.store.callback_webhook(agent.agent_id).await?.is_some() {
        return Ok(None);
    }
    let webhook_id = WebhookId::new();
    let (secret, text) = signing_secret::make(app, webhook_id, None, now);
    let webhook = endpoint(app, webhook_id, agent, now);
    Ok(Some((NewWebhook { webhook, secret }, text)))
}

/// It subscribes to nothing: each delivery is made for one execution, and has a URL of its own. So one that fails says
/// nothing of the next: no circuit opens, and nothing is disabled.
fn endpoint(app: &App, webhook_id: WebhookId, agent: &Agent, now: Time) -> Webhook {
    let target = serde_json::to_string(&TargetText::default()).expect("texts can be written");
    Webhook {
        webhook_id,
        kind: WebhookKind::Callback,
        tenant_id: Some(agent.tenant_id.clone()),
        agent_id: Some(agent.agent_id),
        version: 1,
        status: WebhookStatus::Active,
        disabled_reason: None,
        events: Vec::new(),
        profile: Profile::Standard,
        target: app.cipher.seal(&SealedKind::WebhookTarget.owner(webhook_id.0), &target.into()),
        options: WebhookOptions {
            retry: RetrySchedule::Standard,
            disable_on_exhausted: Some(false),
            circuit: CircuitRule { failures: u32::MAX, open_seconds: 0 },
            ..WebhookOptions::default()
        },
        created_at: now,
        updated_at: now,
    }
}

/// Rotate an agent's callback secret
///
/// The answer has the new secret, this once. The new one signs `X-Webhook-Signature` at once; `webhook-signature` has those
/// of earlier ones too until the overlap ends.
#[utoipa::path(
    post, path = "/api/v1/agents/{agent_id}/callback-secret/rotate", tag = "agents",
    operation_id = "rotate_callback_secret",
    params(("agent_id" = AgentId, Path, description = "The agent.")),
    request_body(content = Option<Rotate>, example = json!({"overlap_seconds": 86_400})),
    responses(
        (status = 200, description = "The new secret.", body = view::RotatedCallbackSecretView),
        (status = 409, description = "conflict")
    )
)]
pub async fn rotate(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let agent = agents::find(&app, &caller, &path).await?;
    let (writer, agent_id) = (caller.writer()?, agent.agent_id);
    let overlap = signing_secret::overlap(body.parse_or_default::<Rotate>()?.overlap_seconds)?;
    for _ in 0..RACES {
        let webhook = app.store.callback_webhook(agent_id).await?.ok_or_else(none_yet)?;
        let (webhook_id, now) = (webhook.webhook_id, app.clock.now());
        let entry = writer.does(AuditAction::SigningSecretRotated, webhook_id, now).of(&agent.tenant_id);
        let entry = entry.with("agent_id", agent_id.to_string());
        if let Some((secret_id, text)) = signing_secret::rotate(&app, webhook, None, overlap, entry).await? {
            return Ok(HttpResponse::Ok().json(view::RotatedCallbackSecretView {
                webhook_id,
                secret_id,
                callback_secret: text.expose_secret().to_owned(),
            }));
        }
    }
    Err(store::Error::Conflict.into())
}

fn none_yet() -> ApiError {
    ApiError::new(Code::Conflict, "the agent calls nobody back yet: set callback_hosts of its trigger first")
}
