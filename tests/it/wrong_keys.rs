//! Guessing API keys: after twenty wrong ones in a minute an address hears nothing more, and a right key always.

use std::time::Duration;

use agenthook::clock::Clock;
use agenthook::config::SettingsArgs;

use crate::harness::{ADMIN_KEY, Server, Setup};

async fn with(trusted_proxies: Option<&str>) -> Server {
    let args = SettingsArgs { trusted_proxies: trusted_proxies.map(Into::into), ..SettingsArgs::default() };
    Server::with(Setup { clock: Clock::manual(), args, ..Setup::default() }).await
}

/// Asks with a key, as somebody that a proxy names; the status and `Retry-After`.
async fn ask(server: &Server, key: &str, forwarded_for: Option<&str>) -> (u16, Option<String>) {
    let mut request = server.http.get(format!("{}/api/v1/agents", server.url)).bearer_auth(key);
    if let Some(address) = forwarded_for {
        request = request.header("x-forwarded-for", address);
    }
    let answer = request.send().await.expect("the server answers");
    let wait = answer.headers().get("retry-after").map(|value| value.to_str().expect("text").to_owned());
    (answer.status().as_u16(), wait)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_twenty_first_wrong_key_of_a_minute_is_refused_and_a_right_one_never() {
    let server = with(None).await;
    for n in 1..=20 {
        // Who says to be another each time is not believed.
        let claim = format!("198.51.100.{n}");
        let (status, wait) = ask(&server, &format!("ahk_wrong-{n:030}"), Some(&claim)).await;
        assert_eq!((status, wait), (401, None), "{n}");
    }
    let (status, wait) = ask(&server, "ahk_wrong-0000000000000000000000000021", Some("203.0.113.1")).await;
    let seconds: u32 = wait.expect("Retry-After").parse().expect("seconds");
    assert!(status == 429 && (1..=60).contains(&seconds), "{status} {seconds}");
    let problem = server.ask("GET", "/api/v1/agents", Some("ahk_wrong"), None).await;
    assert_eq!((problem.status, problem.body["code"].as_str()), (429, Some("too_many_requests")));
    assert_eq!(ask(&server, ADMIN_KEY, None).await.0, 200, "a right key is never refused for them");
    // Without a key nothing is guessed.
    assert_eq!(server.ask("GET", "/api/v1/agents", None, None).await.status, 401);

    server.clock.advance(Duration::from_secs(u64::from(seconds)));
    assert_eq!(ask(&server, "ahk_wrong", None).await.0, 401, "as it said");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_trusted_proxy_each_client_counts_for_itself() {
    let server = with(Some("127.0.0.0/8")).await;
    for n in 1..=20 {
        // What the client itself wrote before the proxy's part is no more than a claim.
        let said = format!("198.51.100.{n}, 203.0.113.9");
        assert_eq!(ask(&server, "ahk_wrong", Some(&said)).await.0, 401);
    }
    assert_eq!(ask(&server, "ahk_wrong", Some("203.0.113.9")).await.0, 429);
    assert_eq!(ask(&server, "ahk_wrong", Some("203.0.113.10")).await.0, 401, "a neighbor");
    assert_eq!(ask(&server, ADMIN_KEY, Some("203.0.113.9")).await.0, 200);
    let made = server.agent().await;
    let path = format!("{}/api/v1/agents/{}", server.url, made.id);
    let request = server.http.delete(path).bearer_auth(ADMIN_KEY).header("x-forwarded-for", "203.0.113.9");
    assert_eq!(request.send().await.expect("the server answers").status().as_u16(), 204);
    let log = server.get("/api/v1/audit?action=agent.deleted").await;
    assert_eq!(log["audit"][0]["actor"]["address"], "203.0.113.9");
}
