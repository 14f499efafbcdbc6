//! Agents: all of them, and one with its webhook, its versions and its hits.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use serde_json::json;

use super::agent::{Mending, Snippet, snippets};
use super::answer::page;
use super::filters::Filters;
use super::frame::{Frame, Section};
use super::session::SignedIn;
use super::show::Show;
use crate::api::view::{AgentView, HitPage, SecretView};
use crate::api::{agents, hits, trials, webhook_secrets};
use crate::app::App;
use crate::ingress::Ingress;
use crate::model::{Agent, AgentId, AgentStatus, HitVerdict, SchemeName, TenantId};
use crate::web::{ApiError, Scope};

/// Agents on a page: they may be large.
const PAGE: i64 = 20;

#[derive(Template)]
#[template(path = "agents.html")]
struct AgentsPage {
    frame: Frame,
    filters: Filters,
    agents: Vec<AgentView>,
    next_cursor: Option<AgentId>,
}

#[derive(Template)]
#[template(path = "agent.html")]
struct AgentPage {
    frame: Frame,
    filters: Filters,
    verdicts: [HitVerdict; 5],
    agent: AgentView,
    /// Masked; or why they cannot be opened.
    secrets: Result<Vec<SecretView>, String>,
    snippets: Vec<Snippet>,
    /// Whether a vendor's own system sends, and nobody writes a program for it.
    signs_as_vendor: bool,
    hits: HitPage,
}

impl AgentPage {
    /// Whether nothing verifies any more when they have ended.
    fn all_end(&self, secrets: &[SecretView]) -> bool {
        secrets.iter().all(|secret| secret.expires_at.is_some())
    }

    fn schema(&self) -> Option<String> {
        let schema = self.agent.trigger.as_ref()?.payload_schema.as_ref()?;
        serde_json::to_string_pretty(schema).ok()
    }

    fn path(&self) -> String {
        format!("/agents/{}", self.agent.agent_id)
    }

    /// What it can become: the status, and the button's text.
    fn statuses(&self) -> &'static [(&'static str, &'static str)] {
        match self.agent.status {
            AgentStatus::Active => &[("paused", "Pause"), ("archived", "Archive")],
            AgentStatus::Paused => &[("active", "Resume"), ("archived", "Archive")],
            AgentStatus::Archived => &[("active", "Take out of the archive")],
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    tenant_id: Option<TenantId>,
    cursor: Option<AgentId>,
}

/// A page of agents.
///
/// # Errors
/// 422: a filter is wrong.
pub async fn list(
    app: web::Data<App>,
    signed_in: SignedIn,
    filters: Filters,
) -> Result<HttpResponse, ApiError> {
    let Asked { tenant_id, cursor } = filters.read()?;
    let mut found = match signed_in.caller.scope(tenant_id) {
        Scope::All => app.store.agents(None, cursor, PAGE + 1).await?,
        Scope::Tenant(tenant_id) => app.store.agents(Some(&tenant_id), cursor, PAGE + 1).await?,
        Scope::Nothing => Vec::new(),
    };
    let is_all = i64::try_from(found.len()).is_ok_and(|count| count <= PAGE);
    found.truncate(PAGE.unsigned_abs() as usize);
    let next_cursor = found.last().map(|last| last.agent_id).filter(|_| !is_all);
    let agents = shown(&app, found);
    let frame = Frame::of(&app, &signed_in, Section::Agents, "Agents");
    page(&AgentsPage { frame, filters, agents, next_cursor })
}

/// One agent.
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
    let agent = agents::find(&app, &signed_in.caller, &path).await?;
    let agent_id = agent.agent_id;
    let secrets = webhook_secrets::masked(&app, &signed_in.caller, agent_id).await;
    let payload = match signed_in.caller.key.role.may_write() {
        true => trials::example_payload(&agent).await.ok(),
        false => None,
    };
    // Where none can be made, or who looks has no secret to send it with, a program shows where the payload goes.
    let payload = payload.unwrap_or_else(|| json!({"example": true}));
    let by_hand = [SchemeName::Hub, SchemeName::StandardWebhooks, SchemeName::Custom];
    let signs_as_vendor =
        agent.spec.trigger.as_ref().is_some_and(|trigger| !by_hand.contains(&trigger.scheme));
    let frame = Frame::of(&app, &signed_in, Section::Agents, agent.spec.name.clone()).after(filters.done);
    let agent = agents::shown(&app, agent);
    page(&AgentPage {
        frame,
        verdicts: HitVerdict::ALL,
        snippets: snippets(&agent, &payload),
        signs_as_vendor,
        agent,
        secrets: secrets.map(|list| list.secrets).map_err(|refused| refused.detail().to_owned()),
        hits: hits::page(&app, &ingress, agent_id, &filters.read()?).await?,
        filters,
    })
}

fn shown(app: &App, agents: Vec<Agent>) -> Vec<AgentView> {
    agents.into_iter().map(|agent| agents::shown(app, agent)).collect()
}
