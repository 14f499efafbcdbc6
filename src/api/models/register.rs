//! A registration, step by step. Two systems take part and no transaction spans them, so each step finds what an earlier
//! try has done: the version by the registration's name among its tags, the event by the id that stands there too.

use super::source::Source;
use super::{owner, refusal, registry, source, tags};
use crate::api::view;
use crate::app::App;
use crate::model::{AuditAction, Event, EventId, EventType, ModelRegistered, Registration, model_id};
use crate::registry::{ModelVersion, NewVersion, Registry, RegistryError, Run};
use crate::store;
use crate::web::{ApiError, Caller, Code};

/// Does it, or what is left of it.
pub(super) async fn carry_out(
    app: &App,
    caller: &Caller,
    wanted: Registration,
) -> Result<view::RegisteredView, ApiError> {
    let registry = registry(app)?;
    let source = source::find(registry, caller, &wanted.model_uri).await?;
    let metric_value = judge(&source, &wanted)?;
    let experiment_name = experiment_name(registry, &source.run).await?;
    check_size(app, &wanted, &source, experiment_name.as_deref())?;
    owner::claim_name(registry, caller, &wanted).await?;
    let version = version(registry, &wanted, &source, metric_value).await?;
    let facts = facts(&wanted, &source, experiment_name, &version.version);
    let (event_id, is_new) = publish(app, caller, &wanted, &version, &facts).await?;
    settle(registry, &version).await;
    Ok(view::registered(facts, wanted.tenant_id, metric_value, event_id, !is_new))
}

/// The run's own value of the metric, which has to reach the baseline.
fn judge(source: &Source, wanted: &Registration) -> Result<f64, ApiError> {
    let Registration { metric_name, baseline_value, .. } = wanted;
    let Some(&value) = source.run.metrics.get(metric_name) else {
        return Err(ApiError::field("/metric_name", "is no metric that the run has logged"));
    };
    // NaN reaches nothing.
    if value >= *baseline_value {
        return Ok(value);
    }
    let detail = format!(
        "the run's {metric_name} is {value}, below the baseline of {baseline_value}: nothing was registered"
    );
    Err(ApiError::new(Code::BelowBaseline, detail))
}

/// What MLflow calls the run's experiment, if it says so.
pub(super) async fn experiment_name(registry: &Registry, run: &Run) -> Result<Option<String>, ApiError> {
    match registry.experiment_name(&run.experiment_id).await {
        Ok(name) => Ok(Some(name)),
        Err(RegistryError::NotFound | RegistryError::Invalid(_)) => Ok(None),
        Err(error) => Err(refusal::failed(error)),
    }
}

/// What is too large to be an event is told before anything is made.
fn check_size(
    app: &App,
    wanted: &Registration,
    source: &Source,
    experiment_name: Option<&str>,
) -> Result<(), ApiError> {
    let longest = u64::MAX.to_string();
    let facts = facts(wanted, source, experiment_name.map(str::to_owned), &longest);
    let (size, most) =
        (serde_json::to_string(&facts).map_or(0, |text| text.len()), app.settings.outbound.max_event_bytes);
    match size <= most {
        true => Ok(()),
        false => Err(ApiError::field("/tags", format!("must be shorter: an event has at most {most} bytes"))),
    }
}

fn facts(
    wanted: &Registration,
    source: &Source,
    experiment_name: Option<String>,
    version: &str,
) -> ModelRegistered {
    ModelRegistered {
        model_id: model_id(&wanted.model_name, version),
        name: wanted.model_name.clone(),
        version: version.to_owned(),
        mlflow_run_id: Some(source.run.run_id.clone()),
        token_id: wanted.token_id.clone(),
        metric_name: wanted.metric_name.clone(),
        baseline_value: wanted.baseline_value,
        contributor_address: wanted.contributor_address.clone(),
        experiment_name,
        tags: wanted.tags.clone(),
    }
}

/// The version of this registration: that of an earlier try, else a new one.
async fn version(
    registry: &Registry,
    wanted: &Registration,
    source: &Source,
    metric_value: f64,
) -> Result<ModelVersion, ApiError> {
    let name = tags::name_of(wanted);
    if let Some(earlier) = first(registry, wanted, &name).await? {
        return Ok(earlier);
    }
    let tags = tags::of(wanted, metric_value, EventId::new());
    let new = NewVersion {
        name: &wanted.model_name,
        source: &source.uri,
        run_id: &source.run.run_id,
        model_id: source.model_id.as_deref(),
        tags: &tags,
    };
    let made = registry.create_version(&new).await.map_err(of_source)?;
    // Of two who make it at once the older version stays, and each sees to its own.
    match first(registry, wanted, &name).await? {
        Some(older) if older.version != made.version => {
            if let Err(error) = registry.delete_version(&made).await {
                tracing::warn!(%error, model = made.name, version = made.version, "a version is there twice");
            }
            Ok(older)
        }
        Some(_) | None => Ok(made),
    }
}

async fn first(
    registry: &Registry,
    wanted: &Registration,
    name: &str,
) -> Result<Option<ModelVersion>, ApiError> {
    let found = registry.tagged(&wanted.model_name, tags::REGISTRATION, name).await;
    Ok(found.map_err(|error| refusal::at("/model_name", error))?.into_iter().next())
}

/// MLflow repeats the address of the files, which is the operator's business: its own log says more.
fn of_source(error: RegistryError) -> ApiError {
    match error {
        RegistryError::Invalid(_) => {
            ApiError::field("/model_uri", "leads to what MLflow takes for no model version; its log says why")
        }
        other => refusal::at("/model_uri", other),
    }
}

/// Publishes the event under the id that the version's tags name; whether this is the first time.
async fn publish(
    app: &App,
    caller: &Caller,
    wanted: &Registration,
    version: &ModelVersion,
    facts: &ModelRegistered,
) -> Result<(EventId, bool), ApiError> {
    let known = version.tags.get(tags::EVENT_ID).and_then(|id| id.parse().ok());
    let event_id: EventId = known.unwrap_or_else(EventId::new);
    let is_done = version.tags.get(tags::STATE).is_some_and(|state| state == tags::REGISTERED);
    if is_done && known.is_some() {
        return Ok((event_id, false));
    }
    let now = app.clock.now();
    let event = Event::new(EventType::ModelRegistered, wanted.tenant_id.clone(), now, facts);
    let event = Event { event_id, ..event };
    let entry = caller.writer()?.does(AuditAction::ModelRegistered, &facts.model_id, now);
    let entry = entry.with("event_id", event_id.to_string()).with("token_id", facts.token_id.as_str());
    let entry = match &wanted.tenant_id {
        Some(tenant_id) => entry.of(tenant_id),
        None => entry,
    };
    let published = app.store.publish(&event, &entry).await;
    app.events_written();
    match published {
        Ok(()) => {
            tracing::info!(model = facts.model_id, %event_id, "model registered");
            Ok((event_id, true))
        }
        // An earlier try got as far as this.
        Err(store::Error::Conflict) => Ok((event_id, false)),
        Err(error) => Err(error.into()),
    }
}

/// Says in MLflow that the event is out. If that fails the next try finds the event itself.
pub(super) async fn settle(registry: &Registry, version: &ModelVersion) {
    if version.tags.get(tags::STATE).is_some_and(|state| state == tags::REGISTERED) {
        return;
    }
    if let Err(error) = registry.set_tag(version, tags::STATE, tags::REGISTERED).await {
        tracing::warn!(%error, model = version.name, version = version.version, "its state could not be written to MLflow");
    }
}
