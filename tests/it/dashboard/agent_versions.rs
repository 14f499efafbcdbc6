//! An agent's versions: what each has changed, and the way back.

use serde_json::json;

use super::Browser;
use crate::harness::{ADMIN_KEY, Server};

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_compared_and_restored() {
    let server = Server::without_worker().await;
    let agent = server.agent_with(json!({"system_prompt": "one\ntwo\nthree"})).await;
    let path = format!("/api/v1/agents/{}", agent.id);
    let second = json!({"system_prompt": "one\n2 < 3\nthree", "llm_config": {"temperature": 0.5}});
    server.expect(200, "PATCH", &path, Some(second)).await;
    server.expect(200, "PATCH", &path, Some(json!({"name": "Renamed"}))).await;
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let pages = format!("/agents/{}/versions", agent.id);
    let list = browser.sees(&pages).await;
    for version in 1..=3 {
        assert!(list.has(&format!("href=\"{pages}/{version}\">{version}</a>")), "{}", list.text);
    }
    let third = browser.sees(&format!("{pages}/3")).await;
    let line = |element: &str, sign: &str, text: &str| format!("<{element}>{sign} {text}</{element}>");
    let renamed = [
        line("del", "-", "  &#34;name&#34;: &#34;Triage&#34;,"),
        line("ins", "+", "  &#34;name&#34;: &#34;Renamed&#34;,"),
    ];
    for part in
        renamed.iter().map(String::as_str).chain(["From version 2 to version 3", "one\n2 &#60; 3\nthree"])
    {
        assert!(third.has(part), "{part}: {}", third.text);
    }
    assert!(!third.has("restore"), "it is the present one");
    let all = browser.sees(&format!("{pages}/3?from=1")).await;
    for part in
        [&line("del", "-", "two"), &line("ins", "+", "2 &#60; 3"), &line("span", " ", "one"), &renamed[0]]
    {
        assert!(all.has(part), "{part}: {}", all.text);
    }
    assert!(browser.sees(&format!("{pages}/3?from=3")).await.has("Both are the same."));
    let first = browser.sees(&format!("{pages}/1")).await;
    assert!(first.has("It is the first."), "{}", first.text);
    for none in ["0", "4", "x", "99999999999", "1?from=9"] {
        assert_eq!(browser.get(&format!("{pages}/{none}")).await.status, 404, "{none}");
    }

    let restored = browser.press(&first, &format!("{pages}/1/restore")).await;
    assert_eq!(restored.header("location"), format!("/agents/{}?done=restored", agent.id));
    let (now, then) = (server.get(&path).await, server.get(&format!("{path}/versions/1")).await);
    for setting in ["name", "system_prompt", "llm_config", "trigger", "retry", "status", "timeout_seconds"] {
        assert_eq!(now[setting], then[setting], "{setting}");
    }
    assert_eq!(now["version"], 4);
    assert_eq!(agent.post("{}").await.status, 202, "its secret is the same");
    // The page is of version 3.
    assert_eq!(browser.press(&first, &format!("{pages}/1/restore")).await.status, 412);
    let first = browser.sees(&format!("{pages}/1")).await;
    let again = browser.press(&first, &format!("{pages}/1/restore")).await;
    assert!(browser.sees(again.header("location")).await.has("Nothing was changed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_paged() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let path = format!("/api/v1/agents/{}", agent.id);
    for n in 2..=21 {
        server.expect(200, "PATCH", &path, Some(json!({"name": format!("Name {n}.")}))).await;
    }
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let first = browser.sees(&format!("/agents/{}/versions", agent.id)).await;
    assert!(first.has(">Name 21.<") && first.has(">Name 2.<") && !first.has(">Triage<"), "{}", first.text);
    let next = first.text.split("rel=\"next\" href=\"").nth(1).and_then(|rest| rest.split('"').next());
    let last = browser.sees(&next.expect("a link").replace("&#38;", "&")).await;
    assert!(last.has(">Triage<") && !last.has("rel=\"next\""), "{}", last.text);
}
