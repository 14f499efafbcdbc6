//! In with an API key, and out again.

use std::time::Duration;

use agenthook::clock::Clock;
use agenthook::config::SettingsArgs;
use serde_json::json;

use super::Browser;
use crate::harness::{ADMIN_KEY, Server, Setup};
use crate::two_processes::two;

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(flavor = "multi_thread")]
async fn a_right_key_opens_a_wrong_one_does_not_and_both_ways_are_in_the_log() {
    let server = Server::without_worker().await;
    server.tenant(json!({"tenant_id": "acme"})).await;
    let key = server.key("viewer", "acme").await;
    let text = key["key"].as_str().expect("a key");
    let browser = Browser::new(&server);
    for wrong in ["", "ahk_wrong-wrong-wrong-wrong-wrong", &text[..text.len() - 1]] {
        let page = browser.sign_in(wrong, "/agents").await;
        assert_eq!(page.status, 401, "{wrong}");
        assert!(page.has("There is no such API key") && !page.has(&text[4..12]), "{}", page.text);
        assert_eq!(page.form("/sign-in").hidden["next"], "/agents", "it is not forgotten");
        assert!(browser.cookie.lock().expect("nobody panicked").is_none());
    }
    // As it is pasted.
    let page = browser.sign_in(&format!(" {text}\n"), "/agents?a=%26").await;
    assert_eq!((page.status, page.header("location")), (303, "/agents?a=%26"));
    let page = browser.sees("/").await;
    assert!(page.has("viewer of acme <span class=\"badge\">viewer</span> of acme"), "{}", page.text);
    let old = browser.cookie.lock().expect("nobody panicked").clone();
    let page = browser.press(&page, "/sign-out").await;
    assert_eq!((page.status, page.header("location")), (303, "/sign-in"));
    assert!(browser.cookie.lock().expect("nobody panicked").is_none(), "it is forgotten here");
    *browser.cookie.lock().expect("nobody panicked") = old;
    assert_eq!(browser.get("/").await.status, 303, "and there");
    assert!(browser.sees("/sign-in").await.has("Your session has ended"));

    let log = server.get(&format!("/api/v1/audit?subject={}", key["key_id"].as_str().expect("an id"))).await;
    let rows: Vec<_> = log["audit"].as_array().expect("a list").iter().map(|row| &row["action"]).collect();
    assert_eq!(rows, ["api_key.signed_out", "api_key.signed_in", "api_key.created"]);
    assert_eq!(log["audit"][0]["actor"]["name"], "viewer of acme");
    assert_eq!(
        (&log["audit"][0]["tenant_id"], &log["audit"][0]["subject"]["type"]),
        (&json!("acme"), &json!("api_key"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_tries_keys_here_is_counted_with_who_tries_them_there() {
    let server = Server::with(Setup { clock: Clock::manual(), worker: false, ..Setup::default() }).await;
    let browser = Browser::new(&server);
    for n in 0..10 {
        assert_eq!(browser.sign_in(&format!("ahk_wrong-{n:030}"), "").await.status, 401);
        assert_eq!(server.ask("GET", "/api/v1/agents", Some("ahk_wrong"), None).await.status, 401);
    }
    let page = browser.sign_in("ahk_wrong", "").await;
    assert_eq!(page.status, 429);
    let wait: u64 = page.header("retry-after").parse().expect("seconds");
    assert!(page.has(&format!("try again in {wait} s")), "{}", page.text);
    assert_eq!(server.ask("GET", "/api/v1/agents", Some("ahk_wrong"), None).await.status, 429);
    assert_eq!(browser.sign_in(ADMIN_KEY, "").await.status, 303, "a right key is never refused for them");
    server.clock.advance(Duration::from_secs(wait));
    assert_eq!(Browser::new(&server).sign_in("ahk_wrong", "").await.status, 401, "as it said");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_it_is_not_used_for_long_and_in_the_end_always() {
    let server = Server::with(Setup { clock: Clock::manual(), worker: false, ..Setup::default() }).await;
    let idle = Browser::signed_in(&server, ADMIN_KEY).await;
    server.clock.advance(HOUR * 12 - Duration::from_secs(1));
    idle.sees("/").await;
    server.clock.advance(HOUR * 12 - Duration::from_secs(1));
    idle.sees("/").await;
    server.clock.advance(HOUR * 12);
    assert_eq!(idle.get("/").await.status, 303);

    let busy = Browser::signed_in(&server, ADMIN_KEY).await;
    for _ in 0..16 {
        server.clock.advance(HOUR * 10);
        busy.sees("/").await;
    }
    server.clock.advance(HOUR * 8);
    assert_eq!(busy.get("/").await.status, 303, "a week");
    let rows = async || server.database.contents().await.get("sessions.token_hash").map_or(0, Vec::len);
    let before = rows().await;
    Browser::signed_in(&server, ADMIN_KEY).await;
    assert_eq!(rows().await, before, "one begins, and one that has ended is deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_ends_its_sessions_at_once_in_all_processes() {
    let (one, other) = match two(None).await {
        Some((one, other)) => (one, Some(other)),
        None => (Server::without_worker().await, None),
    };
    one.tenant(json!({"tenant_id": "acme"})).await;
    let key = one.key("operator", "acme").await;
    let here = Browser::signed_in(&one, key["key"].as_str().expect("a key")).await;
    let there = here.at(other.as_ref().unwrap_or(&one));
    there.sees("/executions").await;
    let path = format!("/api/v1/keys/{}", key["key_id"].as_str().expect("an id"));
    one.expect(204, "DELETE", &path, None).await;
    for browser in [&there, &here] {
        assert_eq!(browser.get("/executions").await.status, 303);
    }
    assert!(there.sees("/sign-in").await.has("Your session has ended"));
}

#[tokio::test(flavor = "multi_thread")]
async fn over_https_the_cookie_is_for_https_and_this_host_alone() {
    let public_url = Some("https://hooks.example.com/agents/".to_owned());
    let args = SettingsArgs { public_url, ..SettingsArgs::default() };
    let server = Server::with(Setup { args, worker: false, ..Setup::default() }).await;
    let browser = Browser::new(&server);
    let from = [("origin", "https://hooks.example.com")];
    let page = browser.post_from("/sign-in", &[("key", ADMIN_KEY), ("next", "/executions")], &from).await;
    let cookie = page.header("set-cookie");
    assert!(cookie.starts_with("__Host-agenthook=") && cookie.contains("; Secure"), "{cookie}");
    assert_eq!(page.header("location"), "/agents/executions", "and addresses have the path");
    let page = browser.sees("/executions").await;
    for address in ["href=\"/agents/assets/style-", "action=\"/agents/sign-out\"", "href=\"/agents/agents\""]
    {
        assert!(page.has(address), "{address}: {}", page.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_in_the_database() {
    let server = Server::without_worker().await;
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let cookie = browser.cookie.lock().expect("nobody panicked").clone().expect("a cookie");
    let token = cookie.split_once('=').expect("a value").1.to_owned();
    assert!(token.len() >= 43, "256 bits: {token}");
    let csrf = browser.csrf().await;
    for (place, bytes) in server.database.contents().await {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&token) && !text.contains(&csrf), "{place}");
    }
}
