//! Agents: all of them, and one with its webhook, its versions and its hits.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::answer::page;
use super::filters::Filters;
use super::frame::{Frame, Section};
use super::session::SignedIn;
use super::show::Show;
use crate::api::view::{AgentView, HitPage, SecretView};
use crate::api::{agents, hits, webhook_secrets};
use crate::app::App;
use crate::ingress::Ingress;
use crate::model::{Agent, AgentId, HitVerdict, TenantId};
use crate::web::{ApiError, Scope};

/// Agents on a page, and versions of one: they may be large.
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
    /// The newest, the present one first.
    versions: Vec<AgentView>,
    hits: HitPage,
}

impl AgentPage {
    fn schema(&self) -> Option<String> {
        let schema = self.agent.trigger.as_ref()?.payload_schema.as_ref()?;
        serde_json::to_string_pretty(schema).ok()
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
    let versions = app.store.agent_versions(agent_id, None, PAGE).await?;
    let frame = Frame::of(&app, &signed_in, Section::Agents, agent.spec.name.clone()).after(filters.done);
    page(&AgentPage {
        frame,
        verdicts: HitVerdict::ALL,
        agent: agents::shown(&app, agent),
        secrets: secrets.map(|list| list.secrets).map_err(|refused| refused.detail().to_owned()),
        versions: shown(&app, versions),
        hits: hits::page(&app, &ingress, agent_id, &filters.read()?).await?,
        filters,
    })
}

fn shown(app: &App, agents: Vec<Agent>) -> Vec<AgentView> {
    agents.into_iter().map(|agent| agents::shown(app, agent)).collect()
}
