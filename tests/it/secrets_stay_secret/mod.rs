//! Planted secrets and payloads, good runs and bad ones, and then a search: in every column, every file, every
//! line of the log at its most talkative, every answer, Redis, and what our own commands print.

mod callbacks;
mod dashboard;
mod endpoints;
mod planted;
mod world;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use agenthook::model::SecretEncoding;
use serde_json::json;

use crate::harness::{
    Database, Llm, RedisServer, Running, agenthook, assert_clean, assert_files_clean, client, eventually,
    files, free_address, ready, sign, spellings, terminate,
};
use planted::{
    ADMIN_KEY, BASIC_PASSWORD, ENCRYPTION_KEY, IN_A_PATH, IN_BROKEN_JSON, MISPLACED, OLD_ENCRYPTION_KEY,
    OTHER_HEADER, PAYLOAD, PLATFORM_KEY, REDIS_PASSWORD, REFUSED_KEY, REFUSED_ROTATION, REFUSED_SECRET,
    REPLACED_KEY, ROTATED_SECRET, TENANT_KEY, WEBHOOK_SECRET, WRONG_ADMIN_KEY,
};
use world::{MODELS, World, agent, echo};

/// Tenants, one of them with a key of its own, and what is refused of them.
async fn tenants(world: &mut World) {
    for tenant in ["with-key", "without"] {
        world.ask("POST", "/api/v1/tenants", Some(json!({ "tenant_id": tenant }))).await;
    }
    let llm_key = "/api/v1/tenants/with-key/llm-key";
    for key in [REFUSED_KEY, REPLACED_KEY, TENANT_KEY] {
        world.ask("PUT", llm_key, Some(json!({ "key": key }))).await;
    }
    for (method, path, body) in [
        ("PUT", llm_key, json!({"key": TENANT_KEY, "kee": TENANT_KEY})),
        ("PUT", llm_key, json!({"key": [MISPLACED]})),
        ("PUT", llm_key, json!({"key": {"text": MISPLACED}})),
        ("PUT", llm_key, json!(MISPLACED)),
        ("PATCH", "/api/v1/tenants/with-key", json!({"key_policy": MISPLACED})),
        ("PATCH", "/api/v1/tenants/with-key", json!({"fallback_on": ["missing", MISPLACED]})),
        ("PATCH", "/api/v1/tenants/with-key", json!({"allowed_models": MISPLACED})),
        ("PATCH", "/api/v1/tenants/with-key", json!({"rate_limit": MISPLACED})),
        ("POST", "/api/v1/tenants", json!({"tenant_id": "t", "llm_key": MISPLACED})),
        ("POST", "/api/v1/tenants", json!({"tenant_id": format!("no id: {MISPLACED}")})),
        ("POST", "/api/v1/keys", json!({"name": "n", "role": MISPLACED})),
        ("POST", "/api/v1/keys", json!({"name": "n", "role": "admin", "tenant_id": [MISPLACED]})),
    ] {
        let answer = world.ask(method, path, Some(body)).await;
        assert_eq!(answer["status"], 422, "{method} {path}: {answer}");
    }
    let answer = world.ask_text("PUT", llm_key, format!(r#"{{"key": "{IN_BROKEN_JSON}"#)).await;
    assert_eq!(answer["code"], "malformed_json", "{answer}");
    for path in ["tenants", "agents", "keys", "executions"] {
        let answer = world.ask("GET", &format!("/api/v1/{path}/{IN_A_PATH}"), None).await;
        assert_eq!(answer["status"], if path == "keys" { 405 } else { 404 }, "{answer}");
        world.ask("GET", &format!("/api/v1/{path}?limit={IN_A_PATH}&cursor={IN_A_PATH}"), None).await;
    }
}

/// Agents that are refused, with secrets in them.
async fn refused_agents(world: &mut World) {
    let mut short = agent("with-key", "m", Some(REFUSED_SECRET));
    short["trigger"]["secret_encoding"] = json!("utf8");
    let mut redirected = agent("with-key", "m", Some(WEBHOOK_SECRET));
    redirected["llm_config"]["api_key"] = json!(MISPLACED);
    let mut misread = agent("with-key", "m", Some(WEBHOOK_SECRET));
    misread["trigger"]["secret_encoding"] = json!(MISPLACED);
    let mut misplaced = agent("with-key", "m", None);
    misplaced["llm_config"]["temperature"] = json!(MISPLACED);
    let mut listed = agent("with-key", "m", None);
    listed["trigger"]["secret"] = json!([MISPLACED]);
    for refused in [short, redirected, misread, misplaced, listed] {
        let answer = world.ask("POST", "/api/v1/agents", Some(refused)).await;
        assert_eq!(answer["status"], 422, "{answer}");
    }
}

/// An agent for each model of each tenant, well and badly signed.
async fn runs(world: &mut World) {
    for tenant in ["with-key", "without"] {
        for model in MODELS {
            let made = agent(tenant, model, Some(WEBHOOK_SECRET));
            let made = world.shown_once("POST", "/api/v1/agents", Some(made)).await;
            let id = made["agent_id"].as_str().unwrap_or_else(|| panic!("{made}"));
            let trace = world.run(id, WEBHOOK_SECRET, json!({ "text": PAYLOAD })).await;
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
                world.hook(id, body, signature).await;
            }
            world.ask("GET", &format!("/api/v1/agents/{id}"), None).await;
            let secret = format!("/api/v1/agents/{id}/webhook-secret");
            world.ask("GET", &secret, None).await;
            let revealed = world.shown_once("GET", &format!("{secret}?reveal=true"), None).await;
            assert!(revealed.to_string().contains(WEBHOOK_SECRET), "the search would find one: {revealed}");
            world.ask("PATCH", &format!("/api/v1/agents/{id}"), Some(json!({"name": "b"}))).await;
        }
    }
}

/// What the server makes up: webhook secrets and an API key. They are known from now on only.
async fn generated(world: &mut World) -> Vec<String> {
    let made = world.shown_once("POST", "/api/v1/agents", Some(agent("without", "good", None))).await;
    let (id, first) = (made["agent_id"].as_str().expect("an id"), made["webhook_secret"].clone());
    let rotate = format!("/api/v1/agents/{id}/webhook-secret/rotate");
    let second = world.shown_once("POST", &rotate, Some(json!({}))).await["webhook_secret"].clone();
    let given = world.shown_once("POST", &rotate, Some(json!({"secret": ROTATED_SECRET}))).await;
    assert_eq!(given["webhook_secret"], ROTATED_SECRET);
    for refused in [REFUSED_ROTATION, ROTATED_SECRET] {
        let answer = world.ask("POST", &rotate, Some(json!({ "secret": refused }))).await;
        assert_eq!(answer["errors"][0]["pointer"], "/secret", "{answer}");
    }
    for (n, secret) in [&first, &second, &given["webhook_secret"]].into_iter().enumerate() {
        let payload = json!({"text": PAYLOAD, "n": n});
        let trace = world.run(id, secret.as_str().expect("a secret"), payload).await;
        assert_eq!(trace["status"], "success", "{trace}");
    }
    world.ask("GET", &format!("/api/v1/agents/{id}/webhook-secret"), None).await;

    let new = json!({"role": "admin", "name": "planted"});
    let key = world.shown_once("POST", "/api/v1/keys", Some(new)).await;
    let (key_id, text) = (key["key_id"].as_str().expect("an id"), key["key"].as_str().expect("a key"));
    let admin = std::mem::replace(&mut world.admin_key, text.to_owned());
    world.ask("GET", "/api/v1/keys", None).await;
    world.ask("DELETE", &format!("/api/v1/keys/{key_id}"), None).await;
    let answer = world.ask("GET", "/api/v1/keys", None).await;
    assert_eq!(answer["status"], 401, "{answer}");
    world.admin_key = admin;
    [&first, &second, &key["key"]].map(|secret| secret.as_str().expect("text").to_owned()).into()
}

/// Tries, retries and replays, and whoever reads what came of them.
async fn looked_after(world: &mut World) {
    let found = world.ask("GET", &format!("/api/v1/executions?status=success&q={PAYLOAD}"), None).await;
    let found = &found["executions"][0];
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned();
    let (agent, id) = (text(&found["agent_id"]), text(&found["execution_id"]));

    let test = format!("/api/v1/agents/{agent}/test");
    let payload = json!({ "text": PAYLOAD });
    let rehearsed = world.ask("POST", &test, Some(json!({"payload": payload, "dry_run": true}))).await;
    assert!(rehearsed.to_string().contains(PAYLOAD), "{rehearsed}");
    let tried = world.ask("POST", &test, Some(json!({ "payload": payload }))).await;
    assert_eq!(world.ended(&text(&tried["execution_id"])).await["status"], "success");
    for refused in [json!({"payload": PAYLOAD}), json!({"payload": payload, PAYLOAD: PAYLOAD})] {
        assert_eq!(world.ask("POST", &test, Some(refused)).await["status"], 422);
    }

    let replayed = world.ask("POST", &format!("/api/v1/executions/{id}/replay"), Some(json!({}))).await;
    assert_eq!(world.ended(&text(&replayed["execution_id"])).await["status"], "success");
    let failed = world.ask("GET", "/api/v1/executions?status=failed&limit=1", None).await;
    let failed = text(&failed["executions"][0]["execution_id"]);
    let retried = world.ask("POST", &format!("/api/v1/executions/{failed}/retry"), Some(json!({}))).await;
    assert_eq!(retried["run"], 2, "{retried}");
    assert_eq!(world.ended(&failed).await["status"], "failed");
    let ended = world.ask("POST", &format!("/api/v1/executions/{id}/cancel"), Some(json!({}))).await;
    assert_eq!(ended["status"], 409, "{ended}");

    for id in [&id, &failed] {
        let timeline = world.ask("GET", &format!("/api/v1/executions/{id}/timeline"), None).await;
        assert!(timeline["timeline"].as_array().is_some_and(|all| all.len() > 2), "{timeline}");
    }
    let log = world.ask("GET", "/api/v1/audit?limit=200", None).await;
    assert!(log["audit"].as_array().is_some_and(|all| all.len() > 20), "{log}");
    assert!(!log.to_string().contains(PAYLOAD), "{log}");
    world.ask("GET", &format!("/api/v1/audit?subject={PAYLOAD}"), None).await;
    let versions = world.ask("GET", &format!("/api/v1/agents/{agent}/versions"), None).await;
    assert!(versions["versions"].is_array(), "{versions}");
    world.ask("GET", &format!("/api/v1/agents/{agent}/versions/1"), None).await;
}

/// Those who try keys that are none, and those who look around.
async fn curious(world: &mut World) {
    for path in ["/api/v1/tenants", "/api/v1/agents", "/api/v1/keys", "/readyz"] {
        world.ask("GET", path, None).await;
    }
    let executions = world.ask("GET", "/api/v1/executions?limit=200", None).await;
    let executions = executions["executions"].as_array().expect("a list").clone();
    assert_eq!(executions.len(), 2 * MODELS.len() + 3 + 2 + callbacks::RUNS);
    for execution in executions {
        let id = execution["execution_id"].as_str().expect("an id");
        world.ask("GET", &format!("/api/v1/executions/{id}"), None).await;
    }
    let right = std::mem::replace(&mut world.admin_key, WRONG_ADMIN_KEY.to_owned());
    world.ask("GET", "/api/v1/tenants", None).await;
    world.admin_key = right;
    let url = format!("{}/api/v1/tenants", world.url);
    let tries = [
        world.http.get(&url).basic_auth("admin", Some(BASIC_PASSWORD)),
        world.http.get(&url).header("x-api-key", OTHER_HEADER),
        world.http.get(format!("{url}?api_key={OTHER_HEADER}")),
    ];
    for request in tries {
        let answer = world.send(request).await;
        assert_eq!(answer["status"], 401, "{answer}");
    }
}

/// What our own commands print, with the same settings in their environment.
fn prints(server: &Command, directory: &Path, args: &[&str]) -> Vec<u8> {
    let mut command = agenthook(directory);
    command.args(args);
    for (name, value) in server.get_envs() {
        command.envs(value.map(|value| (name, value)));
    }
    let run = command.output().expect("it runs");
    assert!(!run.stdout.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&run.stderr));
    [run.stdout, run.stderr].concat()
}

/// The arguments of a process, as everybody on the machine sees them; empty where the system does not tell.
fn arguments(server: &Running) -> Vec<u8> {
    fs::read(format!("/proc/{}/cmdline", server.0.id())).unwrap_or_default()
}

/// Everything that Redis was ever told to keep is in its files.
async fn redis() -> RedisServer {
    let args = ["--save", "", "--appendonly", "yes", "--databases", "4", "--requirepass", REDIS_PASSWORD];
    RedisServer::with(args.map(str::to_owned).into(), Some(REDIS_PASSWORD)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_is_stored_logged_or_told() {
    let (database, llm, http, redis) =
        (Database::create().await, Llm::start().await, client(), redis().await);
    llm.answers(echo);
    let directory = database.dir.path();
    let file = |name: &str| fs::File::create(directory.join(name)).expect("a file");
    let address = free_address();
    let mut url: url::Url = database.url.parse().expect("a URL");
    if database.is_postgres() && url.password().is_none() {
        url.set_password(Some(planted::DATABASE_PASSWORD)).expect("a password");
    }
    let mut command = agenthook(directory);
    command.args(["serve", "--bind", &address.to_string(), "--data-dir", "."]).stdin(Stdio::null());
    command.stdout(file("stdout")).stderr(file("stderr"));
    command.envs([
        ("DATABASE_URL", url.as_str()),
        ("REDIS_URL", &redis.url()),
        ("LITELLM_BASE_URL", &llm.url()),
        ("LITELLM_API_KEY", PLATFORM_KEY),
        ("AGENTHOOK_LOG", "trace"),
        ("AGENTHOOK_ADMIN_KEY", ADMIN_KEY),
        ("AGENTHOOK_EGRESS_ALLOW", "127.0.0.0/8"),
        ("AGENTHOOK_ENCRYPTION_KEYS", &format!("{ENCRYPTION_KEY},{OLD_ENCRYPTION_KEY}")),
    ]);
    let receiver = endpoints::receiver().await;
    command.envs(endpoints::settings(&receiver));
    let mut server = Running(command.spawn().expect("starts"));
    let url = format!("http://{address}");
    ready(&http, &url, &mut server.0).await;
    let mut world = World { http, url, admin_key: ADMIN_KEY.to_owned(), answers: Vec::new() };
    tenants(&mut world).await;
    refused_agents(&mut world).await;
    runs(&mut world).await;
    let mut generated = generated(&mut world).await;
    generated.extend(endpoints::endpoints(&mut world, &receiver).await);
    generated.extend(callbacks::called(&mut world).await);
    looked_after(&mut world).await;
    curious(&mut world).await;
    generated.push(dashboard::looked_at(&mut world).await);

    let all: Vec<_> = planted::ALL.into_iter().chain(generated.iter().map(String::as_str)).collect();
    let (secrets, payload) = (spellings(&all), spellings(&[PAYLOAD]));
    let commands: [&[&str]; 5] = [
        &["serve", "--help"],
        &["doctor"],
        &["doctor", "--json"],
        &["rekey", "--dry-run"],
        &["rekey", "--json"],
    ];
    for args in commands {
        assert_clean(&args.join(" "), &prints(&command, directory, args), &secrets);
    }
    assert_clean("its arguments", &arguments(&server), &secrets);
    // What fails says its address, and an address holds a password.
    let told =
        files(redis.path()).into_iter().any(|(_, bytes)| String::from_utf8_lossy(&bytes).contains("apalis"));
    assert!(told, "Redis was told something, and it is searched well");
    redis.kill();
    assert_files_clean(redis.path(), &secrets);
    assert_files_clean(redis.path(), &payload);
    eventually("the server misses Redis", async || {
        let answer = world.http.get(format!("{}/readyz", world.url)).send().await.ok()?;
        (answer.status() == 503).then_some(())
    })
    .await;
    world.ask("GET", "/readyz", None).await;

    for (column, values) in database.contents().await {
        assert_clean(&column, &values, &secrets);
        match column.as_str() {
            // Of what made no execution, for its people to see what came in.
            "executions.payload" | "hits.body" => {
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

#[test]
fn there_are_enough_of_them_and_no_two_are_the_same() {
    let different: std::collections::BTreeSet<_> = planted::ALL.into_iter().collect();
    assert!(different.len() == planted::ALL.len() && different.len() >= 20);
}
