//! Actors and verbs: a whole server on a free port with a database of its own, a fake LLM that is a real
//! HTTP server, and senders that sign.

mod agent;
mod cut_proxy;
mod database;
mod document;
mod events;
mod fleet;
mod follow;
mod hook;
mod language;
mod llm;
mod load;
mod many_calls;
mod member;
mod mlflow;
mod postgres_server;
mod process;
mod raw_llm;
mod receiver;
mod redis_server;
mod search;
mod server_dir;
mod shell;
mod tally;

use std::net::TcpListener;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use agenthook::app::{App, Role, StartError};
use agenthook::clock::Clock;
use agenthook::config::{Settings, SettingsArgs};
use agenthook::server;
use agenthook::worker::Worker;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use agent::{Agent, Answer, sign};
pub use cut_proxy::{Cut, CutProxy};
pub use database::{Database, env};
pub use document::{DOCUMENT, hold_against, matches};
pub use fleet::Fleet;
pub use follow::{Following, Message};
pub use hook::{accept, accept_many, accept_of};
pub use language::{Language, fed};
pub use llm::{Llm, completion, completion_body, error, key_of};
pub use load::Load;
pub use many_calls::ManyCalls;
pub use member::Member;
pub use mlflow::{Mlflow, tag, unique};
pub use postgres_server::PostgresServer;
pub use process::{Running, agenthook, client, free_address, ready, terminate};
pub use raw_llm::RawLlm;
pub use receiver::Receiver;
pub use redis_server::RedisServer;
pub use search::{assert_clean, assert_files_clean, files, spellings};
pub use server_dir::{find, program, signal};
pub use shell::{User, parsed};
pub use tally::Tally;

/// The admin key of every test server.
pub const ADMIN_KEY: &str = "ahk_test-admin-key-0123456789abcdef";
/// The platform's LLM key of every test server.
pub const PLATFORM_KEY: &str = "sk-platform-0123456789";

/// What encrypts secrets in every test server.
pub const ENCRYPTION_KEY: &str = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE=";

/// A running server.
pub struct Server {
    pub app: Arc<App>,
    pub clock: Clock,
    pub llm: Arc<Llm>,
    pub database: Arc<Database>,
    pub url: String,
    pub http: reqwest::Client,
    worker: Mutex<Option<(DropGuard, JoinHandle<()>)>>,
    api: (DropGuard, JoinHandle<()>),
}

/// How a server is to be: see [`Server::start`] for the usual one.
pub struct Setup {
    pub clock: Clock,
    pub worker: bool,
    pub args: SettingsArgs,
    /// Those of a server before this one, where it has any.
    pub database: Option<Arc<Database>>,
    pub llm: Option<Arc<Llm>>,
}

impl Default for Setup {
    fn default() -> Self {
        let args = SettingsArgs::default();
        Self { clock: Clock::system(), worker: true, args, database: None, llm: None }
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

    /// The same where nothing runs until [`Server::start_worker`].
    pub async fn without_worker() -> Self {
        Self::with(Setup { worker: false, ..Setup::default() }).await
    }

    /// The all-in-one with another LLM than its own.
    pub async fn with_llm_at(url: &str) -> Self {
        let args = SettingsArgs { litellm_base_url: Some(url.into()), ..SettingsArgs::default() };
        Self::with(Setup { args, ..Setup::default() }).await
    }

    /// Any other.
    pub async fn with(setup: Setup) -> Self {
        install_tls();
        let database = match setup.database {
            Some(database) => database,
            None => Arc::new(Database::create().await),
        };
        let llm = match setup.llm {
            Some(llm) => llm,
            None => Arc::new(Llm::start().await),
        };
        let mut args = setup.args;
        args.database_url.get_or_insert_with(|| database.url.clone());
        if args.redis_url.is_none() {
            args.redis_url = database.redis_url.clone().map(Into::into);
        }
        args.data_dir.get_or_insert_with(|| database.dir.path().to_owned());
        args.encryption_keys.get_or_insert_with(|| ENCRYPTION_KEY.into());
        args.admin_key.get_or_insert_with(|| ADMIN_KEY.into());
        args.litellm_base_url.get_or_insert_with(|| llm.url());
        if args.litellm_api_key.is_none() {
            args.litellm_api_key = Some(PLATFORM_KEY.into());
        }
        // Receivers in tests are on this machine.
        args.outbound.egress_allow.get_or_insert_with(|| "127.0.0.0/8,::1".into());
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        args.public_url.get_or_insert_with(|| url.clone());
        let settings = args.resolve().expect("the test's settings are valid");
        let app = Arc::new(start(settings, &setup.clock).await);
        let listening = server::listen(app.clone(), listener).expect("the server listens");
        let (handle, stop) = (listening.handle(), CancellationToken::new());
        tokio::spawn(listening);
        let stopped = stop.clone();
        let served = tokio::spawn(async move {
            stopped.cancelled().await;
            handle.stop(false).await;
        });
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let api = (stop.drop_guard(), served);
        let server =
            Self { app, clock: setup.clock, llm, database, url, http, worker: Mutex::default(), api };
        if setup.worker {
            server.start_worker();
        }
        server
    }

    /// Starts a worker on a server that was made without one.
    pub fn start_worker(&self) {
        let stop = CancellationToken::new();
        let worker = tokio::spawn(Worker::new(self.app.clone()).run(stop.clone()));
        let before = self.worker.lock().expect("nobody panicked").replace((stop.drop_guard(), worker));
        assert!(before.is_none(), "one queue, one worker");
    }

    /// Tells the worker to stop, as SIGTERM does; what is given back ends with it.
    pub fn tell_to_stop(&self) -> Option<JoinHandle<()>> {
        let (stop, worker) = self.worker.lock().expect("nobody panicked").take()?;
        drop(stop);
        Some(worker)
    }

    /// The same, and waits until it has.
    pub async fn drain(&self) {
        if let Some(worker) = self.tell_to_stop() {
            worker.await.expect("the worker ends well");
        }
    }

    /// Ends this server; what is left of it is the beginning of the next.
    pub async fn stop(self) -> Setup {
        self.drain().await;
        let Self { app, clock, llm, database, api: (stop, served), .. } = self;
        drop(stop);
        served.await.expect("the API ends well");
        let last = Arc::downgrade(&app);
        drop(app);
        eventually("all tasks have ended", async || (last.strong_count() == 0).then_some(())).await;
        Setup { clock, database: Some(database), llm: Some(llm), ..Setup::default() }
    }

    /// Asks the management API as the admin.
    pub async fn api(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let answer = self.ask(method, path, Some(ADMIN_KEY), body.map(|body| body.to_string())).await;
        let text = answer.text;
        (answer.status, if answer.body.is_null() { Value::String(text) } else { answer.body })
    }

    /// Asks as anybody, with any body.
    pub async fn ask(&self, method: &str, path: &str, key: Option<&str>, body: Option<String>) -> Answer {
        let verb = method.parse().expect("a method");
        let mut request = self.http.request(verb, format!("{}{path}", self.url));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let answer = Answer::of(request.send().await.expect("the server answers")).await;
        hold_against(method, path, &answer);
        answer
    }

    /// `GET`, which must succeed.
    pub async fn get(&self, path: &str) -> Value {
        self.expect(200, "GET", path, None).await
    }

    /// A request as the admin, which must be answered with this status.
    pub async fn expect(&self, status: u16, method: &str, path: &str, body: Option<Value>) -> Value {
        let (seen, answer) = self.api(method, path, body).await;
        assert_eq!(seen, status, "{method} {path}: {answer}");
        answer
    }

    /// Makes a tenant.
    pub async fn tenant(&self, fields: Value) -> Value {
        self.expect(201, "POST", "/api/v1/tenants", Some(fields)).await
    }

    /// A new API key of this role in this tenant, as the answer shows it this once.
    pub async fn key(&self, role: &str, tenant_id: &str) -> Value {
        let wanted = json!({"role": role, "tenant_id": tenant_id, "name": format!("{role} of {tenant_id}")});
        self.expect(201, "POST", "/api/v1/keys", Some(wanted)).await
    }

    /// The same, only its text.
    pub async fn api_key(&self, role: &str, tenant_id: &str) -> String {
        self.key(role, tenant_id).await["key"].as_str().expect("a key").to_owned()
    }

    /// Gives a tenant an LLM key of its own.
    pub async fn set_llm_key(&self, tenant_id: &str, key: &str) -> Value {
        let path = format!("/api/v1/tenants/{tenant_id}/llm-key");
        self.expect(200, "PUT", &path, Some(json!({ "key": key }))).await
    }

    /// Makes an agent of tenant `acme` (and the tenant, if need be) that takes any JSON.
    pub async fn agent(&self) -> Agent {
        self.agent_with(json!({})).await
    }

    /// The same with other fields.
    pub async fn agent_with(&self, fields: Value) -> Agent {
        Agent::create(self, fields).await
    }

    /// One execution with its trace.
    pub async fn trace(&self, execution_id: &str) -> Value {
        self.get(&format!("/api/v1/executions/{execution_id}")).await
    }

    /// Waits until an execution is as it should be.
    pub async fn sees(&self, execution_id: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let trace = async || Some(self.trace(execution_id).await).filter(&is);
        eventually(&format!("execution {execution_id} {what}"), trace).await
    }

    /// Waits until an execution has ended.
    pub async fn ended(&self, execution_id: &str) -> Value {
        let ended =
            |trace: &Value| matches!(trace["status"].as_str(), Some("success" | "failed" | "cancelled"));
        self.sees(execution_id, "ends", ended).await
    }

    /// All executions, the newest first.
    pub async fn executions(&self) -> Vec<Value> {
        let page = self.get("/api/v1/executions?limit=200").await;
        page["executions"].as_array().expect("a list").clone()
    }

    /// How many attempts all executions have together.
    pub async fn attempts(&self) -> usize {
        let mut attempts = 0;
        for execution in self.executions().await {
            let trace = self.trace(execution["execution_id"].as_str().expect("an id")).await;
            attempts += trace["attempts"].as_array().expect("a list").len();
        }
        attempts
    }
}

/// Opens the house. The lock of the SQLite file may outlive its server by a moment: the last thread that held the `App`
/// is still taking it down, or another test's child was just forked and has it until it becomes another program.
async fn start(settings: Settings, clock: &Clock) -> App {
    eventually("the server starts", async || {
        match App::start(settings.clone(), clock.clone(), Role::All).await {
            Err(StartError::Fault(fault)) if fault.contains("in use by another agenthook process") => None,
            started => Some(started.expect("the server starts")),
        }
    })
    .await
}

/// Asks again and again until there is an answer.
pub async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    for _ in 0..3000 {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("in vain was it waited that {what}");
}

/// Gives rustls its provider, once per process.
pub fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A failure means that there is one already, which is all that is wanted.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
