//! An agent is paused, resumed or archived.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use super::here;
use crate::api::agents;
use crate::app::App;
use crate::dashboard::answer::see;
use crate::dashboard::done::Done;
use crate::dashboard::sent::Sent;
use crate::model::AgentStatus;
use crate::web::{ApiError, Body, IfMatch};

/// What it is to be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    #[serde(default)]
    status: String,
    /// The version that was looked at; 0 is none.
    #[serde(default)]
    version: i32,
}

/// Gives it another status.
///
/// # Errors
/// 403, 404, 412, 422: as the API says it.
pub async fn set(
    app: web::Data<App>,
    sent: Sent<Wanted>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let Sent { signed_in, fields: Wanted { status, version } } = sent;
    let wish = Body::of(&json!({"status": status}));
    let agent = agents::change(&signed_in.caller, &app, &path, &IfMatch::version(version), wish).await?;
    let done = match agent.status {
        AgentStatus::Active => Done::Resumed,
        AgentStatus::Paused => Done::Paused,
        AgentStatus::Archived => Done::Archived,
    };
    Ok(see(&app, &done.at(&here(agent.agent_id))))
}
