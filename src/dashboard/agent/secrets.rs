//! The secrets of an agent's webhook: shown, rotated, revoked. Each as the API does it, log and all.

use actix_web::{HttpResponse, web};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;

use super::here;
use super::saved::secrets_page;
use crate::api::{agents, webhook_secrets};
use crate::app::App;
use crate::dashboard::answer::see;
use crate::dashboard::confirm::Confirm;
use crate::dashboard::done::Done;
use crate::dashboard::frame::{Frame, Section};
use crate::dashboard::sent::{Button, Sent};
use crate::dashboard::session::SignedIn;
use crate::model::{AgentId, SecretId};
use crate::web::{ApiError, Body, IfMatch};

/// How to rotate.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// How long earlier secrets still verify, in s.
    overlap_seconds: Option<u32>,
    /// One that the sender has made; without it one is made here.
    #[serde(default)]
    secret: String,
    /// The version that was looked at, so that pressing twice makes one secret; 0 is none.
    #[serde(default)]
    version: i32,
}

/// Which agent was looked at.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Revocation {
    /// Its version; 0 is none.
    version: i32,
}

/// Shows them whole.
///
/// # Errors
/// 403, 404: as the API says it.
pub async fn show(
    app: web::Data<App>,
    sent: Sent<Button>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let signed_in = sent.signed_in;
    let agent = agents::find(&app, &signed_in.caller, &path).await?;
    let found = webhook_secrets::revealed(&app, &signed_in.caller, &agent).await?;
    let secrets = found
        .secrets
        .into_iter()
        .map(|secret| (format!("Secret {}", secret.secret_id).into(), secret.webhook_secret));
    let lead = "The secrets that verify now. That you have seen them is in the audit log.";
    secrets_page(&app, &signed_in, &agents::shown(&app, agent), lead, secrets.collect())
}

/// Makes another one, and shows it this once.
///
/// # Errors
/// 403, 404, 409, 412, 422: as the API says it.
pub async fn rotate(
    app: web::Data<App>,
    sent: Sent<Rotation>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let Sent { signed_in, fields: Rotation { overlap_seconds, secret, version } } = sent;
    let caller = &signed_in.caller;
    let given = (!secret.is_empty()).then_some(secret);
    let wish = Body::of(&json!({"overlap_seconds": overlap_seconds, "secret": given}));
    let (id, text) = webhook_secrets::replace(caller, &app, &path, &IfMatch::version(version), wish).await?;
    let agent = agents::shown(&app, agents::find(&app, caller, &path).await?);
    let lead = "The secret is rotated. Give the new one to the sender before the earlier ones end.";
    let shown = (format!("Secret {id}").into(), text.expose_secret().to_owned());
    secrets_page(&app, &signed_in, &agent, lead, vec![shown])
}

/// Asks whether one shall end.
///
/// # Errors
/// 403: a viewer ends none. 404: there is none of this id.
pub async fn ask_to_revoke(
    app: web::Data<App>,
    signed_in: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (agent_id, secret_id) = path.into_inner();
    let agent = agents::find(&app, &signed_in.caller, &agent_id).await?;
    signed_in.caller.writer()?;
    let known = webhook_secrets::masked(&app, &signed_in.caller, agent.agent_id).await?.secrets;
    let secret = known.into_iter().find(|secret| secret.secret_id.to_string() == secret_id);
    let secret = secret.ok_or_else(ApiError::not_found)?;
    Confirm {
        frame: Frame::of(&app, &signed_in, Section::Agents, "Revoke a secret"),
        consequences: "From then on hooks that are signed with it are refused, and it cannot be brought back. The sender \
                       should sign with another one by now.",
        action: format!("{}/secrets/{}/revoke", here(agent.agent_id), secret.secret_id),
        version: Some(agent.version),
        label: "Revoke the secret",
        back: here(agent.agent_id),
        subject: secret.webhook_secret,
    }
    .page()
}

/// Ends one.
///
/// # Errors
/// 403, 404, 409, 412: as the API says it.
pub async fn revoke(
    app: web::Data<App>,
    sent: Sent<Revocation>,
    path: web::Path<(AgentId, SecretId)>,
) -> Result<HttpResponse, ApiError> {
    let (agent_id, secret_id) = path.into_inner();
    let names = (agent_id.to_string(), secret_id.to_string());
    let version = IfMatch::version(sent.fields.version);
    webhook_secrets::revoke(sent.caller(), app.clone(), names.into(), version).await?;
    Ok(see(&app, &Done::SecretRevoked.at(&here(agent_id))))
}
