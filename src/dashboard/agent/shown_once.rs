//! Secrets as they are shown: once, on a page that a button led to, and never at an address of their own.

use actix_web::HttpResponse;
use askama::Template;

use super::here;
use crate::api::view::AgentView;
use crate::app::App;
use crate::dashboard::answer::{page, see};
use crate::dashboard::done::Done;
use crate::dashboard::frame::{Frame, Section};
use crate::dashboard::session::SignedIn;
use crate::model::AgentId;
use crate::web::ApiError;

/// A secret, and what it is.
pub struct Shown {
    /// What it is, for people.
    pub label: String,
    /// The secret.
    pub text: String,
}

#[derive(Template)]
#[template(path = "agent_secrets.html")]
struct SecretsPage {
    frame: Frame,
    agent_id: AgentId,
    lead: String,
    webhook_url: Option<String>,
    secrets: Vec<Shown>,
}

/// The page with secrets of an agent.
pub fn secrets_page(
    app: &App,
    signed_in: &SignedIn,
    agent: &AgentView,
    lead: &str,
    secrets: Vec<Shown>,
) -> Result<HttpResponse, ApiError> {
    page(&SecretsPage {
        frame: Frame::of(app, signed_in, Section::Agents, format!("Secrets of {}", agent.name)),
        agent_id: agent.agent_id,
        lead: lead.to_owned(),
        webhook_url: agent.webhook_url.clone(),
        secrets,
    })
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
    let made =
        made.into_iter().filter_map(|(label, text)| Some(Shown { label: label.to_owned(), text: text? }));
    let secrets: Vec<_> = made.collect();
    if secrets.is_empty() {
        return Ok(see(app, &done.at(&here(agent.agent_id))));
    }
    let lead =
        format!("{} This is the only time that what was made for it is shown by itself.", done.sentence());
    secrets_page(app, signed_in, &agent, &lead, secrets)
}
