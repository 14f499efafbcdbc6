//! How many hooks an agent and its tenant have taken, before the accept.

use crate::app::{AgentEntry, App};
use crate::signal::limit::{Over, Rate, RateOwner, Taken};
use crate::web::ApiError;

/// Takes room for a hook of its agent's rate and of its tenant's, or of neither. Inside: one of them has none.
///
/// # Errors
/// 503: the tenant cannot be looked up.
pub(super) async fn take(app: &App, entry: &AgentEntry) -> Result<Result<Taken, Over>, ApiError> {
    let agent = &entry.agent;
    let tenant = app.tenants.get(&app.store, &app.cipher, &agent.tenant_id).await?;
    let of_agent = agent.spec.trigger.as_ref().and_then(|trigger| trigger.rate_limit);
    let of_tenant = tenant.and_then(|tenant| tenant.tenant.rate_limit);
    let of_agent = of_agent.map(|limit| Rate { owner: RateOwner::Agent(agent.agent_id), limit });
    let of_tenant = of_tenant.map(|limit| Rate { owner: RateOwner::Tenant(agent.tenant_id.clone()), limit });
    Ok(app.rates.take(of_agent.into_iter().chain(of_tenant).collect()).await)
}

/// The answer where there is no room, and nothing was taken before.
pub(super) fn refused(over: &Over) -> ApiError {
    let whose = match over.rate.owner {
        RateOwner::Agent(_) => "this agent takes",
        RateOwner::Tenant(_) => "the agents of this tenant together take",
        RateOwner::Webhook(_) => "this endpoint takes",
    };
    let (per_minute, burst) = (over.rate.limit.per_minute, over.rate.limit.burst);
    let why = format!("{whose} {per_minute} webhooks per minute and {burst} at once");
    // Rounded up, so that whoever comes then is taken.
    let seconds = over.wait.as_secs() + u64::from(over.wait.subsec_nanos() > 0);
    ApiError::too_many_requests(why, u32::try_from(seconds).unwrap_or(u32::MAX).max(1))
}
