//! One execution: what came in, what came out, what happened in between, and the buttons that mend it.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::answer::{page, see};
use super::done::Done;
use super::filters::Filters;
use super::frame::{Frame, Section};
use super::prompt::{MARKER, Prompt};
use super::sent::{Button, Sent};
use super::session::SignedIn;
use super::show::{Show, excerpt, indented, pretty};
use super::told::{Told, told};
use super::waterfall::Waterfall;
use crate::api::execution_actions::{By, cancel_one, replay_one, retry_one};
use crate::api::executions::{find, find_trace, with_mismatches};
use crate::api::held::{discard_one, release_one};
use crate::api::timeline::{self, TimelineView};
use crate::api::view::TraceView;
use crate::app::App;
use crate::ingress::Ingress;
use crate::model::{ErrorCode, Execution, ExecutionId, ExecutionStatus, TimelineEvent};
use crate::pages::advice;
use crate::web::ApiError;

#[derive(Template)]
#[template(path = "execution.html")]
struct ExecutionPage {
    frame: Frame,
    trace: TraceView,
    timeline: TimelineView,
    waterfall: Waterfall,
    told: Vec<Told>,
    prompt: Prompt,
    /// The agent's name and present version, unless it was deleted.
    agent: Option<(String, i32)>,
}

/// How to replay.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// On this version; else on the present one.
    agent_version: Option<i32>,
}

impl ExecutionPage {
    /// What can be done now: the end of the address, and the button's text.
    fn actions(&self) -> &'static [(&'static str, &'static str)] {
        match self.trace.execution.status {
            ExecutionStatus::Queued | ExecutionStatus::Running => &[("cancel", "Cancel")],
            ExecutionStatus::Held => &[("release", "Release"), ("discard", "Discard")],
            ExecutionStatus::Failed => &[("retry", "Retry")],
            ExecutionStatus::Success | ExecutionStatus::Cancelled => &[],
        }
    }

    fn path(&self) -> String {
        here(self.trace.execution.execution_id)
    }

    /// What tells that it goes on, while it does.
    fn live(&self) -> Option<String> {
        (!self.trace.execution.status.is_terminal()).then(|| format!("{}/stream", self.path()))
    }

    /// The version that it ran on, where that is not the present one.
    fn earlier_version(&self) -> Option<i32> {
        let (_, present) = self.agent.as_ref()?;
        Some(self.trace.execution.agent_version).filter(|version| version != present)
    }

    /// What to do about an error, in one sentence.
    fn advice(&self, code: &ErrorCode) -> String {
        advice(ErrorCode::word(*code)).unwrap_or_default()
    }

    /// The page that holds this one against another.
    fn comparison(&self, original: &ExecutionId, replay: &ExecutionId) -> String {
        format!("{}/executions/compare?a={original}&b={replay}", self.frame.base)
    }

    /// Other executions of the same payload, made of this one.
    fn replays(&self) -> Vec<ExecutionId> {
        let entries = self.timeline.timeline.iter();
        entries
            .filter(|entry| entry.event == TimelineEvent::Replayed)
            .filter_map(|entry| entry.execution_id)
            .collect()
    }

    /// As far as it is shown, and whether that is all.
    fn payload(&self) -> Option<(String, bool)> {
        self.trace.input.as_ref().map(|input| excerpt(indented(input.get())))
    }

    /// The same of what came out.
    fn output(&self) -> Option<(String, bool)> {
        self.trace.output.as_deref().map(|output| excerpt(pretty(output)))
    }
}

/// One execution.
///
/// # Errors
/// 404: there is none of this id.
pub async fn show(
    app: web::Data<App>,
    ingress: web::Data<Ingress>,
    signed_in: SignedIn,
    path: web::Path<String>,
    filters: Filters,
) -> Result<HttpResponse, ApiError> {
    let trace = find_trace(&app, &signed_in.caller, &path).await?;
    let prompt = Prompt::of(&app, &trace).await;
    let trace = with_mismatches(&app, &ingress, trace).await?;
    let timeline = timeline::of(&app, &signed_in.caller, &path).await?;
    let waterfall = Waterfall::of(&timeline.timeline, app.clock.now());
    let told = told(&timeline.timeline);
    let agent = app.agents.get(&app.store, &app.cipher, trace.execution.agent_id).await?;
    let agent = agent.map(|entry| (entry.agent.spec.name.clone(), entry.agent.version));
    let title = format!("Execution {}", trace.execution.execution_id);
    let frame = Frame::of(&app, &signed_in, Section::Executions, title).after(filters.done);
    page(&ExecutionPage { frame, trace, timeline, waterfall, told, prompt, agent })
}

/// Ends it.
///
/// # Errors
/// 403, 404, 409: as the API says it.
pub async fn cancel(
    app: web::Data<App>,
    sent: Sent<Button>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let act = async |by: By<'_>, execution: &Execution| cancel_one(&app, by, execution).await.map(drop);
    pressed(&app, sent, &path, Done::Cancelled, act).await
}

/// Gives it another run.
///
/// # Errors
/// 403, 404, 409: as the API says it.
pub async fn retry(
    app: web::Data<App>,
    sent: Sent<Button>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let act = async |by: By<'_>, execution: &Execution| retry_one(&app, by, execution).await.map(drop);
    pressed(&app, sent, &path, Done::Retried, act).await
}

/// Makes another one of the same payload, and goes there.
///
/// # Errors
/// 403, 404, 409: as the API says it.
pub async fn replay(
    app: web::Data<App>,
    sent: Sent<Replay>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let (Replay { agent_version }, caller) = (sent.fields, sent.signed_in.caller);
    let original = find_trace(&app, &caller, &path).await?;
    caller.writer()?;
    let execution_id = replay_one(&app, By::hand(&caller), original, agent_version).await?;
    Ok(after(&app, Done::Replayed, execution_id))
}

/// Lets it run.
///
/// # Errors
/// 403, 404, 409: as the API says it.
pub async fn release(
    app: web::Data<App>,
    sent: Sent<Button>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let act = async |by: By<'_>, execution: &Execution| release_one(&app, by, execution).await.map(drop);
    pressed(&app, sent, &path, Done::Released, act).await
}

/// Never lets it run.
///
/// # Errors
/// 403, 404, 409: as the API says it.
pub async fn discard(
    app: web::Data<App>,
    sent: Sent<Button>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let act = async |by: By<'_>, execution: &Execution| discard_one(&app, by, execution).await.map(drop);
    pressed(&app, sent, &path, Done::Discarded, act).await
}

/// Does to an execution what a button says, and shows it again.
async fn pressed(
    app: &App,
    sent: Sent<Button>,
    execution_id: &str,
    done: Done,
    act: impl AsyncFnOnce(By<'_>, &Execution) -> Result<(), ApiError>,
) -> Result<HttpResponse, ApiError> {
    let caller = sent.caller();
    let execution = find(app, &caller, execution_id).await?;
    act(By::hand(&caller), &execution).await?;
    Ok(after(app, done, execution.execution_id))
}

fn here(id: ExecutionId) -> String {
    format!("/executions/{id}")
}

fn after(app: &App, done: Done, id: ExecutionId) -> HttpResponse {
    see(app, &done.at(&here(id)))
}
