//! The first page: is it healthy, and what failed.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::TimeDelta;

use super::answer::page;
use super::frame::{Frame, Section};
use super::names::Names;
use super::session::SignedIn;
use super::show::Show;
use crate::api::view::{ExecutionView, ShownOnce, WebhookView};
use crate::api::{executions, webhooks};
use crate::app::App;
use crate::model::{AgentId, ExecutionStatus};
use crate::store::ExecutionFilter;
use crate::web::ApiError;

/// How far back failures are counted.
const FAILURES_WITHIN: TimeDelta = TimeDelta::hours(24);
/// Failures that are looked at for their agents, at most: the newest.
const FAILURES: i64 = 200;
/// Agents and endpoints that are shown of those in trouble, at most.
const IN_TROUBLE: usize = 20;
/// Executions that are shown, the newest.
const LATEST: i64 = 10;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    webhooks: Vec<WebhookView>,
    /// There are more of them than are shown.
    more_webhooks: bool,
    failing: Vec<Failing>,
    /// There are more failures than were looked at.
    more_failures: bool,
    latest: Vec<ExecutionView>,
    names: Names,
}

/// An agent some of whose executions have failed.
struct Failing {
    agent_id: AgentId,
    failures: usize,
    /// Why the newest of them did.
    newest: ExecutionView,
}

/// The overview.
///
/// # Errors
/// 503: the database is away.
pub async fn show(app: web::Data<App>, signed_in: SignedIn) -> Result<HttpResponse, ApiError> {
    let caller = &signed_in.caller;
    let unwell = unwell(&app, &signed_in).await?;
    let (failing, more_failures) = failing(&app, &signed_in).await?;
    let latest = executions::page(&app, caller, &executions::ListQuery::newest(LATEST)).await?.executions;
    let ids = failing.iter().map(|one| one.agent_id).chain(latest.iter().map(|one| one.agent_id));
    let names = Names::of(&app, ids).await?;
    page(&OverviewPage {
        frame: Frame::of(&app, &signed_in, Section::Overview, "Overview"),
        more_webhooks: unwell.len() > IN_TROUBLE,
        webhooks: unwell.into_iter().take(IN_TROUBLE).collect(),
        failing,
        more_failures,
        latest,
        names,
    })
}

/// Endpoints that nothing is sent to, or not everything.
async fn unwell(app: &App, signed_in: &SignedIn) -> Result<Vec<WebhookView>, ApiError> {
    let tenant = signed_in.caller.key.tenant_id.as_ref();
    let limit = i64::try_from(IN_TROUBLE + 1).unwrap_or(i64::MAX);
    let unwell = app.store.unwell_webhooks(tenant, limit, app.clock.now()).await?;
    let role = signed_in.caller.key.role;
    let shown = |(webhook, health)| webhooks::shown_as(app, webhook, &health, role, ShownOnce::default());
    Ok(unwell.into_iter().map(shown).collect())
}

/// The agents of the newest failures, those with most of them first, and whether there are more failures.
async fn failing(app: &App, signed_in: &SignedIn) -> Result<(Vec<Failing>, bool), ApiError> {
    let filter = ExecutionFilter {
        tenant_id: signed_in.caller.key.tenant_id.clone(),
        status: Some(ExecutionStatus::Failed),
        from: Some(app.clock.now() - FAILURES_WITHIN),
        ..ExecutionFilter::default()
    };
    let failures = app.store.executions(&filter, FAILURES).await?;
    let is_all = i64::try_from(failures.len()).is_ok_and(|count| count < FAILURES);
    let mut by_agent: HashMap<AgentId, Failing> = HashMap::new();
    for failure in failures {
        let agent_id = failure.agent_id;
        let newest = || Failing { agent_id, failures: 0, newest: crate::api::view::execution(failure) };
        by_agent.entry(agent_id).or_insert_with(newest).failures += 1;
    }
    let mut failing: Vec<_> = by_agent.into_values().collect();
    failing.sort_by_key(|one| (std::cmp::Reverse(one.failures), one.agent_id));
    failing.truncate(IN_TROUBLE);
    Ok((failing, !is_all))
}
