//! After an agent was made or changed, or its secrets asked for: its secrets as they are shown, on a page that a button led
//! to and never at an address of their own.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::here;
use crate::api::view::AgentView;
use crate::app::App;
use crate::dashboard::answer::see;
use crate::dashboard::done::Done;
use crate::dashboard::frame::{Frame, Section};
use crate::dashboard::session::SignedIn;
use crate::dashboard::shown_once::ShownOncePage;
use crate::web::ApiError;

/// The page with secrets of an agent: what each is, and its text.
pub fn secrets_page(
    app: &App,
    signed_in: &SignedIn,
    agent: &AgentView,
    lead: impl Into<String>,
    secrets: Vec<(Cow<'static, str>, String)>,
) -> Result<HttpResponse, ApiError> {
    ShownOncePage {
        frame: Frame::of(app, signed_in, Section::Agents, format!("Secrets of {}", agent.name)),
        lead: Some(lead.into()),
        webhook_url: agent.webhook_url.clone(),
        secrets,
        notes: Vec::new(),
        next: format!("{}#send", here(agent.agent_id)),
        next_name: "To the agent, and programs that send to it",
    }
    .page(StatusCode::OK)
}

/// After an agent was made or changed: its page, or first the secrets that this has made.
pub fn saved(
    app: &App,
    signed_in: &SignedIn,
    mut agent: AgentView,
    done: Done,
) -> Result<HttpResponse, ApiError> {
    let made =
        [("Webhook secret", agent.webhook_secret.take()), ("Callback secret", agent.callback_secret.take())];
    let made = made.into_iter().filter_map(|(label, text)| Some((Cow::from(label), text?)));
    let secrets: Vec<_> = made.collect();
    if secrets.is_empty() {
        return Ok(see(app, &done.at(&here(agent.agent_id))));
    }
    let lead =
        format!("{} This is the only time that what was made for it is shown by itself.", done.sentence());
    secrets_page(app, signed_in, &agent, lead, secrets)
}
