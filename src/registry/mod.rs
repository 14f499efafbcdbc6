//! Model registration in MLflow, over its REST API (`/api/2.0/mlflow`, measured against MLflow 3.17.2).
//!
//! Here is what MLflow is asked and what its answers mean; what is registered for whom is `api`'s business.

mod error;
mod runs;
mod transport;
mod versions;
mod wire;

use std::collections::BTreeMap;

use secrecy::SecretString;
use url::Url;

use transport::Transport;

pub use error::{RegistryError, SetupError};
pub use versions::NewVersion;

/// What the operator says of the MLflow server.
#[derive(Clone, Debug)]
pub struct RegistrySettings {
    /// Where it is; may have a path.
    pub url: Url,
    /// A bearer token.
    pub token: Option<SecretString>,
    /// A user and a password, which win over the token, as with MLflow's own client.
    pub user: Option<(String, SecretString)>,
}

/// An MLflow server.
#[derive(Debug)]
pub struct Registry {
    transport: Transport,
}

/// A run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Names it.
    pub run_id: String,
    /// The experiment that it belongs to.
    pub experiment_id: String,
    /// Where its artifacts are.
    pub artifact_uri: String,
    /// Whether somebody has deleted it (MLflow goes on showing it).
    pub is_deleted: bool,
    /// The last value of each metric. NaN and infinities are possible.
    pub metrics: BTreeMap<String, f64>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A model that was logged by a run (MLflow 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedModel {
    /// Names it: `m-` and more.
    pub model_id: String,
    /// What the run called it.
    pub name: String,
    /// The run that logged it.
    pub run_id: Option<String>,
}

/// A version of a registered model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelVersion {
    /// The registered model.
    pub name: String,
    /// Its number, as MLflow writes it.
    pub version: String,
    /// The run that made it.
    pub run_id: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl Registry {
    /// A client of this server; nothing is asked of it yet.
    ///
    /// # Errors
    /// Credentials that no header can carry, or TLS that cannot be set up.
    pub fn new(settings: &RegistrySettings) -> Result<Self, SetupError> {
        Ok(Self { transport: Transport::new(settings)? })
    }

    /// Whether it answers and takes the credentials: asks for one registered model, whichever.
    ///
    /// # Errors
    /// Why not.
    pub async fn check(&self) -> Result<(), RegistryError> {
        let answer: Result<serde_json::Value, _> =
            self.transport.get("registered-models/search", &[("max_results", "1")]).await;
        answer.map(drop)
    }
}
