//! The secrets by which an agent's senders sign: masked, and whole on demand.

use actix_web::{HttpResponse, web};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::{agents, id, view};
use crate::app::{App, secret_owner};
use crate::model::{AgentId, WebhookSecret};
use crate::web::{Admin, ApiError};

/// Characters of a masked secret that are shown: enough to tell two apart.
const SHOWN: usize = 4;

/// Whether the secrets are shown whole.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    #[serde(default)]
    reveal: bool,
}

/// `GET /api/v1/agents/{agent_id}/webhook-secret`
pub async fn get(
    _: Admin,
    app: web::Data<App>,
    path: web::Path<String>,
    query: web::Query<Query>,
) -> Result<HttpResponse, ApiError> {
    let agent = agents::find(&app, id(&path)?).await?;
    let secrets = open_secrets(&app, agent.agent_id).await?;
    if query.reveal {
        tracing::info!(agent_id = %agent.agent_id, tenant_id = %agent.tenant_id, "webhook secret revealed");
    }
    let shown = |text: &SecretString| match query.reveal {
        true => text.expose_secret().to_owned(),
        false => mask(text.expose_secret()),
    };
    let mut views = Vec::with_capacity(secrets.len());
    for (secret, text) in secrets {
        let last_used_at = app.store.secret_last_used(&secret).await?;
        views.push(view::secret(secret, shown(&text), last_used_at));
    }
    Ok(HttpResponse::Ok().json(json!({ "secrets": views })))
}

/// An agent's secrets, decrypted. One that cannot be is met with 503.
pub(super) async fn open_secrets(
    app: &App,
    agent_id: AgentId,
) -> Result<Vec<(WebhookSecret, SecretString)>, ApiError> {
    let open = |secret: WebhookSecret| {
        let text = app.cipher.open(&secret_owner(secret.secret_id), &secret.sealed).map_err(|error| {
            tracing::error!(%agent_id, %error, "a webhook secret cannot be opened");
            ApiError::unavailable(error.to_string())
        })?;
        Ok((secret, text))
    };
    app.store.webhook_secrets(agent_id).await?.into_iter().map(open).collect()
}

fn mask(text: &str) -> String {
    let start: String = text.chars().take(SHOWN).collect();
    format!("{start}…")
}
