//! MLflow's JSON, as far as it matters here.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{LoggedModel, ModelVersion, Run};

/// An error in MLflow's words.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Refusal {
    pub(super) error_code: Option<String>,
    pub(super) message: String,
}

/// An answer of which nothing matters but that it is one.
#[derive(Deserialize)]
pub(super) struct Done {}

#[derive(Deserialize)]
pub(super) struct RunAnswer {
    pub(super) run: WireRun,
}

#[derive(Deserialize)]
pub(super) struct WireRun {
    info: RunInfo,
    #[serde(default)]
    data: RunData,
}

#[derive(Deserialize)]
struct RunInfo {
    run_id: String,
    #[serde(default)]
    experiment_id: String,
    #[serde(default)]
    artifact_uri: String,
    #[serde(default)]
    lifecycle_stage: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RunData {
    metrics: Vec<Metric>,
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
struct Metric {
    key: String,
    #[serde(default, deserialize_with = "number")]
    value: f64,
}

/// A pair, as MLflow writes and reads it.
#[derive(Deserialize, Serialize)]
pub(super) struct Tag {
    pub(super) key: String,
    #[serde(default)]
    pub(super) value: String,
}

/// Protobuf's JSON: what JSON has no number for is a word.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let number = match &value {
        Value::String(word) => match word.as_str() {
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            "NaN" => Some(f64::NAN),
            text => text.parse().ok(),
        },
        other => other.as_f64(),
    };
    number.ok_or_else(|| serde::de::Error::custom("a metric that is no number"))
}

pub(super) fn pairs(tags: Vec<Tag>) -> BTreeMap<String, String> {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

pub(super) fn tags(pairs: &BTreeMap<String, String>) -> Vec<Tag> {
    pairs.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
}

impl From<WireRun> for Run {
    fn from(run: WireRun) -> Self {
        Self {
            run_id: run.info.run_id,
            experiment_id: run.info.experiment_id,
            artifact_uri: run.info.artifact_uri,
            is_deleted: run.info.lifecycle_stage == "deleted",
            metrics: run.data.metrics.into_iter().map(|metric| (metric.key, metric.value)).collect(),
            tags: pairs(run.data.tags),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct ExperimentAnswer {
    pub(super) experiment: Experiment,
}

#[derive(Deserialize)]
pub(super) struct Experiment {
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct LoggedModelAnswer {
    pub(super) model: WireLoggedModel,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct LoggedModelPage {
    pub(super) models: Vec<WireLoggedModel>,
    pub(super) next_page_token: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct WireLoggedModel {
    info: LoggedModelInfo,
}

#[derive(Deserialize)]
struct LoggedModelInfo {
    model_id: String,
    #[serde(default)]
    name: String,
    source_run_id: Option<String>,
}

impl From<WireLoggedModel> for LoggedModel {
    fn from(WireLoggedModel { info }: WireLoggedModel) -> Self {
        Self { model_id: info.model_id, name: info.name, run_id: filled(info.source_run_id) }
    }
}

#[derive(Deserialize)]
pub(super) struct RegisteredModelAnswer {
    pub(super) registered_model: RegisteredModel,
}

#[derive(Deserialize)]
pub(super) struct RegisteredModel {
    #[serde(default)]
    pub(super) tags: Vec<Tag>,
}

#[derive(Deserialize)]
pub(super) struct VersionAnswer {
    pub(super) model_version: WireVersion,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct VersionPage {
    pub(super) model_versions: Vec<WireVersion>,
    pub(super) next_page_token: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct WireVersion {
    name: String,
    version: String,
    run_id: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

impl From<WireVersion> for ModelVersion {
    fn from(version: WireVersion) -> Self {
        Self {
            name: version.name,
            version: version.version,
            run_id: filled(version.run_id),
            tags: pairs(version.tags),
        }
    }
}

/// Protobuf has no `null`: what is not there may be an empty text.
fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_as_mlflow_shows_it() {
        let text = r#"{"run":{"info":{"run_uuid":"r","experiment_id":"1","run_name":"n","status":"RUNNING","start_time":1,
            "artifact_uri":"mlflow-artifacts:/1/r/artifacts","lifecycle_stage":"active","run_id":"r"},
            "data":{"metrics":[{"key":"a","value":0.9,"timestamp":1,"step":0},{"key":"n","value":"NaN"},
            {"key":"i","value":"-Infinity"},{"key":"zero"}],"tags":[{"key":"k","value":"v"},{"key":"empty"}]},"inputs":{}}}"#;
        let answer: RunAnswer = serde_json::from_str(text).expect("a run");
        let run = Run::from(answer.run);
        assert_eq!((run.metrics["a"], run.metrics["zero"], run.metrics["i"]), (0.9, 0.0, f64::NEG_INFINITY));
        assert!(run.metrics["n"].is_nan() && !run.is_deleted);
        assert_eq!((run.tags["k"].as_str(), run.tags["empty"].as_str()), ("v", ""));
        let bare: RunAnswer = serde_json::from_str(r#"{"run":{"info":{"run_id":"r"}}}"#).expect("a run");
        assert!(Run::from(bare.run).metrics.is_empty());
    }
}
