//! A tenant's LLM key is shown to LiteLLM before it is stored: what LiteLLM may say of it, and what comes of that.

use std::time::Duration;

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::harness::{Llm, Server, error, eventually, key_of};

const KEY: &str = "sk-the-tenants-own-key-wxyz";
const SET: &str = "/api/v1/tenants/acme/llm-key";
const INFO: &str = "/key/info";
const MODELS: &str = "/v1/models";

fn good(path: &str) -> ResponseTemplate {
    let body = match path {
        INFO => json!({"key": "hash", "info": {"spend": 0.0, "max_budget": 1.0, "expires": null}}),
        _ => json!({"object": "list", "data": [{"id": "gpt-4o-mini", "object": "model"}]}),
    };
    ResponseTemplate::new(200).set_body_json(body)
}

fn unknown() -> ResponseTemplate {
    let message =
        format!("Authentication Error, Invalid proxy server token passed. Received API Key = {KEY}");
    error(401, "token_not_found_in_db", &message)
}

async fn configured(server: &Server) -> Value {
    server.get("/api/v1/tenants/acme").await["llm_key"]["configured"].clone()
}

/// A server with the tenant, whose LiteLLM answers so.
async fn with(answers: &[(&str, ResponseTemplate)]) -> Server {
    let server = Server::start().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    for (path, answer) in answers {
        server.llm.answers_get(path, answer.clone());
    }
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn what_litellm_says_of_a_key_decides() {
    let no_db = || error(400, "no_db_connection", "No connected db.");
    let broken = || error(500, "internal_server_error", "Database not connected");
    let blocked =
        || error(401, "auth_error", "Authentication Error, Key is blocked. Update via `/key/unblock`");
    let forbidden = || error(403, "auth_error", "this route is for administrators");
    let provider = || error(401, "invalid_request_error", "no").insert_header("x-litellm-call-id", "1");
    // Of `/key/info`, of `/v1/models`; what the answer says: nothing, a warning with this, or a refusal with this.
    let cases = [
        (good(INFO), unknown(), Ok("")),
        (unknown(), good(MODELS), Err("does not know it")),
        (blocked(), good(MODELS), Err("it is blocked")),
        (
            error(401, "expired_key", "Authentication Error - Expired Key."),
            good(MODELS),
            Err("it has expired"),
        ),
        (broken(), good(MODELS), Ok("")),
        (no_db(), good(MODELS), Ok("")),
        (forbidden(), good(MODELS), Ok("")),
        (broken(), unknown(), Err("does not know it")),
        (no_db(), no_db(), Ok("no database")),
        (broken(), error(503, "no_db_connection", "x"), Ok("database is down")),
        (error(422, "budget_exceeded", "Budget has been exceeded!"), good(MODELS), Ok("budget is spent")),
        (provider(), provider(), Ok("not checked: ")),
        (
            ResponseTemplate::new(200).set_body_string("<html>"),
            ResponseTemplate::new(404),
            Ok("no LiteLLM proxy"),
        ),
        (ResponseTemplate::new(502), ResponseTemplate::new(502), Ok("could not be checked")),
    ];
    let server = with(&[]).await;
    for (case, (info, models, says)) in cases.into_iter().enumerate() {
        server.llm.answers_get(INFO, info);
        server.llm.answers_get(MODELS, models);
        let (status, answer) = server.api("PUT", SET, Some(json!({ "key": KEY }))).await;
        assert!(!answer.to_string().contains(&KEY[3..]), "{case}: it is not repeated: {answer}");
        match says {
            Ok("") => {
                assert_eq!((status, &answer["warnings"]), (200, &Value::Null), "{case}: {answer}");
            }
            Ok(part) => {
                let warnings = answer["warnings"].as_array().unwrap_or_else(|| panic!("{case}: {answer}"));
                let said = warnings[0].as_str().expect("text");
                let part = part.strip_prefix("not checked").map_or(part, |_| "could not be checked");
                assert!(status == 200 && warnings.len() == 1 && said.contains(part), "{case}: {answer}");
            }
            Err(part) => {
                let fault = &answer["errors"][0];
                assert_eq!((status, &answer["code"]), (422, &json!("invalid_request")), "{case}: {answer}");
                assert_eq!(fault["pointer"], "/key", "{case}");
                assert!(
                    fault["message"].as_str().is_some_and(|said| said.contains(part)),
                    "{case}: {answer}"
                );
            }
        }
        assert_eq!(configured(&server).await, json!(says.is_ok()), "{case}");
        server.expect(200, "DELETE", SET, None).await;
    }
    let asked = [server.llm.requests(INFO).await, server.llm.requests(MODELS).await].concat();
    assert!(asked.iter().all(|request| key_of(request) == KEY), "with the tenant's key and no other");
    assert!(server.llm.calls().await.is_empty(), "no model was called");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_leaves_the_earlier_one_and_no_trace_in_the_log() {
    let server = with(&[(INFO, ResponseTemplate::new(404))]).await;
    let saved = server.set_llm_key("acme", "sk-of-before-0123456789abcd").await;
    assert!(
        saved["warnings"][0].as_str().is_some_and(|said| said.contains("could not be checked")),
        "{saved}"
    );
    server.llm.answers_get(INFO, unknown());
    server.expect(422, "PUT", SET, Some(json!({ "key": KEY }))).await;
    assert_eq!(server.get("/api/v1/tenants/acme").await["llm_key"]["hint"], "sk-…abcd");
    let log = server.get("/api/v1/audit?subject=acme&action=llm_key.set").await;
    assert_eq!(log["audit"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_litellm_a_key_is_saved_with_a_warning() {
    let server = Server::with_llm_at("http://127.0.0.1:1").await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let answer = server.set_llm_key("acme", KEY).await;
    let said = answer["warnings"][0].as_str().expect("a warning");
    assert!(said.contains("could not be checked") && said.contains("cannot be reached"), "{said}");
    assert_eq!(configured(&server).await, true);

    let slow = with(&[(INFO, good(INFO).set_delay(Duration::from_secs(60)))]).await;
    let answer = slow.set_llm_key("acme", KEY).await;
    assert!(answer["warnings"][0].as_str().is_some_and(|said| said.contains("within")), "{answer}");
    assert_eq!(configured(&slow).await, true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_goes_to_litellm_alone() {
    let elsewhere = Llm::start().await;
    let moved = |path: &str| {
        ResponseTemplate::new(307).insert_header("location", format!("{}{path}", elsewhere.url()).as_str())
    };
    let server = with(&[(INFO, moved(INFO)), (MODELS, moved(MODELS))]).await;
    let answer = server.set_llm_key("acme", KEY).await;
    assert!(answer["warnings"][0].is_string(), "{answer}");
    for path in [INFO, MODELS] {
        assert!(elsewhere.requests(path).await.is_empty(), "a redirect is not followed");
    }
}

/// Sets a key, and once LiteLLM has been asked about it does something else; what both were answered.
async fn meanwhile(server: &Server, method: &str, path: &str, body: Option<Value>) -> [(u16, Value); 2] {
    let before = server.llm.requests(INFO).await.len();
    let set = server.api("PUT", SET, Some(json!({ "key": KEY })));
    let other = async {
        let asked = async || (server.llm.requests(INFO).await.len() > before).then_some(());
        eventually("LiteLLM is asked", asked).await;
        server.api(method, path, body).await
    };
    let (set, other) = tokio::join!(set, other);
    [set, other]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_while_litellm_is_asked_stays() {
    let server = with(&[(INFO, good(INFO).set_delay(Duration::from_secs(2)))]).await;
    server.set_llm_key("acme", "sk-of-before-0123456789abcd").await;
    // Where the removal is so slow that it comes after all, it removes the new key.
    let [(status, answer), (removed, _)] = meanwhile(&server, "DELETE", SET, None).await;
    assert_eq!((removed, configured(&server).await), (200, json!(false)));
    assert!(status == 200 || (status == 409 && answer["code"] == "conflict"), "{status}: {answer}");
    let change = Some(json!({"name": "n"}));
    let [(status, answer), (changed, tenant)] =
        meanwhile(&server, "PATCH", "/api/v1/tenants/acme", change).await;
    assert_eq!((changed, &tenant["name"]), (200, &json!("n")));
    assert_eq!(configured(&server).await, json!(status == 200), "{answer}");

    server.llm.answers_get(INFO, good(INFO));
    server.set_llm_key("acme", KEY).await;
    assert_eq!(configured(&server).await, json!(true), "sent again it is set");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_removed_whatever_else_is_changed() {
    let server = with(&[]).await;
    server.set_llm_key("acme", KEY).await;
    let names = (0..20).map(async |n| {
        server.expect(200, "PATCH", "/api/v1/tenants/acme", Some(json!({"name": n.to_string()}))).await;
    });
    let remove = server.expect(200, "DELETE", SET, None);
    tokio::join!(futures_util::future::join_all(names), remove);
    assert_eq!(configured(&server).await, json!(false));
}
