//! What is in trouble: endpoints that nothing is sent to, and agents that fail. Failures are asked of an index by status, as
//! far as a bound, so they cost the same whatever has run. Endpoints have none of their own for this: they are read until
//! enough are found, and there are few of them beside executions.

use std::cmp::Reverse;
use std::collections::HashMap;

use chrono::TimeDelta;

use super::session::SignedIn;
use crate::api::view::{self, ExecutionView, ShownOnce, WebhookView};
use crate::api::webhooks;
use crate::app::App;
use crate::model::{AgentId, ExecutionStatus, TenantId, Time};
use crate::store::ExecutionFilter;
use crate::web::{ApiError, Scope};

/// Failures that are looked at for their agents, at most: the newest.
pub(super) const FAILURES: i64 = 200;
/// Agents and endpoints that are shown of those in trouble, at most.
const IN_TROUBLE: usize = 20;

/// Things in trouble, as many as are shown.
pub(super) struct Trouble {
    pub webhooks: Vec<WebhookView>,
    /// There are more of them.
    pub more_webhooks: bool,
    /// Executions that came in before then are not counted.
    pub since: Time,
    /// Those that failed most come first.
    pub failing: Vec<Failing>,
    /// There are more failures than were looked at.
    pub more_failures: bool,
}

/// An agent some of whose executions have failed.
pub(super) struct Failing {
    pub agent_id: AgentId,
    pub failures: usize,
    /// Why the newest of them did.
    pub newest: ExecutionView,
}

impl Trouble {
    /// That of a tenant, or of all that may be seen; failures of executions that came in within that time.
    pub async fn of(
        app: &App,
        signed_in: &SignedIn,
        tenant_id: Option<TenantId>,
        within: TimeDelta,
    ) -> Result<Self, ApiError> {
        let since = app.clock.now() - within;
        let tenant_id = match signed_in.caller.scope(tenant_id) {
            Scope::All => None,
            Scope::Tenant(tenant_id) => Some(tenant_id),
            Scope::Nothing => return Ok(Self::none(since)),
        };
        let mut webhooks = unwell(app, signed_in, tenant_id.as_ref()).await?;
        let more_webhooks = webhooks.len() > IN_TROUBLE;
        webhooks.truncate(IN_TROUBLE);
        let (failing, more_failures) = failing(app, tenant_id, since).await?;
        Ok(Self { webhooks, more_webhooks, since, failing, more_failures })
    }

    fn none(since: Time) -> Self {
        Self { webhooks: Vec::new(), more_webhooks: false, since, failing: Vec::new(), more_failures: false }
    }
}

/// Endpoints that nothing is sent to, or not everything: one more than are shown.
async fn unwell(
    app: &App,
    signed_in: &SignedIn,
    tenant_id: Option<&TenantId>,
) -> Result<Vec<WebhookView>, ApiError> {
    let limit = i64::try_from(IN_TROUBLE + 1).unwrap_or(i64::MAX);
    let unwell = app.store.unwell_webhooks(tenant_id, limit, app.clock.now()).await?;
    let role = signed_in.caller.key.role;
    let shown = |(webhook, health)| webhooks::shown_as(app, webhook, &health, role, ShownOnce::default());
    Ok(unwell.into_iter().map(shown).collect())
}

/// The agents of the newest failures, and whether there are more failures.
async fn failing(
    app: &App,
    tenant_id: Option<TenantId>,
    since: Time,
) -> Result<(Vec<Failing>, bool), ApiError> {
    let filter = ExecutionFilter {
        tenant_id,
        status: Some(ExecutionStatus::Failed),
        from: Some(since),
        ..ExecutionFilter::default()
    };
    let failures = app.store.executions(&filter, FAILURES).await?;
    let is_all = i64::try_from(failures.len()).is_ok_and(|count| count < FAILURES);
    let mut by_agent: HashMap<AgentId, Failing> = HashMap::new();
    for failure in failures {
        let agent_id = failure.agent_id;
        let newest = || Failing { agent_id, failures: 0, newest: view::execution(failure) };
        by_agent.entry(agent_id).or_insert_with(newest).failures += 1;
    }
    let mut failing: Vec<_> = by_agent.into_values().collect();
    failing.sort_by_key(|one| (Reverse(one.failures), one.agent_id));
    failing.truncate(IN_TROUBLE);
    Ok((failing, !is_all))
}
