//! An agent's webhook: its secrets, the programs that send to it, and a test of it.

use std::process::Command;

use serde_json::json;

use super::Browser;
use crate::harness::{ADMIN_KEY, Agent, Language, Server, completion};

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_shown_rotated_and_revoked_and_that_is_noted() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let browser = Browser::signed_in(&server, &server.api_key("operator", "acme").await).await;
    let path = format!("/agents/{}", agent.id);
    let page = browser.sees(&path).await;
    assert!(page.has("data-copy=\"webhook-url\"") && page.element("webhook-url") == agent.webhook_url);
    assert!(!page.has(&agent.secret));
    let shown = browser.press(&page, &format!("{path}/secrets/show")).await;
    assert_eq!((shown.status, shown.element("secret-1")), (200, agent.secret.clone()));
    assert!(shown.has("data-copy=\"secret-1\""));

    let rotate = format!("{path}/secrets/rotate");
    let rotated = browser.fill(&page, &rotate, &[("overlap_seconds", "3600")]).await;
    assert_eq!(rotated.status, 200, "{}", rotated.text);
    // Pressed twice, or sent again by a reload.
    let again = browser.fill(&page, &rotate, &[("overlap_seconds", "3600")]).await;
    assert_eq!(again.status, 412, "{}", again.text);
    let renewed = agent.with_secret(&json!(rotated.element("secret-1")));
    assert_eq!(renewed.post("{\"by\": \"new\"}").await.status, 202);
    assert_eq!(agent.post("{\"by\": \"old\"}").await.status, 202, "both verify meanwhile");
    let known = server.get(&format!("/api/v1/agents/{}/webhook-secret", agent.id)).await;
    let secrets = known["secrets"].as_array().expect("a list");
    let old = secrets.iter().find(|secret| !secret["expires_at"].is_null()).expect("one that ends");
    let page = browser.sees(&path).await;
    let revoke = format!("{path}/secrets/{}/revoke", old["secret_id"].as_str().expect("an id"));
    assert!(page.has(&format!("href=\"{revoke}\"")), "{}", page.text);
    let ask = browser.sees(&revoke).await;
    assert!(ask.has(&format!("{}…", &agent.secret[..4])) && !ask.has(&agent.secret), "{}", ask.text);
    assert_eq!(agent.post("{\"by\": \"old, still\"}").await.status, 202, "it only asks");
    let revoked = browser.press(&ask, &revoke).await;
    assert!(browser.sees(revoked.header("location")).await.has("The secret is revoked"));
    assert_eq!(agent.post("{\"by\": \"revoked\"}").await.status, 401);
    let page = browser.sees(&path).await;
    let own = "the-senders-own-secret-of-32-byt";
    let own = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, own);
    let rotated = browser.fill(&page, &rotate, &[("overlap_seconds", "0"), ("secret", &own)]).await;
    assert_eq!(rotated.element("secret-1"), own);
    assert_eq!(renewed.post("{\"by\": \"ended\"}").await.status, 401);
    let page = browser.sees(&path).await;
    let refused = browser.fill(&page, &rotate, &[("secret", "short")]).await;
    assert_eq!(refused.status, 422);

    let log = server.get(&format!("/api/v1/audit?subject={}", agent.id)).await;
    let rows: Vec<_> = log["audit"].as_array().expect("a list").iter().map(|row| &row["action"]).collect();
    let words = ["rotated", "revoked", "rotated", "revealed"].map(|word| format!("webhook_secret.{word}"));
    assert_eq!(rows[..4], words.each_ref());
}

/// Runs a program that was copied from an agent's page, with this secret in the environment.
async fn run(language: Language, text: String, secret: String) -> String {
    tokio::task::spawn_blocking(move || {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join(format!("send.{}", language.ending));
        std::fs::write(&file, text).expect("written");
        let mut command: Command = language.command();
        let output = command.arg(&file).env("AGENTHOOK_SECRET", secret).output().expect("it runs");
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}: {complaint}", language.ending);
        String::from_utf8(output.stdout).expect("text") + &complaint
    })
    .await
    .expect("it ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_copied_from_the_page_sends() {
    let server = Server::without_worker().await;
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let schema = json!({"type": "object", "required": ["ticket"], "additionalProperties": false,
                        "properties": {"ticket": {"enum": ["it's \"ä\" \\ $HOME `id` 🔑\n%s"]}}});
    let custom = |fields: serde_json::Value| {
        let mut custom = json!({"header": "X-Acme-Signature"});
        custom.as_object_mut().expect("an object").extend(fields.as_object().expect("fields").clone());
        json!({"type": "webhook", "scheme": "custom", "custom": custom, "payload_schema": schema.clone()})
    };
    let time = json!({"header": "X-Acme-Signature", "template": "v0:{timestamp}:it's $x \"\\é:{id}.{body}.{url}",
        "timestamp_header": "X-Acme-Time", "timestamp_unit": "ms", "id_header": "X-Acme-Id", "prefix": "v0=$'\"",
        "algorithm": "sha512", "encoding": "base64"});
    let mut of_hex = custom(json!({"template": "{timestamp}.{body}", "timestamp_header": "X-T",
        "timestamp_unit": "rfc3339", "algorithm": "sha1"}));
    of_hex["secret_encoding"] = json!("hex");
    for trigger in [
        json!({"type": "webhook", "payload_schema": schema.clone()}),
        json!({"type": "webhook", "secret_encoding": "utf8"}),
        json!({"type": "webhook", "scheme": "standard-webhooks"}),
        custom(json!({"prefix": "sha256 "})),
        custom(time),
        of_hex,
    ] {
        let agent: Agent = server.agent_with(json!({"trigger": trigger})).await;
        let page = browser.sees(&format!("/agents/{}", agent.id)).await;
        for (id, ending) in [
            ("send-sh", "sh"),
            ("send-python", "py"),
            ("send-node", "mjs"),
            ("send-go", "go"),
            ("send-php", "php"),
        ] {
            assert!(page.has(&format!("data-copy=\"{id}\"")), "{id}");
            let text = page.element(id);
            assert!(text.contains(&agent.webhook_url) && !text.contains(&agent.secret), "{text}");
            let Some(language) = Language::here().into_iter().find(|language| language.ending == ending)
            else {
                continue;
            };
            let printed = run(language, text.clone(), agent.secret.clone()).await;
            assert!(printed.contains("\"status\":\"queued\""), "{ending} {trigger}: {printed}\n{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendors_scheme_is_signed_by_the_command_line() {
    let server = Server::without_worker().await;
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    for (scheme, secret) in [
        ("github", None),
        ("stripe", None),
        ("bearer", None),
        ("basic", Some("user:a-password-of-some-length")),
    ] {
        let trigger = json!({"type": "webhook", "scheme": scheme, "secret": secret});
        let agent = server.agent_with(json!({"trigger": trigger})).await;
        let page = browser.sees(&format!("/agents/{}", agent.id)).await;
        assert!(page.has(&format!("docs/senders/{scheme}.md")) && !page.has("send-python"), "{}", page.text);
        let text = page.element("send-sh");
        let secret = secret.map_or(agent.secret.clone(), ToOwned::to_owned);
        assert!(!text.contains(&secret), "{text}");
        let sh = Language::here().into_iter().find(|language| language.ending == "sh");
        let Some(sh) = sh else { continue };
        let directory = tempfile::tempdir().expect("a directory");
        let place = directory.path().display().to_string();
        let binaries = std::path::Path::new(env!("CARGO_BIN_EXE_agenthook")).parent().expect("a directory");
        let text = format!("cd {place}; PATH={}:$PATH\n{text}", binaries.display());
        let printed = run(sh, text, secret).await;
        assert!(printed.contains("\"status\":\"queued\""), "{scheme}: {printed}");
    }
    let public_key = "8f".repeat(32);
    let trigger = json!({"type": "webhook", "scheme": "discord", "secret": public_key});
    let agent = server.agent_with(json!({"trigger": trigger})).await;
    let page = browser.sees(&format!("/agents/{}", agent.id)).await;
    assert!(page.has("Only the sender itself holds") && !page.has("send-sh"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_is_tried_out_and_run() {
    let server = Server::start().await;
    let schema = json!({"type": "object", "required": ["ticket"], "properties": {"ticket": {"type": "integer", "minimum": 7}}});
    let trigger = json!({"type": "webhook", "payload_schema": schema, "filter": "payload.ticket != 8"});
    let agent = server.agent_with(json!({"trigger": trigger})).await;
    let browser = Browser::signed_in(&server, &server.api_key("operator", "acme").await).await;
    let path = format!("/agents/{}/test", agent.id);
    let page = browser.sees(&path).await;
    assert_eq!(page.field(&path, "payload"), "{\n  \"ticket\": 7\n}");
    let tried = browser.fill(&page, &path, &[("dry_run", "true")]).await;
    assert_eq!(tried.status, 200, "{}", tried.text);
    for part in [">accepted</span>", "it matches", "takes it", "You triage tickets.", "gpt-4o-mini"] {
        assert!(tried.has(part), "{part}: {}", tried.text);
    }
    assert_eq!(server.executions().await.len(), 0, "nothing has run");
    let wrong = [("payload", "{\"ticket\": 1.0}"), ("dry_run", "true")];
    let tried = browser.fill(&page, &path, &wrong).await;
    assert!(tried.has("it does not match") && tried.has("<code>/ticket</code>"), "{}", tried.text);
    for (payload, status, said) in [
        ("{\"ticket\": 1.0}", 422, "schema_mismatch"),
        ("{\"ticket\": 8}", 200, "filter leaves it out"),
        ("{\"ticket\":", 400, "the payload is not JSON"),
    ] {
        let refused = browser.fill(&page, &path, &[("payload", payload), ("dry_run", "false")]).await;
        assert_eq!(refused.status, status, "{}", refused.text);
        assert!(refused.has(said), "{said}: {}", refused.text);
        assert_eq!(refused.field(&path, "payload"), payload, "what was typed stays");
    }
    server.llm.answers(completion("done"));
    let run = browser.fill(&page, &path, &[("payload", "{\"ticket\": 9.0}"), ("dry_run", "false")]).await;
    assert_eq!(run.status, 303, "{}", run.text);
    let executions = server.executions().await;
    let id = executions[0]["execution_id"].as_str().expect("an id");
    assert_eq!(
        (executions.len(), run.header("location")),
        (1, format!("/executions/{id}?done=test_queued").as_str())
    );
    let ended = server.ended(id).await;
    assert_eq!((&ended["output"], ended["input"]["ticket"].to_string()), (&json!("done"), "9.0".to_owned()));
    assert!(browser.sees(run.header("location")).await.has("The test is queued"));

    let odd = json!({"type": "webhook", "payload_schema": {"type": "string", "pattern": "^[0-9]{4}$"}});
    let odd = server.agent_with(json!({"trigger": odd})).await;
    let page = browser.sees(&format!("/agents/{}/test", odd.id)).await;
    assert!(page.has("no example could be made"), "{}", page.text);
}
