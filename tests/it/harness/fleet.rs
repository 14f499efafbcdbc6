//! Real processes on one database, and one Redis if there is one: what stands on several machines elsewhere.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    ADMIN_KEY, Agent, ENCRYPTION_KEY, ManyCalls, Member, PLATFORM_KEY, Tally, agenthook, client, env,
    eventually, free_address,
};

/// Members that share a database. Each lives as long as its handle.
pub struct Fleet {
    pub llm: Arc<ManyCalls>,
    pub http: reqwest::Client,
    database_url: String,
    redis_url: Option<String>,
    settings: Vec<(String, String)>,
    started: AtomicUsize,
    directory: TempDir,
}

impl Fleet {
    /// Whether the run is one on a database that several processes can share.
    pub fn is_possible() -> bool {
        env("AGENTHOOK_TEST_DB").as_deref() == Some("postgres")
    }

    /// On this database, with a LLM; nobody is there yet.
    pub fn on(database_url: &str, redis_url: Option<&str>, llm: Arc<ManyCalls>) -> Self {
        Self {
            llm,
            http: client(),
            database_url: database_url.to_owned(),
            redis_url: redis_url.map(str::to_owned),
            settings: Vec::new(),
            started: AtomicUsize::new(0),
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    /// Every member that starts from now on has this setting, by its environment variable.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// Starts an api, and waits until it is ready.
    pub async fn api(&self) -> Member {
        let address = free_address().to_string();
        self.start("api", &[("AGENTHOOK_BIND", &address)], &address).await
    }

    /// Starts a worker, and waits until it is ready.
    pub async fn worker(&self) -> Member {
        let address = free_address().to_string();
        self.start("worker", &[("AGENTHOOK_HEALTH_BIND", &address)], &address).await
    }

    async fn start(&self, role: &str, settings: &[(&str, &str)], address: &str) -> Member {
        let mut command = self.command(role);
        command.envs(settings.iter().copied());
        let name = format!("{role}-{}", self.started.fetch_add(1, Ordering::SeqCst) + 1);
        let member = Member::start(command, &name, format!("http://{address}"), self.directory.path());
        eventually(&format!("{name} is ready"), async || {
            assert!(member.has_ended().is_none(), "{name} has ended");
            self.is_ready(&member).await.then_some(())
        })
        .await;
        member
    }

    /// The binary with the fleet's settings, for a command of the test's choice.
    pub fn command(&self, role: &str) -> Command {
        let mut command = agenthook(self.directory.path());
        command.arg(role);
        command.envs([("DATABASE_URL", self.database_url.as_str()), ("AGENTHOOK_ADMIN_KEY", ADMIN_KEY)]);
        command.envs([("LITELLM_BASE_URL", self.llm.url.as_str()), ("LITELLM_API_KEY", PLATFORM_KEY)]);
        command.env("AGENTHOOK_ENCRYPTION_KEYS", ENCRYPTION_KEY);
        command.envs(self.redis_url.iter().map(|url| ("REDIS_URL", url)));
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Whether `/readyz` of a member says yes.
    pub async fn is_ready(&self, member: &Member) -> bool {
        let answer = self.http.get(format!("{}/readyz", member.url)).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    /// Makes an agent (and its tenant, if need be) through an api; hooks are sent there too.
    pub async fn agent(&self, api: &Member) -> Agent {
        self.agent_with(api, json!({})).await
    }

    /// The same with other fields.
    pub async fn agent_with(&self, api: &Member, fields: Value) -> Agent {
        Agent::create_at(&api.url, &self.http, fields).await
    }

    /// One execution with its trace, as an api shows it. `None`: the api is away.
    pub async fn trace(&self, api: &Member, execution_id: &str) -> Option<Value> {
        let url = format!("{}/api/v1/executions/{execution_id}", api.url);
        let answer = self.http.get(url).bearer_auth(ADMIN_KEY).send().await.ok()?;
        let answer = answer.error_for_status().ok()?;
        answer.json().await.ok()
    }

    /// Waits until each of these has ended, and counts.
    pub async fn tally(&self, api: &Member, accepted: impl IntoIterator<Item = String>) -> Tally {
        Tally::of(self, api, accepted.into_iter().collect()).await
    }
}
