//! Actors and verbs: a whole server on a free port with a database of its own, a fake LLM that is a real
//! HTTP server, and senders that sign.

mod agent;
mod database;
mod llm;

use std::net::TcpListener;
use std::sync::{Arc, Once};
use std::time::Duration;

use agenthook::app::App;
use agenthook::clock::Clock;
use agenthook::config::SettingsArgs;
use agenthook::server;
use agenthook::worker::Worker;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub use agent::{Agent, Answer, sign};
pub use database::{Database, env};
pub use llm::{Llm, completion, error};

/// The admin key of every test server.
pub const ADMIN_KEY: &str = "ahk_test-admin-key-0123456789abcdef";
/// The platform's LLM key of every test server.
pub const PLATFORM_KEY: &str = "sk-platform-0123456789";

/// A running server.
pub struct Server {
    pub app: Arc<App>,
    pub clock: Clock,
    pub llm: Llm,
    pub url: String,
    pub http: reqwest::Client,
    stop: CancellationToken,
    _database: Database,
}

/// How a server is to be: see [`Server::start`] for the usual one.
pub struct Setup {
    pub clock: Clock,
    pub worker: bool,
    pub args: SettingsArgs,
}

impl Default for Setup {
    fn default() -> Self {
        Self { clock: Clock::system(), worker: true, args: SettingsArgs::default() }
    }
}

impl Server {
    /// The all-in-one, with a fake LLM that says "triaged".
    pub async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    /// The same on a clock that only [`Clock::advance`] moves.
    pub async fn with_manual_clock() -> Self {
        Self::with(Setup { clock: Clock::manual(), ..Setup::default() }).await
    }

    /// Any other.
    pub async fn with(setup: Setup) -> Self {
        install_tls();
        let database = Database::create().await;
        let llm = Llm::start().await;
        let mut args = setup.args;
        args.database_url.get_or_insert_with(|| database.url.clone());
        args.data_dir.get_or_insert_with(|| database.dir.path().to_owned());
        args.encryption_keys.get_or_insert_with(|| "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE=".into());
        args.admin_key.get_or_insert_with(|| ADMIN_KEY.into());
        args.litellm_base_url.get_or_insert_with(|| llm.url());
        if args.litellm_api_key.is_none() {
            args.litellm_api_key = Some(PLATFORM_KEY.into());
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        args.public_url = Some(url.clone());
        let settings = args.resolve().expect("the test's settings are valid");
        let app = Arc::new(App::start(settings, setup.clock.clone()).await.expect("the server starts"));
        let server = server::listen(app.clone(), listener).expect("the server listens");
        let (handle, stop) = (server.handle(), CancellationToken::new());
        tokio::spawn(server);
        if setup.worker {
            tokio::spawn(Worker::new(app.clone()).run(stop.clone()));
        }
        let stopped = stop.clone();
        tokio::spawn(async move {
            stopped.cancelled().await;
            handle.stop(false).await;
        });
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { app, clock: setup.clock, llm, url, http, stop, _database: database }
    }

    /// Starts a worker on a server that was made without one.
    pub fn start_worker(&self) {
        tokio::spawn(Worker::new(self.app.clone()).run(self.stop.clone()));
    }

    /// Asks the management API as the admin.
    pub async fn api(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let method = method.parse().expect("a method");
        let mut request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(ADMIN_KEY);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("the server answers");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a whole answer");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// `GET`, which must succeed.
    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.api("GET", path, None).await;
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }

    /// Makes a tenant.
    pub async fn tenant(&self, fields: Value) -> Value {
        let (status, body) = self.api("POST", "/api/v1/tenants", Some(fields)).await;
        assert_eq!(status, 201, "{body}");
        body
    }

    /// Makes an agent of tenant `acme` (and the tenant, if need be) that takes any JSON.
    pub async fn agent(&self) -> Agent {
        self.agent_with(json!({})).await
    }

    /// The same with other fields.
    pub async fn agent_with(&self, fields: Value) -> Agent {
        Agent::create(self, fields).await
    }

    /// Waits until an execution has ended.
    pub async fn ended(&self, execution_id: &str) -> Value {
        for _ in 0..1500 {
            let execution = self.get(&format!("/api/v1/executions/{execution_id}")).await;
            if matches!(execution["status"].as_str(), Some("success" | "failed")) {
                return execution;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!(
            "execution {execution_id} did not end: {}",
            self.get(&format!("/api/v1/executions/{execution_id}")).await
        );
    }

    /// All executions, the newest first.
    pub async fn executions(&self) -> Vec<Value> {
        let page = self.get("/api/v1/executions?limit=200").await;
        page["executions"].as_array().expect("a list").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Gives rustls its provider, once per process.
pub fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A failure means that there is one already, which is all that is wanted.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
