//! The event of a version that is registered already, once more.

use super::request::{self, Notify};
use super::{refusal, register, registry, tags};
use crate::api::view;
use crate::app::App;
use crate::model::{AuditAction, Event, EventType, ModelRegistered, TenantId, TokenId, model_id};
use crate::registry::{ModelVersion, Registry, RegistryError};
use crate::web::{ApiError, Caller, Code, FieldError};

/// Publishes it.
pub(super) async fn carry_out(
    app: &App,
    caller: &Caller,
    version: ModelVersion,
    asked: Notify,
) -> Result<view::NotifiedView, ApiError> {
    let registry = registry(app)?;
    let mut facts = facts(&version, asked)?;
    facts.experiment_name = experiment_name(registry, &version).await?;
    let tenant_id = version.tags.get(tags::TENANT).and_then(|id| id.parse::<TenantId>().ok());
    let now = app.clock.now();
    let event = Event::new(EventType::ModelRegistered, tenant_id.clone(), now, &facts);
    let entry = caller.writer()?.does(AuditAction::ModelNotified, &facts.model_id, now);
    let entry = entry.with("event_id", event.event_id.to_string()).with("token_id", facts.token_id.as_str());
    let entry = match &tenant_id {
        Some(tenant_id) => entry.of(tenant_id),
        None => entry,
    };
    let published = app.store.publish(&event, &entry).await;
    app.events_written();
    published?;
    tracing::info!(model = facts.model_id, event_id = %event.event_id, "model notified");
    if version.tags.contains_key(tags::STATE) {
        register::settle(registry, &version).await;
    }
    Ok(view::notified(facts, tenant_id, event.event_id))
}

/// What the event tells: the version's tags, and of the body what they do not say.
fn facts(version: &ModelVersion, asked: Notify) -> Result<ModelRegistered, ApiError> {
    let tag = |key: &str| version.tags.get(key).cloned();
    let token: Option<TokenId> = tag(tags::TOKEN_ID).and_then(|text| text.try_into().ok());
    let baseline =
        tag(tags::BASELINE_VALUE).and_then(|text| text.parse().ok()).filter(|n: &f64| n.is_finite());
    let token = one("/token_id", token, asked.token_id.map(request::token).transpose()?)?;
    let metric =
        one("/metric_name", tag(tags::METRIC_NAME), asked.metric_name.map(request::metric).transpose()?)?;
    let baseline = one("/baseline_value", baseline, asked.baseline_value.map(request::finite).transpose()?)?;
    let address = asked.contributor_address.map(request::address).transpose()?;
    let address = one("/contributor_address", tag(tags::CONTRIBUTOR_ADDRESS), address)?;
    let (Some(token_id), Some(metric_name), Some(baseline_value)) = (&token, &metric, baseline) else {
        let there = [
            ("/token_id", token.is_some()),
            ("/metric_name", metric.is_some()),
            ("/baseline_value", baseline.is_some()),
        ];
        return Err(missing(
            there.iter().filter(|(_, is_there)| !is_there).map(|(pointer, _)| *pointer).collect(),
        ));
    };
    Ok(ModelRegistered {
        model_id: model_id(&version.name, &version.version),
        name: version.name.clone(),
        version: version.version.clone(),
        mlflow_run_id: version.run_id.clone(),
        token_id: token_id.clone(),
        metric_name: metric_name.clone(),
        baseline_value,
        contributor_address: address,
        experiment_name: None,
        tags: tags::users(&version.tags),
    })
}

/// What the tag says, else what was given: a registration is not changed by telling of it.
fn one<T: PartialEq>(pointer: &str, tag: Option<T>, given: Option<T>) -> Result<Option<T>, ApiError> {
    match (tag, given) {
        (Some(tag), Some(given)) if tag != given => {
            Err(ApiError::field(pointer, "is another one by the version's own tag: leave it out"))
        }
        (Some(tag), _) => Ok(Some(tag)),
        (None, given) => Ok(given),
    }
}

fn missing(pointers: Vec<&str>) -> ApiError {
    let fault = |pointer: &&str| FieldError {
        pointer: (*pointer).to_owned(),
        message: "is required: the version has no tag that says it".to_owned(),
    };
    let detail = format!("the version's tags do not say all of it: give {}", pointers.join(", "));
    ApiError::new(Code::InvalidRequest, detail).with_errors(pointers.iter().map(fault))
}

/// What MLflow calls the experiment of the version's run, if there still is one.
async fn experiment_name(registry: &Registry, version: &ModelVersion) -> Result<Option<String>, ApiError> {
    let Some(run_id) = &version.run_id else { return Ok(None) };
    let run = match registry.run(run_id).await {
        Err(RegistryError::NotFound | RegistryError::Invalid(_)) => return Ok(None),
        run => run.map_err(refusal::failed)?,
    };
    register::experiment_name(registry, &run).await
}
