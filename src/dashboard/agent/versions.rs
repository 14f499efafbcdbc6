//! An agent's versions: all of them, what one has changed, and the way back to it.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::form::changes;
use super::here;
use super::saved::saved;
use crate::api::view::AgentView;
use crate::api::{agent_versions, agents};
use crate::app::App;
use crate::dashboard::answer::{page, see};
use crate::dashboard::diff::{Diff, Line};
use crate::dashboard::done::Done;
use crate::dashboard::filters::Filters;
use crate::dashboard::frame::{Frame, Section};
use crate::dashboard::sent::Sent;
use crate::dashboard::session::SignedIn;
use crate::dashboard::show::Show;
use crate::model::{Agent, AgentSpec};
use crate::web::{ApiError, Body, Code, IfMatch};

/// Versions on a page: each is a whole specification.
const PAGE: i64 = 20;

#[derive(Template)]
#[template(path = "agent_versions.html")]
struct VersionsPage {
    frame: Frame,
    filters: Filters,
    agent: AgentView,
    versions: Vec<AgentView>,
    next_cursor: Option<i32>,
}

#[derive(Template)]
#[template(path = "agent_version.html")]
struct VersionPage {
    frame: Frame,
    agent: AgentView,
    version: AgentView,
    /// The version that it is compared with, and what differs; `None` for the first.
    compared: Option<(i32, Diff)>,
    settings: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    cursor: Option<i32>,
}

/// What a version is compared with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Compared {
    from: Option<i32>,
}

/// A page's button.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// The version that was the present one when the page was shown.
    present: Option<i32>,
}

/// A page of versions.
///
/// # Errors
/// 404: there is no such agent.
pub async fn list(
    app: web::Data<App>,
    signed_in: SignedIn,
    path: web::Path<String>,
    filters: Filters,
) -> Result<HttpResponse, ApiError> {
    let agent = agents::find(&app, &signed_in.caller, &path).await?;
    let Listed { cursor } = filters.read()?;
    let mut versions = app.store.agent_versions(agent.agent_id, cursor, PAGE + 1).await?;
    let is_all = i64::try_from(versions.len()).is_ok_and(|count| count <= PAGE);
    versions.truncate(PAGE.unsigned_abs() as usize);
    let frame = Frame::of(&app, &signed_in, Section::Agents, format!("Versions of {}", agent.spec.name));
    page(&VersionsPage {
        frame,
        filters,
        next_cursor: versions.last().map(|last| last.version).filter(|_| !is_all),
        versions: versions.into_iter().map(|version| agents::shown(&app, version)).collect(),
        agent: agents::shown(&app, agent),
    })
}

/// One version, and how it differs from the one before, or from another.
///
/// # Errors
/// 404: there is no such version.
pub async fn show(
    app: web::Data<App>,
    signed_in: SignedIn,
    path: web::Path<(String, String)>,
    filters: Filters,
) -> Result<HttpResponse, ApiError> {
    let (agent_id, version) = path.into_inner();
    let agent = agents::find(&app, &signed_in.caller, &agent_id).await?;
    let version = agent_versions::find(&app, agent.agent_id, number(&version)?).await?;
    let Compared { from } = filters.read()?;
    let before = match from.unwrap_or(version.version - 1) {
        0 => None,
        from => Some(agent_versions::find(&app, agent.agent_id, from).await?),
    };
    let (settings, earlier) =
        (text(&version.spec), before.map(|before| (before.version, text(&before.spec))));
    // Two long texts that have little in common take a while.
    let compared = web::block(move || {
        let compared = earlier.map(|(earlier, before)| (earlier, Diff::of(&before, &settings)));
        (settings, compared)
    });
    let failed = |_| ApiError::new(Code::Internal, "the comparison was broken off");
    let (settings, compared) = compared.await.map_err(failed)?;
    let title = format!("Version {} of {}", version.version, agent.spec.name);
    let frame = Frame::of(&app, &signed_in, Section::Agents, title).after(filters.done);
    let (agent, version) = (agents::shown(&app, agent), agents::shown(&app, version));
    page(&VersionPage { frame, agent, version, compared, settings })
}

/// Makes a new version that says what an earlier one says.
///
/// # Errors
/// 403, 404, 412, 422: as the API says it.
pub async fn restore(
    app: web::Data<App>,
    sent: Sent<Restore>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (agent_id, version) = path.into_inner();
    let Sent { signed_in, fields: Restore { present } } = sent;
    let caller = &signed_in.caller;
    let agent = agents::find(&app, caller, &agent_id).await?;
    caller.writer()?;
    let if_match = IfMatch::version(present.unwrap_or(agent.version));
    if_match.check(agent.version)?;
    let wanted = agent_versions::find(&app, agent.agent_id, number(&version)?).await?;
    let changes = changes(&members(&agent)?, &members(&wanted)?);
    if changes.is_empty() {
        return Ok(see(&app, &Done::Unchanged.at(&here(agent.agent_id))));
    }
    let agent = agents::change(caller, &app, &agent_id, &if_match, Body::of(&changes)).await?;
    saved(&app, &signed_in, agent, Done::Restored)
}

fn number(version: &str) -> Result<i32, ApiError> {
    version.parse().map_err(|_| ApiError::not_found())
}

fn members(agent: &Agent) -> Result<Map<String, Value>, ApiError> {
    match serde_json::to_value(&agent.spec) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) | Err(_) => Err(ApiError::new(Code::Internal, "the agent cannot be read")),
    }
}

/// A version's settings as text of lines: JSON, and after it the texts that have lines of their own.
fn text(spec: &AgentSpec) -> String {
    let mut settings = serde_json::to_value(spec).unwrap_or_default();
    let mut texts = Vec::new();
    let mut take = |object: Option<&mut Value>, name: &str| {
        let members = object.and_then(Value::as_object_mut);
        if let Some(Value::String(text)) = members.and_then(|members| members.remove(name)) {
            texts.push(format!("{name}:\n{text}\n"));
        }
    };
    take(Some(&mut settings), "system_prompt");
    take(settings.get_mut("trigger"), "prompt_template");
    take(settings.get_mut("trigger"), "filter");
    let settings = serde_json::to_string_pretty(&settings).unwrap_or_default();
    format!("{settings}\n\n{}", texts.join("\n"))
}
