//! Planted secrets and payloads, good runs and bad ones, and then a search: in every column, every file, every
//! line of the log at its most talkative, and every answer.

use std::fs;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::{
    Database, Llm, Running, agenthook, assert_clean, assert_files_clean, client, completion, error,
    eventually, free_address, key_of, ready, sign, spellings, terminate,
};
use agenthook::model::SecretEncoding;

const PLATFORM_KEY: &str = "sk-planted-platform-key-0123456789";
const TENANT_KEY: &str = "sk-planted/tenant+key=9876543210";
const REFUSED_KEY: &str = "sk-planted key that is refused";
const WEBHOOK_SECRET: &str = "cGxhbnRlZC13ZWJob29rLXNlY3JldC1vZi0zMi1ieXQ=";
const REFUSED_SECRET: &str = "planted-short";
const WRONG_ADMIN_KEY: &str = "ahk_planted-wrong-admin-key-0123456789";
const ADMIN_KEY: &str = "ahk_planted-admin-key-0123456789abcdef";
const ENCRYPTION_KEY: &str = "cGxhbnRlZC1lbmNyeXB0aW9uLWtleS1vZi0zMi1ieXQ=";
const AUTHORIZATION: &str = "planted-authorization-of-the-hook";
const COOKIE: &str = "planted-cookie-of-the-hook";
const QUERY: &str = "planted-token-in-the-query";
const PASSWORD: &str = "planted-database-password";
const PAYLOAD: &str = "planted-text-of-the-payload";

/// A sender, an administrator and a curious reader, of one server; all that the API ever answered.
struct World {
    http: reqwest::Client,
    url: String,
    admin_key: String,
    answers: Vec<String>,
}

impl World {
    async fn ask(&mut self, method: &str, path: &str, body: Option<Value>) -> Value {
        let request = self.http.request(method.parse().expect("a method"), format!("{}{path}", self.url));
        self.send(request.bearer_auth(&self.admin_key).body(body.unwrap_or_default().to_string())).await
    }

    async fn hook(&mut self, agent: &str, body: String, signature: String) -> Value {
        let url = format!("{}/webhook/agents/{agent}/webhook?token={QUERY}", self.url);
        let request = self.http.post(url).header("x-hub-signature-256", signature).header("cookie", COOKIE);
        self.send(request.bearer_auth(AUTHORIZATION).header("content-type", "application/json").body(body))
            .await
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Value {
        let answer = request.send().await.expect("an answer");
        let headers = format!("{:?}", answer.headers());
        let body = answer.text().await.expect("a whole answer");
        self.answers.push(format!("{headers} {body}"));
        serde_json::from_str(&body).unwrap_or_default()
    }

    /// Signs, posts and waits for the end.
    async fn run(&mut self, agent: &str, secret: &str, payload: Value) -> Value {
        let body = payload.to_string();
        let signature = sign(secret, SecretEncoding::Base64, body.as_bytes());
        let accepted = self.hook(agent, body, signature).await;
        let id = accepted["execution_id"].as_str().unwrap_or_else(|| panic!("{accepted}")).to_owned();
        let (http, url, key) = (self.http.clone(), self.url.clone(), self.admin_key.clone());
        let ended = async || {
            let request = http.get(format!("{url}/api/v1/executions/{id}")).bearer_auth(&key);
            let trace: Value = request.send().await.expect("an answer").json().await.expect("JSON");
            matches!(trace["status"].as_str(), Some("success" | "failed")).then_some(trace)
        };
        eventually("the run ends", ended).await
    }

    async fn make(&mut self, path: &str, body: Value, name: &str) -> String {
        let made = self.ask("POST", path, Some(body)).await;
        made[name].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
    }
}

/// A proxy that says the caller's key, in every error that there is.
fn echo(call: &wiremock::Request) -> wiremock::ResponseTemplate {
    let key = key_of(call);
    let body: Value = call.body_json().expect("JSON");
    let says =
        |words: &str| format!("{words} Received: {key}, 'Authorization': 'Bearer {key}' (hash of {key})");
    match body["model"].as_str().expect("a model") {
        "echo-400" => error(400, "invalid_request_error", &says("litellm.BadRequestError: no.")),
        "echo-401" => error(401, "auth_error", &says("Authentication Error, Invalid proxy server token.")),
        "echo-403" => error(403, "permission_error", &says("no")).insert_header("llm_provider-x", "1"),
        "echo-422" => error(422, "budget_exceeded", &says("Budget has been exceeded!")),
        "echo-429" => {
            error(429, "throttling_error", &says("slow down")).insert_header("x-litellm-call-id", key)
        }
        "echo-500" => error(500, "internal_server_error", &says("litellm.InternalServerError:")),
        "echo-page" => wiremock::ResponseTemplate::new(502).set_body_string(says("<html>")),
        "echo-text" => wiremock::ResponseTemplate::new(200).set_body_string(says("Hello")),
        _ => completion("a good answer"),
    }
}

const MODELS: [&str; 9] = [
    "echo-400",
    "echo-401",
    "echo-403",
    "echo-422",
    "echo-429",
    "echo-500",
    "echo-page",
    "echo-text",
    "good",
];

/// Everything that an operator, a tenant and their senders do, well and badly.
async fn live(world: &mut World) {
    for tenant in ["with-key", "without"] {
        world.ask("POST", "/api/v1/tenants", Some(json!({ "tenant_id": tenant }))).await;
    }
    for key in [REFUSED_KEY, TENANT_KEY] {
        world.ask("PUT", "/api/v1/tenants/with-key/llm-key", Some(json!({ "key": key }))).await;
    }
    world
        .ask("PUT", "/api/v1/tenants/with-key/llm-key", Some(json!({"key": TENANT_KEY, "kee": TENANT_KEY})))
        .await;
    let mut agent = json!({"tenant_id": "with-key", "name": "a", "llm_config": {"model": "m"}, "retry": {"max_attempts": 1}});
    agent["trigger"] = json!({"type": "webhook", "secret": REFUSED_SECRET, "secret_encoding": "utf8"});
    world.ask("POST", "/api/v1/agents", Some(agent.clone())).await;
    agent["trigger"] =
        json!({"type": "webhook", "secret": WEBHOOK_SECRET, "payload_schema": {"type": "object"}});
    agent["llm_config"]["api_key"] = json!(TENANT_KEY);
    world.ask("POST", "/api/v1/agents", Some(agent.clone())).await;
    for tenant in ["with-key", "without"] {
        for model in MODELS {
            (agent["tenant_id"], agent["llm_config"]) = (json!(tenant), json!({ "model": model }));
            let id = world.make("/api/v1/agents", agent.clone(), "agent_id").await;
            // The answer that made the trigger shows its secret, once.
            world.answers.pop();
            let trace = world.run(&id, WEBHOOK_SECRET, json!({ "text": PAYLOAD })).await;
            assert_eq!(trace["status"] == "success", model == "good", "{trace}");
            let good = sign(WEBHOOK_SECRET, SecretEncoding::Base64, b"{");
            for (body, signature) in [
                (json!({ "text": PAYLOAD }).to_string(), "sha256=00".to_owned()),
                (json!({ "text": PAYLOAD }).to_string(), good.clone()),
                ("{".to_owned(), good),
                (
                    json!([PAYLOAD]).to_string(),
                    sign(WEBHOOK_SECRET, SecretEncoding::Base64, json!([PAYLOAD]).to_string().as_bytes()),
                ),
            ] {
                world.hook(&id, body, signature).await;
            }
            world.ask("GET", &format!("/api/v1/agents/{id}"), None).await;
            world.ask("GET", &format!("/api/v1/agents/{id}/webhook-secret"), None).await;
            world.ask("GET", &format!("/api/v1/agents/{id}/webhook-secret?reveal=true"), None).await;
            let revealed = world.answers.pop().expect("an answer");
            assert!(revealed.contains(WEBHOOK_SECRET), "the search would find one: {revealed}");
            world.ask("PATCH", &format!("/api/v1/agents/{id}"), Some(json!({"name": "b"}))).await;
        }
    }
    for path in ["/api/v1/tenants", "/api/v1/agents", "/api/v1/executions?limit=200", "/readyz"] {
        world.ask("GET", path, None).await;
    }
    let executions = world.ask("GET", "/api/v1/executions?limit=200", None).await;
    let executions = executions["executions"].as_array().expect("a list").clone();
    assert_eq!(executions.len(), 2 * MODELS.len());
    for execution in executions {
        world
            .ask(
                "GET",
                &format!("/api/v1/executions/{}", execution["execution_id"].as_str().expect("an id")),
                None,
            )
            .await;
    }
    let right = std::mem::replace(&mut world.admin_key, WRONG_ADMIN_KEY.to_owned());
    world.ask("GET", "/api/v1/tenants", None).await;
    world.admin_key = right;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_is_stored_logged_or_told() {
    let (database, llm, http) = (Database::create().await, Llm::start().await, client());
    llm.answers(echo);
    let directory = database.dir.path();
    let file = |name: &str| fs::File::create(directory.join(name)).expect("a file");
    let address = free_address();
    let mut url: url::Url = database.url.parse().expect("a URL");
    if database.is_postgres() && url.password().is_none() {
        url.set_password(Some(PASSWORD)).expect("a password");
    }
    let mut command = agenthook(directory);
    command.args(["serve", "--bind", &address.to_string(), "--data-dir", "."]).stdin(Stdio::null());
    command.stdout(file("stdout")).stderr(file("stderr"));
    command.envs([
        ("DATABASE_URL", url.as_str()),
        ("LITELLM_BASE_URL", &llm.url()),
        ("LITELLM_API_KEY", PLATFORM_KEY),
    ]);
    command.envs([
        ("AGENTHOOK_LOG", "trace"),
        ("AGENTHOOK_ADMIN_KEY", ADMIN_KEY),
        ("AGENTHOOK_ENCRYPTION_KEYS", ENCRYPTION_KEY),
    ]);
    let mut server = Running(command.spawn().expect("starts"));
    let url = format!("http://{address}");
    ready(&http, &url, &mut server.0).await;
    let mut world = World { http, url, admin_key: ADMIN_KEY.to_owned(), answers: Vec::new() };
    live(&mut world).await;

    let secrets = spellings(&[
        PLATFORM_KEY,
        TENANT_KEY,
        REFUSED_KEY,
        WEBHOOK_SECRET,
        REFUSED_SECRET,
        WRONG_ADMIN_KEY,
        ADMIN_KEY,
        ENCRYPTION_KEY,
        AUTHORIZATION,
        COOKIE,
        QUERY,
        PASSWORD,
    ]);
    let payload = spellings(&[PAYLOAD]);
    for (column, values) in database.contents().await {
        assert_clean(&column, &values, &secrets);
        match column.as_str() {
            "executions.payload" => {
                assert!(String::from_utf8_lossy(&values).contains(PAYLOAD), "it is searched well")
            }
            _ => assert_clean(&column, &values, &payload),
        }
    }
    // With what SQLite has not yet moved from its log, and after it has.
    assert_files_clean(directory, &secrets);
    terminate(&server.0);
    assert_eq!(server.0.wait().expect("ends").code(), Some(0));
    assert_files_clean(directory, &secrets);
    for name in ["stdout", "stderr"] {
        let log = fs::read(directory.join(name)).expect("a log");
        assert_clean(name, &log, &payload);
        let talkative =
            String::from_utf8_lossy(&log).contains("webhook secret revealed") && log.len() > 100_000;
        assert_eq!(talkative, name == "stderr", "{name}: {} bytes", log.len());
    }
    for answer in &world.answers {
        assert_clean("an answer", answer.as_bytes(), &secrets);
    }
}
