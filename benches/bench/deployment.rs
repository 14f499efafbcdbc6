//! agenthook as it is run: one process on SQLite, `api` and `worker` on Postgres, with Redis or without.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::database::PostgresDatabase;
use crate::hooks::{self, Hooks, Sender};
use crate::load::{self, Use};
use crate::process::{Process, free_address};
use crate::{Outcome, wire};

/// Of every deployment.
pub const ADMIN_KEY: &str = "ahk_bench-admin-key-0123456789abcdef";
const ENCRYPTION_KEY: &str = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE=";

/// Where a deployment keeps its rows and rings its bell.
#[derive(Clone, Debug)]
pub struct Setup {
    /// As the tables call it.
    pub name: &'static str,
    /// The server; none is SQLite.
    pub postgres: Option<String>,
    /// The Redis; none is none.
    pub redis: Option<String>,
}

/// A new database and what belongs to it. Processes may come and go.
pub struct Home {
    directory: TempDir,
    postgres: Option<PostgresDatabase>,
    redis: Option<String>,
    address: SocketAddr,
    settings: Vec<(&'static str, String)>,
}

impl Home {
    /// `settings` are environment variables of every process, beside those that say where things are.
    pub async fn create(setup: &Setup, settings: &[(&'static str, String)]) -> Outcome<Self> {
        let postgres = match &setup.postgres {
            Some(server) => Some(PostgresDatabase::create(server).await?),
            None => None,
        };
        // Beside the build, because /tmp may be in memory, and there a commit costs nothing.
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let (redis, settings) = (setup.redis.clone(), settings.to_vec());
        Ok(Self { directory, postgres, redis, address: free_address()?, settings })
    }

    /// `serve`, or `api` where the worker is apart; returns when it is ready.
    pub async fn front(&self) -> Outcome<Process> {
        let mut front = self.process(if self.postgres.is_some() { "api" } else { "serve" })?;
        front.ready(self.address, "/readyz").await?;
        Ok(front)
    }

    /// `worker`, where it is apart.
    pub fn worker(&self) -> Outcome<Option<Process>> {
        self.postgres.as_ref().map(|_| self.process("worker")).transpose()
    }

    fn process(&self, command: &str) -> Outcome<Process> {
        let mut agenthook = Command::new(env!("CARGO_BIN_EXE_agenthook"));
        agenthook.arg(command).current_dir(&self.directory).env_clear();
        agenthook.env("AGENTHOOK_ADMIN_KEY", ADMIN_KEY).env("AGENTHOOK_ENCRYPTION_KEYS", ENCRYPTION_KEY);
        agenthook.env("LITELLM_API_KEY", "sk-bench").envs(self.settings.iter().cloned());
        agenthook.env("AGENTHOOK_BIND", self.address.to_string());
        agenthook.envs(self.postgres.iter().map(|database| ("DATABASE_URL", &database.url)));
        agenthook.envs(self.redis.iter().map(|url| ("REDIS_URL", url)));
        Process::start(&mut agenthook, Some(&self.directory.path().join(format!("{command}.log"))))
    }
}

/// Running processes with an agent. The order is that of dropping: the database is the last to go.
pub struct Deployment {
    /// Takes webhooks.
    pub front: Process,
    /// Runs executions, where that is a process of its own.
    pub worker: Option<Process>,
    /// Where webhooks go.
    pub address: SocketAddr,
    /// Holds the agent's secret.
    pub sender: Sender,
    home: Home,
}

impl Deployment {
    /// Starts everything, but without the worker where it is apart.
    pub async fn without_worker(setup: &Setup, settings: &[(&'static str, String)]) -> Outcome<Self> {
        let home = Home::create(setup, settings).await?;
        let (front, address) = (home.front().await?, home.address);
        api(address, "POST", "/api/v1/tenants", Some(json!({"tenant_id": "bench"}))).await?;
        let trigger = json!({"type": "webhook", "payload_schema": hooks::schema()});
        let sender = agent(address, trigger).await?;
        Ok(Self { front, worker: None, address, sender, home })
    }

    /// Starts everything.
    pub async fn start(setup: &Setup, settings: &[(&'static str, String)]) -> Outcome<Self> {
        let mut deployment = Self::without_worker(setup, settings).await?;
        deployment.worker = deployment.home.worker()?;
        Ok(deployment)
    }

    /// Another agent with the same schema, and all the rules that a trigger can have: a filter, a rate limit of its own
    /// and one of its tenant. They let everything pass.
    pub async fn with_rules(&self) -> Outcome<Sender> {
        let rate = json!({"per_minute": 1_000_000, "burst": 1_000_000});
        api(self.address, "PATCH", "/api/v1/tenants/bench", Some(json!({"rate_limit": rate}))).await?;
        let trigger = json!({
            "type": "webhook", "payload_schema": hooks::schema(), "rate_limit": rate,
            "filter": "payload.priority in ['P1', 'P2'] && !('draft' in payload.tags)",
        });
        agent(self.address, trigger).await
    }

    /// Another agent with the same schema, whose queued executions are told to these receivers.
    pub async fn with_endpoints(&self, receivers: &[SocketAddr]) -> Outcome<Sender> {
        let trigger = json!({"type": "webhook", "payload_schema": hooks::schema()});
        let sender = agent(self.address, trigger).await?;
        for receiver in receivers {
            let webhook = json!({
                "tenant_id": "bench", "agent_id": sender.agent_id, "url": format!("http://{receiver}/told"),
                "events": ["execution.queued"],
            });
            api(self.address, "POST", "/api/v1/webhooks", Some(webhook)).await?;
        }
        Ok(sender)
    }

    /// The process that runs executions.
    pub fn runner(&self) -> &Process {
        self.worker.as_ref().unwrap_or(&self.front)
    }

    /// Sends so many webhooks; all of them must be accepted.
    pub async fn send(&mut self, count: usize, connections: usize) -> Outcome<()> {
        let hooks: Arc<Hooks> = Arc::new(self.sender.sign(count));
        let load =
            load::closed(self.address, &hooks, connections, std::time::Duration::MAX, Use::Once).await?;
        if load.accepted != count {
            return Err(format!("{} of {count} webhooks were accepted", load.accepted).into());
        }
        Ok(())
    }

    /// Where its rows are, if that is a server.
    pub fn database_url(&self) -> Option<&str> {
        self.home.postgres.as_ref().map(|database| database.url.as_str())
    }

    /// The id of the newest execution.
    pub async fn any_execution(&self) -> Outcome<String> {
        let page = api(self.address, "GET", "/api/v1/executions?limit=1", None).await?;
        Ok(page["executions"][0]["execution_id"].as_str().ok_or("no execution")?.to_owned())
    }

    /// Whether there are executions of this status.
    pub async fn has_any(&self, status: &str) -> Outcome<bool> {
        let page =
            api(self.address, "GET", &format!("/api/v1/executions?status={status}&limit=1"), None).await?;
        Ok(page["executions"].as_array().is_some_and(|executions| !executions.is_empty()))
    }
}

async fn agent(address: SocketAddr, trigger: Value) -> Outcome<Sender> {
    let agent = json!({
        "tenant_id": "bench", "name": "Ticket triage",
        "system_prompt": "You are a support ticket enhancement agent. ".repeat(4),
        "llm_config": {"model": "bench", "temperature": 0.2},
        "trigger": trigger,
    });
    let agent = api(address, "POST", "/api/v1/agents", Some(agent)).await?;
    let text = |name: &str| agent[name].as_str().unwrap_or_default();
    Sender::new(address, text("agent_id"), text("webhook_secret"))
}

async fn api(address: SocketAddr, method: &str, path: &str, body: Option<Value>) -> Outcome<Value> {
    let (status, answer) = wire::call(address, method, path, ADMIN_KEY, body).await?;
    if !(200..300).contains(&status) {
        return Err(format!("{method} {path}: {status} {answer}").into());
    }
    Ok(answer)
}
