//! Agents are made and changed by forms, which do what the API does and say what it says.

use serde_json::{Value, json};

use super::Browser;
use crate::harness::{ADMIN_KEY, Server};

#[tokio::test(flavor = "multi_thread")]
async fn one_is_made_and_its_secret_is_shown_once() {
    let server = Server::without_worker().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let browser = Browser::signed_in(&server, &server.api_key("operator", "acme").await).await;
    assert!(browser.sees("/agents").await.has("href=\"/agents/new\""));
    let form = browser.sees("/agents/new").await;
    assert!(!form.has("name=\"tenant_id\""), "an operator has one tenant");
    let typed = [
        ("name", "Triage"),
        ("model", "gpt-4o-mini"),
        ("system_prompt", "\nYou triage\n  tickets."),
        ("payload_schema", r#"{"type": "object", "required": ["id"]}"#),
        ("llm_config", r#"{"temperature": 0.2}"#),
        ("per_minute", "60"),
        ("burst", "5"),
        ("callback_hosts", "*.example.com\nhooks.example:8443"),
        ("allow_wait", "true"),
        ("max_attempts", "5"),
    ];
    let made = browser.fill(&form, "/agents/new", &typed).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let (url, secret, callback) =
        (made.element("webhook-url"), made.element("secret-1"), made.element("secret-2"));
    let id = url.split('/').nth_back(1).expect("an id").to_owned();
    let agent = server.get(&format!("/api/v1/agents/{id}")).await;
    assert_eq!(agent["webhook_url"], json!(url));
    assert_eq!(agent["system_prompt"], "\nYou triage\n  tickets.", "line for line");
    assert_eq!(agent["llm_config"], json!({"model": "gpt-4o-mini", "temperature": 0.2}));
    assert_eq!(agent["trigger"]["rate_limit"], json!({"per_minute": 60, "burst": 5}));
    assert_eq!(agent["trigger"]["callback_hosts"], json!(["*.example.com", "hooks.example:8443"]));
    assert_eq!(agent["trigger"]["allow_wait"], json!(true));
    assert_eq!(agent["retry"]["max_attempts"], 5);
    let known = server.get(&format!("/api/v1/agents/{id}/webhook-secret?reveal=true")).await;
    assert_eq!(known["secrets"][0]["webhook_secret"], json!(secret));
    assert!(callback.starts_with("whsec_"), "{callback}");
    let page = browser.sees(&format!("/agents/{id}")).await;
    assert!(!page.has(&secret) && !page.has(&callback), "once");

    let edit = format!("/agents/{id}/edit");
    let form = browser.sees(&edit).await;
    assert!(!form.has(&secret), "{}", form.text);
    let same = browser.fill(&form, &edit, &[]).await;
    assert_eq!(same.header("location"), format!("/agents/{id}?done=unchanged"));
    let typed = [("llm_config", ""), ("system_prompt", "You triage."), ("per_minute", ""), ("burst", "")];
    let saved = browser.fill(&form, &edit, &typed).await;
    assert_eq!(saved.header("location"), format!("/agents/{id}?done=saved"));
    let after = server.get(&format!("/api/v1/agents/{id}")).await;
    let mut wanted = agent.clone();
    wanted["version"] = json!(2);
    wanted["system_prompt"] = json!("You triage.");
    wanted["llm_config"] = json!({"model": "gpt-4o-mini"});
    wanted["trigger"]["rate_limit"] = Value::Null;
    wanted["updated_at"] = after["updated_at"].clone();
    assert_eq!(after, wanted, "and nothing else");
    let log = server.get(&format!("/api/v1/audit?subject={id}")).await;
    assert_eq!(log["audit"][0]["action"], "agent.updated");
    assert_eq!(log["audit"][0]["detail"]["changed"], json!(["llm_config", "system_prompt", "trigger"]));
    assert_eq!(log["audit"][2]["action"], "agent.created");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_at_its_field_and_what_was_typed_stays() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let edit = format!("/agents/{}/edit", agent.id);
    for (field, text, said) in [
        ("name", "", "is required"),
        ("model", "", "must be the name of a model"),
        ("payload_schema", "{\"type\":", "is not JSON: EOF"),
        ("payload_schema", "{\"properties\": {\"a\": {\"type\": \"text\"}}}", "/properties/a"),
        ("filter", "payload.", "line 1, column"),
        ("prompt_template", "a\n{% if %}", "line 2"),
        ("llm_config", "{\"temperature\": 3}", "must be between 0 and 2"),
        ("llm_config", "{\"api_key\": \"sk-planted\"}", "is not a known field"),
        ("llm_config", "{\"model\": \"other\"}", "it has a field of its own"),
        ("max_attempts", "many", "must be an integer"),
        ("timeout_seconds", "0", "must be between 1 and 3600"),
        ("per_minute", "0", "must each be between"),
        ("callback_hosts", "http://no", "must be"),
        ("custom", "{\"header\": \"X-Sig\"}", "goes with the scheme"),
        ("window_seconds", "0", "must be between 1 and 2592000"),
        ("secret", "c2hvcnQ=", "has only 5 bytes"),
    ] {
        for action in [edit.as_str(), "/agents/new"] {
            let form = browser.sees(action).await;
            let mut typed = vec![("name", "Kept"), ("tenant_id", "acme"), ("model", "m"), ("burst", "1")];
            if action == edit {
                typed.retain(|(name, _)| *name != "tenant_id");
            }
            if field != "per_minute" {
                typed.retain(|(name, _)| *name != "burst");
            }
            typed.push(("system_prompt", "kept\ntoo"));
            typed.retain(|(name, _)| *name != field);
            typed.push((field, text));
            let page = browser.fill(&form, action, &typed).await;
            let what = format!("{action} {field} {text}");
            // An empty name goes back to the default, which there is none of.
            assert_eq!(page.status, 422, "{what}: {}", page.text);
            assert!(page.element(&format!("{field}-fault")).contains(said), "{what}: {}", page.text);
            assert!(page.has("Nothing is saved") && page.has(&format!("href=\"#{field}\"")), "{what}");
            assert_eq!(page.field(action, "system_prompt"), "kept\ntoo", "{what}");
            let kept = if field == "secret" { "" } else { text };
            assert_eq!(page.field(action, field), kept, "{what}");
        }
    }
    let nobody = browser.sees("/agents/new").await;
    let typed = [("name", "Kept"), ("tenant_id", "nobody"), ("model", "m")];
    let page = browser.fill(&nobody, "/agents/new", &typed).await;
    assert_eq!(page.status, 422, "{}", page.text);
    assert_eq!(page.field("/agents/new", "tenant_id"), "nobody");
    let agents = server.get("/api/v1/agents").await;
    assert_eq!(
        (agents["agents"].as_array().map(Vec::len), &agents["agents"][0]["version"]),
        (Some(1), &json!(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_came_between_is_told_and_neither_is_lost() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let (path, edit) = (format!("/api/v1/agents/{}", agent.id), format!("/agents/{}/edit", agent.id));
    let form = browser.sees(&edit).await;
    let theirs =
        json!({"name": "Theirs", "llm_config": {"model": "their-model"}, "trigger": {"filter": "true"}});
    server.expect(200, "PATCH", &path, Some(theirs)).await;
    let told = browser.fill(&form, &edit, &[("name", "Mine"), ("system_prompt", "Mine too.")]).await;
    assert_eq!(told.status, 412, "{}", told.text);
    for part in ["somebody else has changed this agent", "You both changed: name.", "/versions/2?from=1\""] {
        assert!(told.has(part), "{part}: {}", told.text);
    }
    assert_eq!(server.get(&path).await["name"], "Theirs", "nothing is saved yet");
    let saved = browser.fill(&told, &edit, &[]).await;
    assert_eq!(saved.status, 303, "{}", saved.text);
    let after = server.get(&path).await;
    assert_eq!(
        (&after["name"], &after["system_prompt"], &after["llm_config"]["model"], &after["trigger"]["filter"]),
        (&json!("Mine"), &json!("Mine too."), &json!("their-model"), &json!("true"))
    );
    assert_eq!(after["version"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_checked_while_it_is_typed() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let page = browser.sees(&format!("/agents/{}/edit", agent.id)).await;
    assert!(page.has("data-check-at=\"/agents/check\""));
    for field in ["payload_schema", "filter", "prompt_template"] {
        assert!(page.has(&format!("data-check=\"{field}-check\"")), "{field}");
        assert!(page.has(&format!("id=\"{field}-check\" aria-live=\"polite\"")), "{field}");
    }
    let csrf = browser.csrf().await;
    let cookie = browser.cookie.lock().expect("nobody panicked").clone().expect("a cookie");
    let ask = async |field: &str, text: &str| {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("csrf", csrf.as_str()), ("field", field), ("text", text)])
            .finish();
        let request = server.http.post(format!("{}/agents/check", server.url)).body(body);
        let request = request.header("cookie", &cookie).header("sec-fetch-site", "same-origin");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON"))
    };
    for (field, good, bad) in [
        ("payload_schema", "{\"type\": \"object\"}", "{\"type\": \"text\"}"),
        ("filter", "payload.a == 1", "payload."),
        ("prompt_template", "{{ payload }}", "{% if %}"),
    ] {
        for fine in [good, ""] {
            assert_eq!(ask(field, fine).await, (200, json!({"fine": true, "message": ""})), "{field}");
        }
        let (status, verdict) = ask(field, bad).await;
        assert_eq!((status, &verdict["fine"]), (200, &json!(false)), "{field}");
        let value =
            if field == "payload_schema" { serde_json::from_str(bad).expect("JSON") } else { json!(bad) };
        let path = format!("/api/v1/agents/{}", agent.id);
        let refused = server.expect(422, "PATCH", &path, Some(json!({"trigger": {(field): value}}))).await;
        assert_eq!(verdict["message"], refused["detail"], "as the API says it");
    }
    assert_eq!(ask("payload_schema", "{").await.1["fine"], json!(false));
    assert_eq!(ask("elsewhere", "x").await.0, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_paused_resumed_and_archived() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let browser = Browser::signed_in(&server, &server.api_key("operator", "acme").await).await;
    let (path, action) = (format!("/agents/{}", agent.id), format!("/agents/{}/status", agent.id));
    for (status, label, done, taken) in [
        ("paused", "Pause", "The agent is paused.", 403),
        ("active", "Resume", "The agent is active", 202),
        ("archived", "Archive", "The agent is archived", 403),
        ("active", "Take out of the archive", "The agent is active", 202),
    ] {
        let page = browser.sees(&path).await;
        assert!(page.has(&format!("value=\"{status}\"><button>{label}</button>")), "{label}: {}", page.text);
        let hidden = page.form(&action).hidden;
        let fields = [("csrf", hidden["csrf"].as_str()), ("version", &hidden["version"]), ("status", status)];
        let pressed = browser.post(&action, &fields).await;
        assert!(browser.sees(pressed.header("location")).await.has(done), "{done}");
        assert_eq!(agent.post(format!("{{\"{label}\": \"{status}\"}}")).await.status, taken, "{label}");
    }
    let csrf = browser.csrf().await;
    for (version, status, answer) in [("5", "gone", 422), ("4", "paused", 412)] {
        let fields = [("csrf", csrf.as_str()), ("version", version), ("status", status)];
        assert_eq!(browser.post(&action, &fields).await.status, answer, "{status}");
    }
}
