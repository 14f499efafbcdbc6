//! The secrets by which an agent's senders sign: masked, whole on demand, and rotated.

use actix_web::{HttpResponse, web};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::agent_request::SecretMaker;
use super::{RACES, agents, id, through, view};
use crate::app::{App, secret_owner};
use crate::model::{Agent, AgentId, AuditAction, Change, SecretId, Time, WebhookSecret};
use crate::store::{self, Revoked, Rotated, Rotation};
use crate::web::{ApiError, Body, Caller, Code, IfMatch, Query};

/// Characters of a masked secret that are shown: enough to tell two apart.
const SHOWN: usize = 4;
/// How long earlier secrets verify after a rotation that does not say it, in s: a day.
const OVERLAP: u32 = 86_400;
/// The same, at most: 30 days.
const MAX_OVERLAP: u32 = 2_592_000;
/// Secrets of one agent that verify at a time: each costs an HMAC per wrong signature.
const MAX_LIVE: usize = 10;

/// Whether the secrets are shown whole.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// Shows the secrets whole; that takes an operator's or an admin's key, and is noted in the audit log.
    #[serde(default)]
    reveal: bool,
}

/// How to rotate. Nothing is the same as `{}`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SecretRotation)]
struct Rotate {
    /// How long earlier secrets still verify, in s; 86,400 if it is not said. 0 ends them all at once.
    #[schema(maximum = 2_592_000)]
    overlap_seconds: Option<u32>,
    /// A secret that the sender made; its form is the trigger's `secret_encoding`. Without it one is made.
    #[schema(value_type = Option<String>, write_only, max_length = 1024)]
    secret: Option<SecretString>,
}

/// Show an agent's webhook secrets
///
/// Masked, unless `reveal` asks for the whole text.
#[utoipa::path(
    get, path = "/api/v1/agents/{agent_id}/webhook-secret", tag = "agents", operation_id = "get_webhook_secret",
    params(("agent_id" = AgentId, Path, description = "The agent."), Shown),
    responses((status = 200, description = "The secrets that verify now.", body = view::SecretList))
)]
pub async fn get(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    query: Query<Shown>,
) -> Result<HttpResponse, ApiError> {
    let agent = agents::find(&app, &caller, &path).await?;
    let secrets = match query.reveal {
        true => revealed(&app, &caller, &agent).await?,
        false => masked(&app, &caller, agent.agent_id).await?,
    };
    Ok(HttpResponse::Ok().json(secrets))
}

/// An agent's secrets, whole: for whoever may write, and noted.
pub(crate) async fn revealed(
    app: &App,
    caller: &Caller,
    agent: &Agent,
) -> Result<view::SecretList, ApiError> {
    let now = app.clock.now();
    let entry = caller.writer()?.does(AuditAction::WebhookSecretRevealed, agent.agent_id, now);
    let secrets = open_secrets(app, agent.agent_id, now).await?;
    // What is not written down is not shown.
    app.store.audit(&entry.of(&agent.tenant_id)).await?;
    tracing::info!(agent_id = %agent.agent_id, tenant_id = %agent.tenant_id, "webhook secret revealed");
    listed(app, secrets, |text| text.expose_secret().to_owned()).await
}

/// An agent's secrets, with so much of their texts that whoever may write tells them apart.
pub(crate) async fn masked(
    app: &App,
    caller: &Caller,
    agent_id: AgentId,
) -> Result<view::SecretList, ApiError> {
    let secrets = open_secrets(app, agent_id, app.clock.now()).await?;
    let shown = |text: &SecretString| match caller.key.role.may_write() {
        true => mask(text.expose_secret()),
        // A viewer never sees a secret, nor a part of one.
        false => "…".to_owned(),
    };
    listed(app, secrets, shown).await
}

async fn listed(
    app: &App,
    secrets: Vec<(WebhookSecret, SecretString)>,
    shown: impl Fn(&SecretString) -> String,
) -> Result<view::SecretList, ApiError> {
    let mut views = Vec::with_capacity(secrets.len());
    for (secret, text) in secrets {
        let last_used_at = app.store.secret_last_used(&secret).await?;
        views.push(view::secret(secret, shown(&text), last_used_at));
    }
    Ok(view::SecretList { secrets: views })
}

/// Rotate an agent's webhook secret
///
/// The answer has the new secret, this once. Earlier ones verify until the overlap ends.
#[utoipa::path(
    post, path = "/api/v1/agents/{agent_id}/webhook-secret/rotate", tag = "agents",
    operation_id = "rotate_webhook_secret", params(("agent_id" = AgentId, Path, description = "The agent."), IfMatch),
    request_body(content = Option<Rotate>, example = json!({"overlap_seconds": 86_400})),
    responses(
        (status = 200, description = "The new secret.", body = view::RotatedView<'static>),
        (status = 409, description = "conflict"),
        (status = 412, description = "version_mismatch")
    )
)]
pub async fn rotate(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<String>,
    if_match: IfMatch,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let (secret_id, text) = replace(&caller, &app, &path, &if_match, body).await?;
    Ok(HttpResponse::Ok().json(view::rotated(secret_id, text.expose_secret())))
}

/// Gives an agent another secret; its text is shown this once.
pub(crate) async fn replace(
    caller: &Caller,
    app: &web::Data<App>,
    agent_id: &str,
    if_match: &IfMatch,
    body: Body,
) -> Result<(SecretId, SecretString), ApiError> {
    let mut agent = agents::find(app, caller, agent_id).await?;
    let (writer, agent_id) = (caller.writer()?, agent.agent_id);
    let Rotate { overlap_seconds, secret: given } = body.parse_or_default()?;
    let overlap = overlap_seconds.unwrap_or(OVERLAP);
    if overlap > MAX_OVERLAP {
        let message = format!("must be at most {MAX_OVERLAP} (30 days)");
        return Err(ApiError::field("/overlap_seconds", message));
    }
    for _ in 0..RACES {
        if_match.check(agent.version)?;
        let now = app.clock.now();
        let Some(trigger) = &agent.spec.trigger else {
            return Err(ApiError::new(
                Code::Conflict,
                "the agent takes no webhooks: give it a trigger first",
            ));
        };
        // One that cannot be opened is met with 503: under a wrong key nothing is put beside it, or in its place.
        let verifying = open_secrets(app, agent_id, now).await?;
        if given.as_ref().is_some_and(|given| verifying.iter().any(|(_, text)| is_same(text, given))) {
            let message = "is one that verifies already: give another, or leave it out to have one made. To make it the \
                           only one, PATCH the agent with trigger.secret";
            return Err(ApiError::field("/secret", message));
        }
        let maker = SecretMaker { cipher: &app.cipher, agent_id, now };
        let (secret, text) = maker.secret(trigger, given.clone(), "/secret")?;
        let secret_id = secret.secret_id;
        let earlier_until = (overlap > 0).then(|| now + chrono::TimeDelta::seconds(overlap.into()));
        let rotation = Rotation { secret, earlier_until, at_most: MAX_LIVE };
        let entry = writer.does(AuditAction::WebhookSecretRotated, agent_id, now).of(&agent.tenant_id);
        let entry = entry.with("secret_id", secret_id.to_string()).with("overlap_seconds", overlap);
        let entry = entry.with("version", agent.version + 1);
        let rotated = {
            let app = app.clone();
            async move { app.store.rotate_secret(&agent, &rotation, &entry).await }
        };
        match through(app, Change::Agent(agent_id), rotated).await? {
            Err(store::Error::Conflict) => {
                agent = agents::find(app, caller, &agent_id.to_string()).await?;
            }
            rotated => match rotated? {
                Rotated::Done => {
                    tracing::info!(%agent_id, %secret_id, overlap_s = overlap, "webhook secret rotated");
                    return Ok((secret_id, text));
                }
                Rotated::TooMany => {
                    let detail = format!(
                        "{MAX_LIVE} secrets of this agent verify already: wait until one of them ends, or rotate \
                         with \"overlap_seconds\": 0, which ends them all"
                    );
                    return Err(ApiError::new(Code::Conflict, detail));
                }
            },
        }
    }
    Err(store::Error::Conflict.into())
}

/// Revoke one webhook secret
///
/// It verifies nothing any more; within a second that holds in every process. The last one that verifies stays: rotate
/// instead. Like every change it makes a new version of the agent.
#[utoipa::path(
    delete, path = "/api/v1/agents/{agent_id}/webhook-secret/{secret_id}", tag = "agents",
    operation_id = "revoke_webhook_secret",
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("secret_id" = SecretId, Path, description = "The secret."),
        IfMatch
    ),
    responses(
        (status = 204, description = "It is gone."),
        (status = 409, description = "conflict"),
        (status = 412, description = "version_mismatch")
    )
)]
pub async fn revoke(
    caller: Caller,
    app: web::Data<App>,
    path: web::Path<(String, String)>,
    if_match: IfMatch,
) -> Result<HttpResponse, ApiError> {
    let (agent, secret_id) = path.into_inner();
    let mut agent = agents::find(&app, &caller, &agent).await?;
    let (writer, agent_id) = (caller.writer()?, agent.agent_id);
    let secret_id: SecretId = id(&secret_id)?;
    for _ in 0..RACES {
        if_match.check(agent.version)?;
        let entry = writer.does(AuditAction::WebhookSecretRevoked, agent_id, app.clock.now());
        let entry = entry.of(&agent.tenant_id).with("secret_id", secret_id.to_string());
        let entry = entry.with("version", agent.version + 1);
        let revoked = {
            let app = app.clone();
            async move { app.store.revoke_secret(&agent, secret_id, &entry).await }
        };
        match through(&app, Change::Agent(agent_id), revoked).await? {
            Err(store::Error::Conflict) => agent = agents::find(&app, &caller, &agent_id.to_string()).await?,
            revoked => match revoked? {
                Revoked::Done => {
                    tracing::info!(%agent_id, %secret_id, "webhook secret revoked");
                    return Ok(HttpResponse::NoContent().finish());
                }
                Revoked::Missing => return Err(ApiError::not_found()),
                Revoked::Last => {
                    let detail = "it is the last secret of this agent that verifies, and without one nobody could \
                                  send it anything: rotate instead, with \"overlap_seconds\": 0 if it has leaked";
                    return Err(ApiError::new(Code::Conflict, detail));
                }
            },
        }
    }
    Err(store::Error::Conflict.into())
}

/// An agent's secrets that verify something at this time, decrypted. One that cannot be is met with 503.
pub(super) async fn open_secrets(
    app: &App,
    agent_id: AgentId,
    now: Time,
) -> Result<Vec<(WebhookSecret, SecretString)>, ApiError> {
    let open = |secret: WebhookSecret| {
        let text = app.cipher.open(&secret_owner(secret.secret_id), &secret.sealed).map_err(|error| {
            tracing::error!(%agent_id, %error, "a webhook secret cannot be opened");
            ApiError::unavailable(error.to_string())
        })?;
        Ok((secret, text))
    };
    let live = |secret: &WebhookSecret| secret.expires_at.is_none_or(|end| now < end);
    app.store.webhook_secrets(agent_id).await?.into_iter().filter(live).map(open).collect()
}

fn is_same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

fn mask(text: &str) -> String {
    let start: String = text.chars().take(SHOWN).collect();
    format!("{start}…")
}
