//! What came of a registration.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::model::{EventId, ModelRegistered, TenantId};

#[derive(Serialize, ToSchema)]
#[schema(as = RegisteredModel)]
pub struct RegisteredView {
    #[serde(flatten)]
    version: NotifiedView,
    /// What the run has reached; `null` if that is infinite.
    #[schema(required)]
    metric_value: Option<f64>,
    /// Whether an earlier request has registered it already: then nothing was done, and this is the event of that time.
    repeated: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(as = NotifiedModel)]
pub struct NotifiedView {
    /// `NAME/VERSION`.
    #[schema(example = "Sales lead scoring/5")]
    model_id: String,
    /// The registered model in MLflow.
    #[schema(example = "Sales lead scoring")]
    name: String,
    /// Its version in MLflow.
    #[schema(example = "5")]
    version: String,
    event_id: EventId,
    /// Whose it is; `null`: the platform's.
    #[schema(required)]
    tenant_id: Option<TenantId>,
    /// The run that made it, if MLflow knows of one.
    #[schema(required)]
    mlflow_run_id: Option<String>,
    #[schema(example = "LSCOR")]
    token_id: String,
    #[schema(example = "accuracy")]
    metric_name: String,
    baseline_value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    contributor_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    experiment_name: Option<String>,
    tags: BTreeMap<String, String>,
}

pub fn registered(
    facts: ModelRegistered,
    tenant_id: Option<TenantId>,
    metric_value: f64,
    event_id: EventId,
    repeated: bool,
) -> RegisteredView {
    let metric_value = Some(metric_value).filter(|value| value.is_finite());
    RegisteredView { version: notified(facts, tenant_id, event_id), metric_value, repeated }
}

pub fn notified(facts: ModelRegistered, tenant_id: Option<TenantId>, event_id: EventId) -> NotifiedView {
    NotifiedView {
        model_id: facts.model_id,
        name: facts.name,
        version: facts.version,
        event_id,
        tenant_id,
        mlflow_run_id: facts.mlflow_run_id,
        token_id: facts.token_id.into(),
        metric_name: facts.metric_name,
        baseline_value: facts.baseline_value,
        contributor_address: facts.contributor_address,
        experiment_name: facts.experiment_name,
        tags: facts.tags,
    }
}
