//! The real MLflow server that the test command starts: all tests share it, so each names its things anew.

use agenthook::config::{OutboundArgs, SettingsArgs};
use serde_json::{Value, json};

use super::{Server, Setup, env, install_tls};

/// An MLflow server, as its other users see it.
pub struct Mlflow {
    pub url: String,
    http: reqwest::Client,
}

impl Mlflow {
    /// That of the test command.
    pub fn of_the_run() -> Self {
        install_tls();
        let url = env("AGENTHOOK_TEST_MLFLOW_URL")
            .expect("AGENTHOOK_TEST_MLFLOW_URL is not set: run ./scripts/test.sh, which starts an MLflow");
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { url: url.trim_end_matches('/').to_owned(), http }
    }

    /// A server that registers models in the MLflow at this address.
    pub async fn server_at(url: &str) -> Server {
        Server::with(Setup { args: Self::args_at(url), worker: false, ..Setup::default() }).await
    }

    /// Its settings.
    pub fn args_at(url: &str) -> SettingsArgs {
        let outbound = OutboundArgs { mlflow_tracking_uri: Some(url.to_owned()), ..OutboundArgs::default() };
        SettingsArgs { outbound, ..SettingsArgs::default() }
    }

    /// A server that registers models here.
    pub async fn server(&self) -> Server {
        Self::server_at(&self.url).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        let request = self.http.post(format!("{}/api/2.0/mlflow/{path}", self.url)).json(&body);
        Self::read(path, request).await
    }

    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let request = self.http.get(format!("{}/api/2.0/mlflow/{path}", self.url)).query(query);
        Self::read(path, request).await
    }

    async fn read(path: &str, request: reqwest::RequestBuilder) -> Value {
        let answer = request.send().await.expect("MLflow answers");
        let (status, text) = (answer.status(), answer.text().await.expect("a whole answer"));
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// A run that has logged these metrics, and the name of its experiment.
    pub async fn run(&self, metrics: &[(&str, f64)]) -> (String, String) {
        let name = unique("experiment");
        let made = self.post("experiments/create", json!({ "name": name })).await;
        let run =
            self.post("runs/create", json!({"experiment_id": made["experiment_id"], "start_time": 1})).await;
        let run_id = run["run"]["info"]["run_id"].as_str().expect("an id").to_owned();
        for (key, value) in metrics {
            let metric = json!({"run_id": run_id, "key": key, "value": value, "timestamp": 1, "step": 0});
            self.post("runs/log-metric", metric).await;
        }
        (run_id, name)
    }

    /// The versions of a model, the oldest first.
    pub async fn versions(&self, name: &str) -> Vec<Value> {
        let filter = format!("name = \"{name}\"");
        let page = self.get("model-versions/search", &[("filter", &filter)]).await;
        let mut versions = page["model_versions"].as_array().cloned().unwrap_or_default();
        versions.sort_by_key(|version| version["version"].as_str().and_then(|text| text.parse::<u64>().ok()));
        versions
    }

    /// A version that somebody makes with MLflow's own means.
    pub async fn foreign_version(&self, name: &str, run_id: &str, tags: Value) -> Value {
        let made =
            json!({"name": name, "source": format!("runs:/{run_id}/model"), "run_id": run_id, "tags": tags});
        self.post("model-versions/create", made).await["model_version"].clone()
    }
}

/// A tag of something that MLflow shows.
pub fn tag<'v>(of: &'v Value, key: &str) -> Option<&'v str> {
    let tags = of["tags"].as_array()?;
    tags.iter().find(|tag| tag["key"] == key)?["value"].as_str()
}

/// A name that nobody else has.
pub fn unique(what: &str) -> String {
    format!("{what} {}", uuid::Uuid::new_v4().simple())
}
