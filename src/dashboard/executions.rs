//! The list of executions.

use actix_web::{HttpResponse, web};
use askama::Template;
use url::form_urlencoded;

use super::answer::page;
use super::filters::Filters;
use super::frame::{Frame, Section};
use super::names::Names;
use super::session::SignedIn;
use super::show::Show;
use crate::api::executions::{self, ExecutionPage};
use crate::app::App;
use crate::model::{AgentId, ExecutionStatus, HeldReason, TenantId};
use crate::web::{ApiError, Scope};

/// Agents that a list lets one choose from, at most; of more an id is asked for.
const FEW: usize = 50;

#[derive(Template)]
#[template(path = "executions.html")]
struct ExecutionsPage {
    frame: Frame,
    filters: Filters,
    statuses: [ExecutionStatus; 6],
    reasons: [HeldReason; 2],
    list: ExecutionPage,
    names: Names,
    /// What can be chosen from, if they are few.
    agents: Option<Vec<(AgentId, String)>>,
    /// Where the outside sees this server.
    public_url: String,
}

impl ExecutionsPage {
    /// An agent that is asked for and is not among those that can be chosen from: one that was deleted, say.
    fn another(&self) -> Option<&str> {
        let asked = self.filters.get("agent_id");
        let is_listed = self.agents.iter().flatten().any(|(id, _)| id.to_string() == asked);
        (!asked.is_empty() && !is_listed).then_some(asked)
    }

    /// The agent that an example runs.
    fn example(&self) -> Option<AgentId> {
        self.agents.as_ref()?.first().map(|(id, _)| *id)
    }
}

impl ExecutionsPage {
    /// What tells of changes on this page. Further pages do not change, and each search has its price.
    fn live(&self) -> Option<String> {
        let is_first = ["cursor", "q"].iter().all(|name| self.filters.get(name).is_empty());
        is_first.then(|| {
            // What leaves a state is to leave a list of that state too, so only these two.
            let fields = ["tenant_id", "agent_id"].map(|name| (name, self.filters.get(name)));
            let asked = fields.into_iter().filter(|(_, value)| !value.is_empty());
            let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(asked).finish();
            format!("/executions/stream?{query}")
        })
    }
}

/// A page of executions.
///
/// # Errors
/// 422: a filter is wrong.
pub async fn list(
    app: web::Data<App>,
    signed_in: SignedIn,
    filters: Filters,
) -> Result<HttpResponse, ApiError> {
    let list = executions::page(&app, &signed_in.caller, &filters.read()?).await?;
    let names = Names::of(&app, list.executions.iter().map(|one| one.agent_id)).await?;
    let agents = few(&app, &signed_in, &filters).await?;
    let frame = Frame::of(&app, &signed_in, Section::Executions, "Executions");
    page(&ExecutionsPage {
        frame,
        filters,
        statuses: ExecutionStatus::ALL,
        reasons: HeldReason::ALL,
        list,
        names,
        agents,
        public_url: app.settings.public_url.as_str().trim_end_matches('/').to_owned(),
    })
}

/// The agents of the tenant that is looked at, or of all; `None`: they are too many for a list.
async fn few(
    app: &App,
    signed_in: &SignedIn,
    filters: &Filters,
) -> Result<Option<Vec<(AgentId, String)>>, ApiError> {
    let tenant_id: Option<TenantId> = filters.get("tenant_id").parse().ok();
    let limit = i64::try_from(FEW + 1).unwrap_or(i64::MAX);
    let names = match signed_in.caller.scope(tenant_id) {
        Scope::All => app.store.agent_names(None, limit).await?,
        Scope::Tenant(tenant_id) => app.store.agent_names(Some(&tenant_id), limit).await?,
        Scope::Nothing => Vec::new(),
    };
    Ok(Some(names).filter(|names| names.len() <= FEW))
}
