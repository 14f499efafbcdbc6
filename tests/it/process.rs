//! The binary as an operator runs it: an empty directory, a wrong setting, a kill in the middle.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use agenthook::model::SecretEncoding;
use serde_json::{Value, json};

use crate::harness::{
    ADMIN_KEY, Database, ENCRYPTION_KEY, Llm, PLATFORM_KEY, Running, agenthook, client, completion,
    free_address, ready, sign, terminate,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_directory_and_no_environment_are_enough() {
    let directory = tempfile::tempdir().expect("a directory");
    let address = free_address();
    let start = || {
        let mut command = agenthook(directory.path());
        Running(command.args(["serve", "--bind", &address.to_string()]).spawn().expect("starts"))
    };
    let mut server = start();
    let mut line = String::new();
    let mut output = BufReader::new(server.0.stdout.take().expect("piped"));
    output.read_line(&mut line).expect("a line");
    let key = line.trim().rsplit(' ').next().expect("a key").to_owned();
    assert!(key.starts_with("ahk_") && key.len() >= 32, "{line}");
    let (http, url) = (client(), format!("http://{address}"));
    ready(&http, &url, &mut server.0).await;
    let tenants = http.get(format!("{url}/api/v1/tenants")).bearer_auth(&key).send().await.expect("answers");
    assert_eq!(tenants.status(), 200);
    let mode = |name: &str| {
        use std::os::unix::fs::PermissionsExt;
        let file = directory.path().join("data").join(name);
        file.metadata().expect("the file is there").permissions().mode() & 0o777
    };
    assert_eq!((mode(""), mode("encryption.key")), (0o700, 0o600));
    for file in ["agenthook.db", "agenthook.db-wal", "agenthook.lock"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }

    let mut second = start();
    assert_eq!(second.0.wait().expect("ends").code(), Some(1), "the port is taken");

    terminate(&server.0);
    assert_eq!(server.0.wait().expect("ends").code(), Some(0), "SIGTERM ends it well");
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "", "nothing but the key on standard output");

    let mut again = start();
    ready(&http, &url, &mut again.0).await;
    let tenants = http.get(format!("{url}/api/v1/tenants")).bearer_auth(&key).send().await.expect("answers");
    assert_eq!(tenants.status(), 200, "the key of the first start is still the key");
    terminate(&again.0);
    let mut output = String::new();
    again.0.stdout.take().expect("piped").read_to_string(&mut output).expect("text");
    assert_eq!(output, "", "the key is printed once");
}

#[test]
fn the_default_bind_is_loopback() {
    let settings = agenthook::config::SettingsArgs::default().resolve().expect("defaults");
    assert!(settings.bind.ip().is_loopback());
}

#[test]
fn a_wrong_setting_is_one_line_and_exit_code_2() {
    let directory = tempfile::tempdir().expect("a directory");
    let postgres = "postgres://nobody:pass-word@127.0.0.1:1/none";
    let webhook = ("WEBHOOK_SECRET", "0123456789abcdef");
    let cases: [(&str, &[(&str, &str)]); 12] = [
        ("AGENTHOOK_ENCRYPTION_KEYS", &[("DATABASE_URL", postgres), ("AGENTHOOK_ADMIN_KEY", ADMIN_KEY)]),
        ("AGENTHOOK_ENCRYPTION_KEYS", &[("AGENTHOOK_ENCRYPTION_KEYS", "too-short")]),
        ("AGENTHOOK_ADMIN_KEY", &[("AGENTHOOK_ADMIN_KEY", "ahk_short")]),
        ("AGENTHOOK_MAX_BODY_BYTES", &[("AGENTHOOK_MAX_BODY_BYTES", "26214401")]),
        ("AGENTHOOK_WORKER_CONCURRENCY", &[("AGENTHOOK_WORKER_CONCURRENCY", "none")]),
        ("LITELLM_BASE_URL", &[("LITELLM_BASE_URL", "localhost:4000")]),
        ("AGENTHOOK_BIND", &[("AGENTHOOK_BIND", "8000")]),
        ("DATABASE_URL", &[("DATABASE_URL", "mysql://root@localhost/x")]),
        ("WEBHOOK_URL", &[("WEBHOOK_URL", "example.com/ready?key=pass-word"), webhook]),
        ("WEBHOOK_URL", &[("WEBHOOK_URL", "http://10.0.0.1/ready?key=pass-word"), webhook]),
        ("WEBHOOK_URL", &[("WEBHOOK_URL", "https://me:pass-word@192.0.2.1/ready"), webhook]),
        (
            "ENABLE_REDIS_FALLBACK",
            &[("WEBHOOK_URL", "http://1.1.1.1/ready"), webhook, ("ENABLE_REDIS_FALLBACK", "true")],
        ),
    ];
    for (setting, environment) in cases {
        let bind = free_address().to_string();
        let mut command = agenthook(directory.path());
        command.arg("serve");
        if setting != "AGENTHOOK_BIND" {
            command.args(["--bind", &bind]);
        }
        let output = command.envs(environment.iter().copied()).output().expect("ends");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{setting}: {errors}");
        assert_eq!(errors.trim().lines().count(), 1, "{errors}");
        assert!(errors.contains(setting) && !errors.contains("pass-word"), "{errors}");
    }
}

#[test]
fn nobody_starts_who_is_to_publish_on_redis_and_has_none() {
    let directory = tempfile::tempdir().expect("a directory");
    for role in ["serve", "api", "worker"] {
        let mut command = agenthook(directory.path());
        command.arg(role).envs([("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")]);
        command.envs([("WEBHOOK_URL", "http://1.1.1.1/ready"), ("WEBHOOK_SECRET", "0123456789abcdef")]);
        let output = command.env("ENABLE_REDIS_FALLBACK", "true").output().expect("ends");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{role}: {errors}");
        assert_eq!(errors.trim().lines().count(), 1, "{errors}");
        assert!(errors.contains("ENABLE_REDIS_FALLBACK") && errors.contains("REDIS_URL"), "{errors}");
    }
}

#[test]
fn two_servers_on_one_embedded_database_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let serve = |address: SocketAddr| {
        let mut command = agenthook(directory.path());
        Running(command.args(["serve", "--bind", &address.to_string()]).spawn().expect("starts"))
    };
    let mut first = serve(free_address());
    let mut line = String::new();
    BufReader::new(first.0.stdout.take().expect("piped"))
        .read_line(&mut line)
        .expect("the key, so the lock is held");
    let mut second = serve(free_address());
    assert_eq!(second.0.wait().expect("ends").code(), Some(1));
    let mut errors = String::new();
    second.0.stderr.take().expect("piped").read_to_string(&mut errors).expect("text");
    assert!(errors.contains("in use by another agenthook process"), "{errors}");
}

/// How often the server is killed.
const KILLS: usize = 4;

/// Kills the all-in-one again and again while hooks come in: every 202 ends, once.
#[tokio::test(flavor = "multi_thread")]
async fn every_202_survives_kill_9() {
    let (http, database) = (client(), Database::create().await);
    let llm = Llm::start().await;
    llm.answers(completion("done").set_delay(Duration::from_millis(150)));
    let address = free_address();
    let url = format!("http://{address}");
    let start = || {
        let mut command = agenthook(database.dir.path());
        command.args(["serve", "--bind", &address.to_string()]).stdout(Stdio::null()).stderr(Stdio::piped());
        command.envs([("DATABASE_URL", database.url.as_str()), ("AGENTHOOK_ADMIN_KEY", ADMIN_KEY)]);
        command.envs([("LITELLM_BASE_URL", llm.url().as_str()), ("LITELLM_API_KEY", PLATFORM_KEY)]);
        command.env("AGENTHOOK_ENCRYPTION_KEYS", ENCRYPTION_KEY);
        command.env("REDIS_URL", database.redis_url.as_deref().unwrap_or_default());
        Running(command.env("AGENTHOOK_LOG", "error").spawn().expect("starts"))
    };
    let mut server = start();
    ready(&http, &url, &mut server.0).await;
    let api = |path: &str, body: Value| {
        let request = http.post(format!("{url}{path}")).bearer_auth(ADMIN_KEY).json(&body);
        async move { request.send().await.expect("answers").json::<Value>().await.expect("JSON") }
    };
    api("/api/v1/tenants", json!({"tenant_id": "acme"})).await;
    let agent = json!({"tenant_id": "acme", "name": "a", "llm_config": {"model": "m"}, "trigger": {"type": "webhook"}});
    let agent = api("/api/v1/agents", agent).await;
    let text = |name: &str| agent[name].as_str().expect("text").to_owned();
    let (hook, secret) =
        (format!("{url}/webhook/agents/{}/webhook", text("agent_id")), text("webhook_secret"));

    let mut accepted = std::collections::BTreeSet::new();
    let mut number = 0;
    for _ in 0..KILLS {
        let mut sends = tokio::task::JoinSet::new();
        for _ in 0..60 {
            number += 1;
            let body = format!(r#"{{"number":{number}}}"#);
            let signature = sign(&secret, SecretEncoding::Base64, body.as_bytes());
            let request = http.post(&hook).header("x-hub-signature-256", signature).body(body);
            let request = request.header("content-type", "application/json");
            sends.spawn(async move { request.send().await.ok()?.json::<Value>().await.ok() });
        }
        let mut answered = 0;
        while let Some(answer) = sends.join_next().await {
            if let Some(id) =
                answer.expect("no panic").and_then(|body| Some(body["execution_id"].as_str()?.to_owned()))
            {
                accepted.insert(id);
                answered += 1;
            }
            if answered == 40 {
                server.0.kill().expect("kill -9");
            }
        }
        server.0.wait().expect("it is dead");
        server = start();
        ready(&http, &url, &mut server.0).await;
    }
    assert!(accepted.len() >= 160, "the load was real: {}", accepted.len());
    for id in &accepted {
        let mut status = String::new();
        // On Postgres the leases of the dead have to end first.
        for _ in 0..4000 {
            let trace: Value = http
                .get(format!("{url}/api/v1/executions/{id}"))
                .bearer_auth(ADMIN_KEY)
                .send()
                .await
                .expect("answers")
                .json()
                .await
                .expect("JSON");
            status = trace["status"].as_str().unwrap_or_default().to_owned();
            if status == "success" {
                let good =
                    trace["attempts"].as_array().expect("attempts").iter().filter(|a| a["error"].is_null());
                assert_eq!(good.count(), 1, "one attempt ended it: {trace}");
                assert!(trace["attempts"].as_array().is_some_and(|all| all.len() <= 1 + KILLS), "{trace}");
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(status, "success", "{id}");
    }
    terminate(&server.0);
    assert_eq!(server.0.wait().expect("ends").code(), Some(0));
    let attempts = "SELECT count(*) FROM attempts";
    let rows: i64 = if database.url.starts_with("postgres") {
        let pool = sqlx::PgPool::connect(&database.url).await.expect("opens");
        sqlx::query_scalar(attempts).fetch_one(&pool).await.expect("counted")
    } else {
        let file = sqlx::SqlitePool::connect(&database.url).await.expect("opens");
        let verdict: String =
            sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&file).await.expect("checked");
        assert_eq!(verdict, "ok");
        sqlx::query_scalar(attempts).fetch_one(&file).await.expect("counted")
    };
    let calls = llm.calls().await.len();
    assert!(calls <= rows as usize, "every call has its row, written before it: {calls} calls, {rows} rows");
}
