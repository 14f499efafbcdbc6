//! What a `model_uri` leads to: the run that is judged, and what MLflow takes as the version's source.

use super::{owner, refusal};
use crate::model::ModelUri;
use crate::registry::{Registry, RegistryError, Run};
use crate::web::{ApiError, Caller};

const POINTER: &str = "/model_uri";

/// What is registered.
pub(super) struct Source {
    /// Who made it.
    pub(super) run: Run,
    /// Where its files are, in the form in which MLflow's own client gives it.
    pub(super) uri: String,
    /// The logged model that it is, if it is one.
    pub(super) model_id: Option<String>,
}

/// Finds it, for this caller.
pub(super) async fn find(registry: &Registry, caller: &Caller, uri: &ModelUri) -> Result<Source, ApiError> {
    match uri {
        ModelUri::Run { run_id, path } => {
            let run = run(registry, caller, run_id).await?;
            let logged = match path {
                Some(name) => registry.logged_by(&run, name).await.map_err(refusal::failed)?,
                None => None,
            };
            // MLflow 3 keeps what was logged as a model apart from the run's artifacts.
            Ok(match logged {
                Some(model) => {
                    Source { run, uri: format!("models:/{}", model.model_id), model_id: Some(model.model_id) }
                }
                None => Source { uri: run.artifact(path.as_deref()), run, model_id: None },
            })
        }
        ModelUri::Version { name, version } => {
            let found = registry.version(name, *version).await;
            let found = found.map_err(|error| unknown(error, "names no version that there is"))?;
            if !owner::may_see(caller, &found.tags) {
                return Err(ApiError::field(POINTER, "names no version that there is"));
            }
            let run = run(registry, caller, &of_a_run(found.run_id)?).await?;
            Ok(Source { run, uri: uri.to_string(), model_id: None })
        }
        ModelUri::Logged { model_id } => {
            let found = registry.logged_model(model_id).await;
            let found = found.map_err(|error| unknown(error, "names no logged model that there is"))?;
            let run = run(registry, caller, &of_a_run(found.run_id)?).await?;
            Ok(Source { run, uri: uri.to_string(), model_id: Some(found.model_id) })
        }
    }
}

fn of_a_run(run_id: Option<String>) -> Result<String, ApiError> {
    run_id.ok_or_else(|| {
        ApiError::field(
            POINTER,
            "was made by no run, so there is no metric that a baseline can be compared with",
        )
    })
}

/// A run that the caller may register from. A run that is marked as a tenant's is not there for others; one that is not
/// marked is whoever's knows its id.
async fn run(registry: &Registry, caller: &Caller, run_id: &str) -> Result<Run, ApiError> {
    const UNKNOWN: &str = "names no run that there is";
    let run = registry.run(run_id).await.map_err(|error| unknown(error, UNKNOWN))?;
    if run.tags.contains_key(super::tags::TENANT) && !owner::may_see(caller, &run.tags) {
        return Err(ApiError::field(POINTER, UNKNOWN));
    }
    match run.is_deleted {
        true => Err(ApiError::field(POINTER, "names a run that was deleted: restore it in MLflow first")),
        false => Ok(run),
    }
}

fn unknown(error: RegistryError, message: &str) -> ApiError {
    match error {
        RegistryError::NotFound | RegistryError::Invalid(_) => ApiError::field(POINTER, message),
        other => refusal::failed(other),
    }
}
