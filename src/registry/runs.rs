//! What a run has done, and where the model is that it made.

use reqwest::Method;
use serde_json::json;

use super::wire::{ExperimentAnswer, LoggedModelAnswer, LoggedModelPage, RunAnswer};
use super::{LoggedModel, Registry, RegistryError, Run};

/// Logged models of one run that are looked at: a training that keeps each of its steps has many.
const MAX_LOGGED_PAGES: usize = 20;

impl Registry {
    /// A run, with its metrics and tags.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`], or what else MLflow says.
    pub async fn run(&self, run_id: &str) -> Result<Run, RegistryError> {
        let answer: RunAnswer = self.transport.get("runs/get", &[("run_id", run_id)]).await?;
        Ok(answer.run.into())
    }

    /// The name of an experiment.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`], or what else MLflow says.
    pub async fn experiment_name(&self, experiment_id: &str) -> Result<String, RegistryError> {
        let answer: ExperimentAnswer =
            self.transport.get("experiments/get", &[("experiment_id", experiment_id)]).await?;
        Ok(answer.experiment.name)
    }

    /// A logged model by its id.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`], or what else MLflow says.
    pub async fn logged_model(&self, model_id: &str) -> Result<LoggedModel, RegistryError> {
        let answer: LoggedModelAnswer = self.transport.get_one("logged-models", model_id).await?;
        Ok(answer.model.into())
    }

    /// The newest model that a run has logged under this name; `None` if there is none, or if this MLflow is older than
    /// logged models.
    ///
    /// # Errors
    /// What MLflow says.
    pub async fn logged_by(&self, run: &Run, name: &str) -> Result<Option<LoggedModel>, RegistryError> {
        let mut token: Option<String> = None;
        for _ in 0..MAX_LOGGED_PAGES {
            // An id is of letters, digits, `_` and `-`: there is nothing to escape.
            let asked = json!({
                "experiment_ids": [run.experiment_id], "filter": format!("source_run_id = '{}'", run.run_id),
                "order_by": [{"field_name": "creation_time", "ascending": false}], "max_results": 50, "page_token": token,
            });
            let page = self.transport.write(Method::POST, "logged-models/search", &asked).await;
            let page: LoggedModelPage = match page {
                Err(RegistryError::NoEndpoint(_)) => return Ok(None),
                page => page?,
            };
            let mut models = page.models.into_iter().map(LoggedModel::from);
            if let Some(found) = models.find(|model| model.name == name) {
                return Ok(Some(found));
            }
            match page.next_page_token.filter(|token| !token.is_empty()) {
                Some(next) => token = Some(next),
                None => return Ok(None),
            }
        }
        Ok(None)
    }
}

impl Run {
    /// The address of an artifact of the run, as MLflow's own client makes it: below the run's own, before a query.
    #[must_use]
    pub fn artifact(&self, path: Option<&str>) -> String {
        let Some(path) = path else { return self.artifact_uri.clone() };
        let end = self.artifact_uri.find(['?', '#']).unwrap_or(self.artifact_uri.len());
        let (root, query) = self.artifact_uri.split_at(end);
        format!("{}/{path}{query}", root.trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifacts_lie_below_their_run() {
        let of = |artifact_uri: &str, path| {
            let run = Run {
                run_id: "r".into(),
                experiment_id: "1".into(),
                artifact_uri: artifact_uri.into(),
                is_deleted: false,
                metrics: Default::default(),
                tags: Default::default(),
            };
            run.artifact(path)
        };
        for (root, whole) in [
            ("mlflow-artifacts:/1/r/artifacts", "mlflow-artifacts:/1/r/artifacts/a/b"),
            ("s3://bucket/base/path?param=value", "s3://bucket/base/path/a/b?param=value"),
            ("file:///mlruns/1/r/artifacts/", "file:///mlruns/1/r/artifacts/a/b"),
            ("/mlruns/1/r/artifacts", "/mlruns/1/r/artifacts/a/b"),
        ] {
            assert_eq!(of(root, Some("a/b")), whole);
            assert_eq!(of(root, None), root);
        }
    }
}
