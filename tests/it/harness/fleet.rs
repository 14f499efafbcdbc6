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
    /// What a member has to say yes to before it counts as started.
    started_when: &'static str,
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
            started_when: "/readyz",
            started: AtomicUsize::new(0),
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    /// Every member that starts from now on has this setting, by its environment variable.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// Redis is away and stays away: nobody is waited for to be ready, for nobody ever says so.
    pub fn has_no_redis(&mut self) {
        self.started_when = "/healthz";
    }

    /// Starts an api, and waits until it is ready.
    pub async fn api(&self) -> Member {
        self.start("api", &free_address().to_string()).await
    }

    /// Starts a worker, and waits until it is ready.
    pub async fn worker(&self) -> Member {
        self.start("worker", &free_address().to_string()).await
    }

    /// Starts an all-in-one, and waits until it is ready.
    pub async fn serve(&self) -> Member {
        self.start("serve", &free_address().to_string()).await
    }

    /// Starts the next process in the place of one that ended: the same role at the same address.
    pub async fn again(&self, ended: &Member) -> Member {
        assert!(ended.has_ended().is_some(), "{} is still there", ended.name());
        let (role, _) = ended.name().split_once('-').expect("a role and a number");
        self.start(role, ended.url.trim_start_matches("http://")).await
    }

    async fn start(&self, role: &str, address: &str) -> Member {
        let mut command = self.command(role);
        command.env(if role == "worker" { "AGENTHOOK_HEALTH_BIND" } else { "AGENTHOOK_BIND" }, address);
        let name = format!("{role}-{}", self.started.fetch_add(1, Ordering::SeqCst) + 1);
        let member = Member::start(command, &name, format!("http://{address}"), self.directory.path());
        eventually(&format!("{name} is ready"), async || {
            assert!(member.has_ended().is_none(), "{name} has ended");
            self.says_yes(&member, self.started_when).await.then_some(())
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
        self.says_yes(member, "/readyz").await
    }

    async fn says_yes(&self, member: &Member, path: &str) -> bool {
        let answer = self.http.get(format!("{}{path}", member.url)).send().await;
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
