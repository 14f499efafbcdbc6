//! Answers: what the API shows of the model, field by field, so that a new column is never shown by accident.

mod agent;
mod api_key;
mod audit;
mod delivery;
mod event;
mod execution;
mod hit;
mod model;
mod rehearsal;
mod stats;
mod tenant;
mod webhook;
mod webhook_secret;

use serde::Serialize;
use utoipa::ToSchema;

use crate::model::Time;

pub use agent::{AgentSecrets, AgentVersionView, AgentView, agent, agent_version};
pub use api_key::{ApiKeyView, api_key};
pub use audit::{AuditView, audit};
pub use delivery::{DeliveryDetailView, DeliveryPage, RecoveryView, delivery, delivery_detail};
pub use event::{
    EventDetailView, EventTypeListView, EventTypeView, EventView, event, event_detail, event_types,
};
pub use execution::{ExecutionView, ExportView, TraceView, execution, exported, trace};
pub use hit::{HitDetailView, HitPage, HitView, hit, hit_counts, hit_detail};
pub use model::{NotifiedView, RegisteredView, notified, registered};
pub use rehearsal::{PromptView, Rehearsal, RehearsalView, failed, prompt, rehearsal};
pub use stats::{BucketView, StatsView, SumView, stats};
pub use tenant::{TenantView, tenant, tenant_warned};
pub use webhook::{RotatedCallbackSecretView, RotatedSigningSecretView, ShownOnce, WebhookView, webhook};
pub use webhook_secret::{RotatedView, SecretList, SecretView, rotated, secret};

/// What a [`crate::web::Page`] of these views looks like, for the API's document.
macro_rules! pages {
    ($($page:ident { $items:ident: $view:ty })*) => { $(
        #[derive(ToSchema)]
        #[allow(dead_code, reason = "the answer is made by `Page`")]
        pub struct $page {
            $items: Vec<$view>,
            /// `cursor` of the next page; `null` on the last.
            #[schema(required)]
            next_cursor: Option<String>,
        }
    )* };
}

pages! {
    TenantPage { tenants: TenantView }
    AgentPage { agents: AgentView }
    AgentVersionPage { versions: AgentVersionView }
    ApiKeyPage { keys: ApiKeyView }
    AuditPage { audit: AuditView }
    WebhookPage { webhooks: WebhookView }
    EventPage { events: EventView }
}

/// A time as the contract writes it: RFC 3339, UTC, milliseconds.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(into = "String")]
#[schema(value_type = String, format = DateTime, example = "2026-01-31T12:00:00.000Z")]
pub struct Stamp(pub Time);

impl From<Stamp> for String {
    fn from(stamp: Stamp) -> Self {
        stamp.0.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
    }
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from(*self))
    }
}

pub fn stamp(time: Option<Time>) -> Option<Stamp> {
    time.map(Stamp)
}
