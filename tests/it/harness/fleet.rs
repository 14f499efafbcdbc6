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
        // Receivers in tests are on this machine.
        command.env("AGENTHOOK_EGRESS_ALLOW", "127.0.0.0/8,::1");
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

    /// Asks an api as the admin, which must answer with success.
    pub async fn ask(&self, api: &Member, method: &str, path: &str, body: Option<Value>) -> Value {
        let verb = method.parse().expect("a method");
        let mut request = self.http.request(verb, format!("{}{path}", api.url)).bearer_auth(ADMIN_KEY);
        if let Some(body) = &body {
            request = request.json(body);
        }
        let answer = request.send().await.expect("the api answers");
        let (status, text) = (answer.status(), answer.text().await.expect("a whole answer"));
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Makes tenant acme.
    pub async fn tenant(&self, api: &Member) {
        self.ask(api, "POST", "/api/v1/tenants", Some(json!({"tenant_id": "acme"}))).await;
    }

    /// Makes an endpoint of tenant acme, which must be there; its address.
    pub async fn endpoint(&self, api: &Member, url: &str, events: &[&str], fields: Value) -> String {
        let mut endpoint = json!({"tenant_id": "acme", "url": url, "events": events});
        for (name, value) in fields.as_object().expect("an object of fields") {
            endpoint[name] = value.clone();
        }
        let made = self.ask(api, "POST", "/api/v1/webhooks", Some(endpoint)).await;
        format!("/api/v1/webhooks/{}", made["webhook_id"].as_str().expect("an id"))
    }

    /// Publishes so many events of this type for tenant acme.
    pub async fn publish(&self, api: &Member, event_type: &str, data: Value, times: usize) {
        let event = json!({"tenant_id": "acme", "event_type": event_type, "data": data});
        for _ in 0..times {
            self.ask(api, "POST", "/api/v1/events", Some(event.clone())).await;
        }
    }

    /// Makes an agent (and its tenant, if need be) through an api; hooks are sent there too. Ends of its executions are
    /// events: an endpoint wants to hear of them, though its filter lets none pass.
    pub async fn agent(&self, api: &Member) -> Agent {
        self.agent_with(api, json!({})).await
    }

    /// The same with other fields.
    pub async fn agent_with(&self, api: &Member, fields: Value) -> Agent {
        let agent = Agent::create_at(&api.url, &self.http, fields.clone()).await;
        let mut nobody = json!({"filter": "event.type == 'none'"});
        if let Some(tenant_id) = fields.get("tenant_id") {
            nobody["tenant_id"] = tenant_id.clone();
        }
        self.endpoint(api, "http://127.0.0.1:9/", &Tally::ENDS, nobody).await;
        agent
    }

    /// One execution with its trace, as an api shows it. `None`: the api is away.
    pub async fn trace(&self, api: &Member, execution_id: &str) -> Option<Value> {
        let url = format!("{}/api/v1/executions/{execution_id}", api.url);
        let answer = self.http.get(url).bearer_auth(ADMIN_KEY).send().await.ok()?;
        let answer = answer.error_for_status().ok()?;
        answer.json().await.ok()
    }

    /// All events of a type.
    pub async fn events(&self, api: &Member, event_type: &str) -> Vec<Value> {
        self.all(api, &format!("/api/v1/events?event_type={event_type}&limit=200"), "events").await
    }

    /// All deliveries of an endpoint.
    pub async fn deliveries(&self, api: &Member, endpoint: &str) -> Vec<Value> {
        self.all(api, &format!("{endpoint}/deliveries?limit=200"), "deliveries").await
    }

    /// A list, page by page.
    async fn all(&self, api: &Member, path: &str, name: &str) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let mut page = self.ask(api, "GET", &format!("{path}{cursor}"), None).await;
            all.append(page[name].as_array_mut().expect("a list"));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    /// Waits until every delivery of an endpoint has succeeded, and there are so many.
    pub async fn delivers(&self, api: &Member, endpoint: &str, times: usize) -> Vec<Value> {
        eventually(&format!("all {times} are delivered"), async || {
            let deliveries = self.deliveries(api, endpoint).await;
            let well = deliveries.iter().all(|delivery| delivery["status"] == "success");
            (well && deliveries.len() == times).then_some(deliveries)
        })
        .await
    }

    /// Waits until each of these has ended, and counts; each end must be told once.
    pub async fn tally(&self, api: &Member, accepted: impl IntoIterator<Item = String>) -> Tally {
        Tally::of(self, api, accepted.into_iter().collect()).await
    }
}
