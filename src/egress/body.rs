//! What each profile says of an event.
//!
//! `data` goes in as it is stored, which is as JavaScript writes it; around it stand only texts and small numbers, so that
//! the whole survives a receiver that verifies a re-serialised body.

use std::collections::BTreeMap;

use chrono::SecondsFormat;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::UnusableTarget;
use crate::model::{Event, Profile, Time};

/// The body of one attempt: of all but `standard` and `hub` the same in each.
///
/// # Errors
/// The profile has no form for such an event.
pub fn of(event: &Event, profile: Profile, earlier: u32) -> Result<Vec<u8>, UnusableTarget> {
    let unusable = |error: serde_json::Error| {
        UnusableTarget(format!("the profile has no form for this {}: {error}", event.event_type))
    };
    let (at, raw) = (time(event.at), || serde_json::from_str::<&RawValue>(&event.data));
    let registered = || serde_json::from_str::<Registered<'_>>(&event.data);
    let body = match profile {
        Profile::Standard | Profile::Hub => raw().and_then(|data| {
            serde_json::to_vec(&Envelope {
                event_id: event.event_id.to_string(),
                event_type: event.event_type.as_str(),
                timestamp: &at,
                data,
                retry_count: earlier,
            })
        }),
        Profile::StandardWebhooks => raw().and_then(|data| {
            serde_json::to_vec(&Standard { r#type: event.event_type.as_str(), timestamp: &at, data })
        }),
        Profile::Hokusai => registered()
            .and_then(|model| serde_json::to_vec(&Hokusai::of(&model, &event.event_id.0.to_string(), &at))),
        Profile::Mlflow => registered().and_then(|model| serde_json::to_vec(&Mlflow::of(&model, &at))),
    };
    body.map_err(unusable)
}

/// A time as every receiver reads it: RFC 3339, ms, Z.
pub(super) fn time(at: Time) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[derive(Serialize)]
struct Envelope<'a> {
    event_id: String,
    event_type: &'a str,
    timestamp: &'a str,
    data: &'a RawValue,
    retry_count: u32,
}

#[derive(Serialize)]
struct Standard<'a> {
    r#type: &'a str,
    timestamp: &'a str,
    data: &'a RawValue,
}

/// `data` of `model.registered`.
#[derive(Deserialize)]
struct Registered<'a> {
    model_id: String,
    name: String,
    version: String,
    mlflow_run_id: Option<String>,
    token_id: Option<String>,
    metric_name: Option<String>,
    #[serde(borrow)]
    baseline_value: Option<&'a RawValue>,
    #[serde(borrow)]
    baseline_metrics: Option<&'a RawValue>,
    contributor_address: Option<String>,
    experiment_name: Option<String>,
    #[serde(borrow)]
    tags: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Hokusai<'a> {
    model_id: &'a str,
    idempotency_key: &'a str,
    registered_version: &'a str,
    timestamp: &'a str,
    token_symbol: Option<&'a str>,
    baseline_metrics: Metrics<'a>,
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Metrics<'a> {
    Given(&'a RawValue),
    One(BTreeMap<&'a str, &'a RawValue>),
}

#[derive(Serialize)]
struct Metadata<'a> {
    model_name: &'a str,
    mlflow_run_id: Option<&'a str>,
    contributor_address: Option<&'a str>,
    experiment_name: Option<&'a str>,
    tags: Option<&'a RawValue>,
}

impl<'a> Hokusai<'a> {
    fn of(model: &'a Registered<'a>, id: &'a str, timestamp: &'a str) -> Self {
        let one = model.metric_name.as_deref().zip(model.baseline_value);
        Self {
            model_id: &model.model_id,
            idempotency_key: id,
            registered_version: &model.version,
            timestamp,
            token_symbol: model.token_id.as_deref(),
            baseline_metrics: model
                .baseline_metrics
                .map_or_else(|| Metrics::One(one.into_iter().collect()), Metrics::Given),
            metadata: Metadata {
                model_name: &model.name,
                mlflow_run_id: model.mlflow_run_id.as_deref(),
                contributor_address: model.contributor_address.as_deref(),
                experiment_name: model.experiment_name.as_deref(),
                tags: model.tags,
            },
        }
    }
}

#[derive(Serialize)]
struct Mlflow<'a> {
    model: MlflowModel<'a>,
    source: &'static str,
    event_type: &'static str,
    timestamp: &'a str,
}

#[derive(Serialize)]
struct MlflowModel<'a> {
    id: Option<&'a str>,
    name: &'a str,
    version: &'a str,
    mlflow_run_id: Option<&'a str>,
    metric_name: Option<&'a str>,
    baseline_value: Option<&'a RawValue>,
    token_id: Option<&'a str>,
    status: &'static str,
    tags: Option<&'a RawValue>,
}

impl<'a> Mlflow<'a> {
    fn of(model: &'a Registered<'a>, timestamp: &'a str) -> Self {
        let token = model.token_id.as_deref();
        Self {
            model: MlflowModel {
                id: token,
                name: &model.name,
                version: &model.version,
                mlflow_run_id: model.mlflow_run_id.as_deref(),
                metric_name: model.metric_name.as_deref(),
                baseline_value: model.baseline_value,
                token_id: token,
                status: "registered",
                tags: model.tags,
            },
            source: "mlflow",
            event_type: "model_registered",
            timestamp,
        }
    }
}
