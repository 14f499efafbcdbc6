//! Each refusal leads to a page that says what it means and what to do.

use agenthook::config::SettingsArgs;
use agenthook::pages::pages;
use serde_json::json;

use crate::harness::{ADMIN_KEY, Server, Setup};

#[tokio::test(flavor = "multi_thread")]
async fn the_type_of_a_refusal_is_the_address_of_its_page() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let path = format!("/api/v1/agents/{}", agent.id);
    server.expect(200, "PATCH", &path, Some(json!({"status": "paused"}))).await;
    let mut seen = Vec::new();
    for (method, path, key, body) in [
        ("GET", "/api/v1/tenants", None, None),
        ("GET", "/nowhere", None, None),
        ("PUT", "/healthz", None, None),
        ("POST", "/api/v1/tenants", Some(ADMIN_KEY), Some("{")),
        ("POST", "/api/v1/tenants", Some(ADMIN_KEY), Some("{}")),
    ] {
        let answer = server.ask(method, path, key, body.map(str::to_owned)).await;
        seen.push((answer.body["type"].clone(), answer.body["code"].clone()));
    }
    let paused = agent.post("{}").await;
    seen.push((paused.body["type"].clone(), paused.body["code"].clone()));
    assert_eq!(seen.last().expect("one").1, "agent_not_active");
    for (address, code) in seen {
        let (address, code) = (address.as_str().expect("an address"), code.as_str().expect("a code"));
        assert_eq!(address, format!("{}/errors/{code}", server.url));
        let page = server.http.get(address).send().await.expect("an answer");
        assert_eq!(page.status(), 200, "{address}");
        assert!(
            page.text().await.expect("text").contains(&format!("<h1><code>{code}</code>: ")),
            "{address}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_there_for_everybody_and_run_nothing() {
    let server = Server::start().await;
    let list = server.http.get(format!("{}/errors/", server.url)).send().await.expect("an answer");
    assert_eq!(list.status(), 200);
    let list = list.text().await.expect("text");
    let mut addresses = vec!["/errors".to_owned(), "/errors/style.css".to_owned()];
    for page in pages() {
        let address = format!("/errors/{}", page.code);
        assert!(list.contains(&format!("href=\"{address}\"")), "the list lacks {address}");
        addresses.push(address);
    }
    for address in addresses {
        let answer = server.http.get(format!("{}{address}", server.url)).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{address}");
        let header = |name: &str| answer.headers()[name].to_str().expect("text").to_owned();
        let kind = if address.ends_with(".css") { "text/css" } else { "text/html" };
        assert_eq!(header("content-type"), format!("{kind}; charset=utf-8"));
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert!(header("content-security-policy").starts_with("default-src 'none'; style-src 'self';"));
        assert!(!answer.text().await.expect("text").contains("<script"), "{address}");
    }
    for code in ["nothing", "README", "malformed_json.md", "..%2Ferrors", "%3Cscript%3E"] {
        let answer = server.ask("GET", &format!("/errors/{code}"), None, None).await;
        assert_eq!((answer.status, &answer.body["code"]), (404, &json!("not_found")), "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_path_the_addresses_have_it() {
    let public_url = Some("https://hooks.example.com/agents/".to_owned());
    let args = SettingsArgs { public_url, ..SettingsArgs::default() };
    let server = Server::with(Setup { args, ..Setup::default() }).await;
    let answer = server.ask("GET", "/nowhere", None, None).await;
    assert_eq!(answer.body["type"], "https://hooks.example.com/agents/errors/not_found");
    let page = server.http.get(format!("{}/errors/not_found", server.url)).send().await.expect("an answer");
    let page = page.text().await.expect("text");
    assert!(page.contains("href=\"/agents/errors/style.css\""), "{page}");
    assert!(page.contains("href=\"/agents/errors\""), "{page}");
}
