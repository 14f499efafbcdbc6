//! An endpoint as the API shows it: its URL without what its query says, its headers without their values.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Stamp, stamp};
use crate::api::webhook_request::{outline_of_url, shown_headers, shown_url};
use crate::api::webhook_retry::retry_schema;
use crate::model::{
    AgentId, Circuit, DisabledReason, KeyRole, Profile, RateLimit, RetrySchedule, SigningSecretId,
    TargetText, TenantId, Webhook, WebhookHealth, WebhookId, WebhookKind, WebhookStatus,
};

#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct WebhookView {
    pub webhook_id: WebhookId,
    pub kind: WebhookKind,
    /// `null`: the platform's.
    #[schema(required)]
    pub tenant_id: Option<TenantId>,
    #[schema(required)]
    pub agent_id: Option<AgentId>,
    /// With `***` for what its query says; to a viewer, for all that follows the host. `null`: it cannot be opened under the server's encryption keys.
    #[schema(required)]
    pub url: Option<String>,
    #[schema(value_type = Vec<String>)]
    pub events: Vec<String>,
    pub status: WebhookStatus,
    #[schema(required)]
    pub disabled_reason: Option<DisabledReason>,
    pub profile: Profile,
    #[schema(schema_with = retry_schema)]
    pub retry: RetrySchedule,
    pub timeout_seconds: u32,
    #[schema(required)]
    pub filter: Option<String>,
    #[schema(required)]
    pub rate_limit: Option<RateLimit>,
    #[schema(value_type = BTreeMap<String, String>)]
    pub headers: BTreeMap<String, &'static str>,
    pub disable_on_exhausted: bool,
    #[schema(required)]
    pub description: Option<String>,
    #[schema(minimum = 1)]
    pub version: i32,
    pub created_at: Stamp,
    pub updated_at: Stamp,
    pub stats: StatsView,
    /// Shown once, by the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<String>,
    /// Beside it, where it is no `whsec_` one: what a Standard Webhooks library takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard_webhooks_secret: Option<String>,
    /// What its owner should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub warnings: Vec<String>,
}

/// How an endpoint is.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookStats)]
pub struct StatsView {
    /// Deliveries that succeeded.
    pub delivered: i64,
    /// Deliveries that failed and have not succeeded since.
    pub failed: i64,
    /// The share of the first in both; `null` before there is any.
    #[schema(required)]
    pub success_rate: Option<f64>,
    #[schema(required)]
    pub last_delivery_at: Option<Stamp>,
    #[schema(required)]
    pub last_failure_at: Option<Stamp>,
    /// Attempts that failed in a row.
    pub failures_in_a_row: i32,
    pub circuit: Circuit,
    /// Until when nothing is sent, while the circuit is open.
    #[schema(required)]
    pub circuit_open_until: Option<Stamp>,
}

/// What is shown once.
#[derive(Default)]
pub struct ShownOnce {
    pub secret_key: Option<String>,
    pub standard_webhooks_secret: Option<String>,
    pub warnings: Vec<String>,
}

/// As whoever has this role sees it: a viewer sees of the URL no more than the host.
pub fn webhook(
    webhook: Webhook,
    target: Option<&TargetText>,
    health: &WebhookHealth,
    to: KeyRole,
    shown: ShownOnce,
) -> WebhookView {
    let (timeout_seconds, disable_on_exhausted) = (webhook.options.timeout(), webhook.options.disables());
    WebhookView {
        webhook_id: webhook.webhook_id,
        kind: webhook.kind,
        tenant_id: webhook.tenant_id,
        agent_id: webhook.agent_id,
        url: target.map(|target| match to.may_write() {
            true => shown_url(&target.url),
            false => outline_of_url(&target.url),
        }),
        events: webhook.events.into_iter().map(String::from).collect(),
        status: webhook.status,
        disabled_reason: webhook.disabled_reason,
        profile: webhook.profile,
        retry: webhook.options.retry,
        timeout_seconds,
        filter: webhook.options.filter,
        rate_limit: webhook.options.rate_limit,
        headers: target.map(|target| shown_headers(&target.headers)).unwrap_or_default(),
        disable_on_exhausted,
        description: webhook.options.description,
        version: webhook.version,
        created_at: Stamp(webhook.created_at),
        updated_at: Stamp(webhook.updated_at),
        stats: stats(health),
        secret_key: shown.secret_key,
        standard_webhooks_secret: shown.standard_webhooks_secret,
        warnings: shown.warnings,
    }
}

fn stats(health: &WebhookHealth) -> StatsView {
    let all = health.delivered + health.failed;
    StatsView {
        delivered: health.delivered,
        failed: health.failed,
        success_rate: (all > 0).then(|| health.delivered as f64 / all as f64),
        last_delivery_at: stamp(health.last_delivery_at),
        last_failure_at: stamp(health.last_failure_at),
        failures_in_a_row: health.failures,
        circuit: health.circuit,
        circuit_open_until: stamp(health.open_until.filter(|_| health.circuit == Circuit::Open)),
    }
}

/// A secret of callbacks, by the answer that made it.
#[derive(Serialize, ToSchema)]
#[schema(as = RotatedCallbackSecret)]
pub struct RotatedCallbackSecretView {
    /// The endpoint whose deliveries the callbacks are.
    pub webhook_id: WebhookId,
    pub secret_id: SigningSecretId,
    pub callback_secret: String,
}

/// A secret, by the answer that made it.
#[derive(Serialize, ToSchema)]
#[schema(as = RotatedSigningSecret)]
pub struct RotatedSigningSecretView {
    pub secret_id: SigningSecretId,
    pub secret_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard_webhooks_secret: Option<String>,
}
