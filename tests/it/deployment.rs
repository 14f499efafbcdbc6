//! What docker-compose.yml starts, without the containers: the same processes with the same settings, commands and
//! health checks, as `docker-compose config` gives them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::harness::{
    Agent, Fleet, Llm, Member, PostgresServer, RedisServer, agenthook, client, eventually, find,
    free_address, program,
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A command that sees nothing of our environment but where programs are.
fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().current_dir(root()).stdin(Stdio::null());
    command.envs(["PATH", "HOME"].map(|name| (name, crate::harness::env(name).unwrap_or_default())));
    command
}

/// `.env` as an operator fills it in: each empty value by the command that stands above it.
fn filled() -> Vec<(String, String)> {
    let mut command = None;
    let mut values = Vec::new();
    for line in read(".env.example").lines() {
        if let Some(text) = line.strip_prefix("#   ") {
            command = Some(text.to_owned());
        } else if let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            let value = if value.is_empty() {
                let text = command.take().unwrap_or_else(|| panic!("no command makes {name}"));
                let made = clean("sh").args(["-c", &text]).output().expect("sh is there");
                assert!(made.status.success(), "{text}: {}", String::from_utf8_lossy(&made.stderr));
                String::from_utf8(made.stdout).expect("text").trim().to_owned()
            } else {
                value.to_owned()
            };
            values.push((name.to_owned(), value));
        }
    }
    assert!(values.len() > 5, "the values are found: {values:?}");
    values
}

/// What compose makes of the file, with these values in `.env`.
fn config(values: &[(String, String)]) -> Output {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("env");
    let lines: Vec<_> = values.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    std::fs::write(&file, lines.concat()).expect("written");
    let mut compose = match find("docker-compose") {
        Some(alone) => clean(&alone.display().to_string()),
        None => {
            let mut plugin = clean(&program("docker").display().to_string());
            plugin.arg("compose");
            plugin
        }
    };
    compose.arg("--env-file").arg(file).arg("config").output().expect("compose runs")
}

/// The services of a filled `.env`.
fn services(values: &[(String, String)]) -> BTreeMap<String, Value> {
    let output = config(values);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let all: Value = serde_saphyr::from_str(&text).expect("YAML");
    serde_json::from_value(all["services"].clone()).expect("services")
}

fn words(list: &Value) -> Vec<String> {
    serde_json::from_value(list.clone()).unwrap_or_else(|error| panic!("{error}: {list}"))
}

fn environment(service: &Value) -> BTreeMap<String, String> {
    let Value::Object(all) = &service["environment"] else { panic!("no environment: {service}") };
    all.iter().map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned())).collect()
}

#[test]
fn every_secret_is_required_and_none_has_a_default() {
    let example: Vec<_> = read(".env.example")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect();
    assert!(!config(&example).status.success(), "an .env that nobody filled in starts nothing");
    let (all, file) = (filled(), read("docker-compose.yml"));
    for (name, _) in &all {
        assert!(file.contains(&format!("${{{name}:?{name} is empty")), "{name} is not required");
        let names = file.matches(&format!("{name}}}")).count() + file.matches(&format!("{name}:-")).count();
        assert_eq!(names, 0, "{name} is taken somewhere without being required");
    }
    let rest: Vec<_> = all.into_iter().filter(|(name, _)| name != "REDIS_PASSWORD").collect();
    let output = config(&rest);
    let says = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && says.contains("REDIS_PASSWORD is empty, see .env.example"), "{says}");
}

#[test]
fn services_are_pinned_checked_and_have_no_more_rights_than_they_need() {
    let file = read("docker-compose.yml");
    for (name, service) in services(&filled()) {
        let image = service["image"].as_str().expect("an image");
        let tag = image.rsplit_once(':').map(|(_, tag)| tag).unwrap_or_else(|| panic!("{name}: no tag"));
        assert!(!tag.contains("latest") && !tag.contains("stable"), "{name}: {image}");
        assert_eq!(service["cap_drop"], json!(["ALL"]), "{name}");
        assert_eq!(service["security_opt"], json!(["no-new-privileges:true"]), "{name}");
        assert!(service["restart"].is_string(), "{name} is started again");
        assert!(service["container_name"].is_null(), "{name} may be scaled");
        assert_eq!(service["healthcheck"].is_null(), name == "migrate", "{name}");
        assert_eq!(service["read_only"] == json!(true), name != "litellm", "{name}");
        // One version of compose shows ports as text, another as maps.
        let published = service["ports"].as_array().cloned().unwrap_or_default();
        assert_eq!(published.len(), usize::from(name == "api"), "{name} is published: {published:?}");
        assert!(published.iter().all(|port| port.to_string().contains("127.0.0.1")), "{published:?}");
        if ["api", "worker"].contains(&name.as_str()) {
            assert_eq!(service["stop_grace_period"], "40s", "{name} has time to drain");
        }
    }
    let requirements = read("litellm/requirements.txt");
    let version = requirements.lines().find_map(|line| line.strip_prefix("litellm[proxy]==")).expect("a pin");
    let version = version.split_whitespace().next().expect("a version");
    assert!(
        file.contains(&format!("ghcr.io/berriai/litellm:v{version}\n")),
        "LiteLLM's version is {version}"
    );
}

#[test]
fn the_image_is_not_roots_and_its_bases_are_pinned() {
    let file = read("Dockerfile");
    let lines = |word: &str| {
        let lines = file.lines().filter_map(|line| line.strip_prefix(word));
        lines.map(|rest| rest.trim().to_owned()).collect::<Vec<_>>()
    };
    for base in lines("FROM ") {
        let image = base.split(' ').next().expect("an image");
        let tag = image.rsplit_once(':').map(|(_, tag)| tag).unwrap_or_else(|| panic!("{image} has no tag"));
        assert!(!tag.contains("latest"), "{image}");
    }
    let users: Vec<u32> =
        lines("USER ").iter().filter_map(|user| user.split(':').next()?.parse().ok()).collect();
    assert!(matches!(users[..], [user] if user > 0), "{users:?}");
    assert_eq!(lines("ENTRYPOINT "), [r#"["agenthook"]"#]);
    assert_eq!(lines("STOPSIGNAL "), ["SIGTERM"]);
    assert!(file.matches("--locked").count() == file.matches("cargo build").count(), "as Cargo.lock has it");
    let sent: Vec<_> =
        read(".dockerignore").lines().filter_map(|line| line.strip_prefix('!').map(str::to_owned)).collect();
    for copied in lines("COPY ").iter().filter(|copied| !copied.starts_with("--from")) {
        let (sources, _) = copied.rsplit_once(' ').expect("from and to");
        assert!(sources.split(' ').all(|source| sent.contains(&source.to_owned())), "{copied}: {sent:?}");
    }
}

/// What stands where the containers' names lead.
struct Places {
    postgres: u16,
    redis: u16,
    litellm: String,
    directory: tempfile::TempDir,
}

impl Places {
    /// A service's command with its environment, on this machine. `address` stands for the one that it listens on.
    fn command(&self, service: &Value, address: (&str, &str)) -> Command {
        let mut command = agenthook(self.directory.path());
        command.args(words(&service["command"]));
        for (name, value) in environment(service) {
            command.env(name, self.here(&value, address));
        }
        command
    }

    fn here(&self, value: &str, (there, here): (&str, &str)) -> String {
        value
            .replace("@postgres:5432", &format!("@127.0.0.1:{}", self.postgres))
            .replace("@redis:6379", &format!("@127.0.0.1:{}", self.redis))
            .replace("http://litellm:4000", &self.litellm)
            .replace(&format!("0.0.0.0:{}", there.rsplit(':').next().unwrap_or_default()), here)
            .replace(there, here)
    }

    /// A service's health check; it is asked as the container's engine asks.
    fn is_healthy(&self, service: &Value, address: (&str, &str)) -> bool {
        let check = words(&service["healthcheck"]["test"]);
        assert_eq!(check[..2], ["CMD", "agenthook"], "{check:?}");
        let mut command = agenthook(self.directory.path());
        let output = command.args(check[2..].iter().map(|word| self.here(word, address))).output();
        let output = output.expect("it runs");
        let (said, error) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(said.lines().count() + error.lines().count(), 1, "one line: {said}{error}");
        output.status.success()
    }
}

/// Runs the script that the Postgres container runs when its volume is new.
fn create_databases(service: &Value, port: u16) {
    let psql = program("psql");
    let path = format!("{}:/usr/bin:/bin", psql.parent().unwrap_or(Path::new("")).display());
    let mut script = clean(&root().join("docker/create-databases.sh").display().to_string());
    script.envs(environment(service)).env("PATH", path);
    let output = script.env("PGHOST", "127.0.0.1").env("PGPORT", port.to_string()).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_compose_starts_runs_a_webhook_to_its_end() {
    if !Fleet::is_possible() {
        return;
    }
    let values = filled();
    let services = services(&values);
    let value = |name: &str| {
        let found = values.iter().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("no {name}")).1.clone()
    };
    let (postgres, llm) = (PostgresServer::start().await, Llm::start().await);
    create_databases(&services["postgres"], postgres.port());
    let mut redis = words(&services["redis"]["command"]);
    assert_eq!(redis.remove(0), "redis-server");
    let redis = RedisServer::with(redis, Some(&value("REDIS_PASSWORD"))).await;
    let places = Places {
        postgres: postgres.port(),
        redis: redis.port(),
        litellm: llm.url(),
        directory: tempfile::tempdir().expect("a directory"),
    };

    let migrated = places.command(&services["migrate"], ("", "")).output().expect("it starts");
    assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
    let mut members: Vec<(Member, (&str, String), &Value)> = Vec::new();
    for (name, service, there) in [
        ("worker-1", "worker", "127.0.0.1:8001"),
        ("worker-2", "worker", "127.0.0.1:8001"),
        ("api", "api", "127.0.0.1:8000"),
    ] {
        let (service, here) = (&services[service], free_address().to_string());
        let command = places.command(service, (there, &here));
        let member = Member::start(command, name, format!("http://{here}"), places.directory.path());
        members.push((member, (there, here), service));
    }
    for (_, (there, here), service) in &members {
        let healthy = async || places.is_healthy(service, (there, here)).then_some(());
        eventually("a member is healthy", healthy).await;
    }
    let url = members[2].0.url.clone();
    let http = client();
    let admin = value("AGENTHOOK_ADMIN_KEY");
    let agent = Agent::create_as(&admin, &url, &http, json!({})).await;
    assert!(agent.webhook_url.starts_with(&url), "{}", agent.webhook_url);
    let id = agent.accepted(r#"{"ticket_id":"TKT-123"}"#).await;
    let ended = eventually("the execution ends", async || {
        let request = http.get(format!("{url}/api/v1/executions/{id}")).bearer_auth(&admin);
        let trace: Value = request.send().await.ok()?.json().await.ok()?;
        matches!(trace["status"].as_str(), Some("success" | "failed")).then_some(trace)
    })
    .await;
    assert_eq!((&ended["status"], &ended["output"]), (&json!("success"), &json!("triaged")), "{ended}");
    assert_eq!(llm.keys().await, [value("LITELLM_MASTER_KEY")], "to begin with");

    for (member, ..) in &members {
        member.terminate();
    }
    for (member, (there, here), service) in members {
        assert_eq!(member.wait().await.code(), Some(0), "SIGTERM ends {} well", member.name());
        assert!(!places.is_healthy(service, (there, &here)), "and then it is not healthy");
    }
}
