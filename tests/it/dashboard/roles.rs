//! A viewer sees no secret and has no button, and presses none that is not there.

use super::{Browser, Things, routes};
use crate::harness::{ADMIN_KEY, Server};

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_everything_but_secrets_and_has_no_button() {
    let server = Server::start().await;
    let things = Things::on(&server).await;
    let viewer = Browser::signed_in(&server, &server.api_key("viewer", "acme").await).await;
    let operator = Browser::signed_in(&server, &server.api_key("operator", "acme").await).await;
    let admin = Browser::signed_in(&server, ADMIN_KEY).await;
    let mask = format!("{}…", &things.agent.secret[..4]);
    for pattern in routes("get") {
        let path = things.path(pattern);
        if ["/new", "/edit", "/test"].iter().any(|form| pattern.ends_with(form)) {
            let page = viewer.get(&path).await;
            assert_eq!(page.status, 403, "{path}: {}", page.text);
            assert!(page.has("a viewer&#39;s key reads and changes nothing"), "{}", page.text);
            assert!(operator.sees(&path).await.forms().len() > 1, "{path}");
            continue;
        }
        let seen = viewer.sees(&path).await;
        for form in ["/new\"", "/edit", "/test\"", "/secrets/"] {
            assert!(!seen.has(form), "{path} leads to {form}: {}", seen.text);
        }
        let actions: Vec<_> = seen.forms().into_iter().map(|form| form.action).collect();
        assert_eq!(actions, ["/sign-out"], "{path}");
        for browser in [&viewer, &operator, &admin] {
            let page = browser.sees(&path).await;
            assert!(!page.has(&things.agent.secret), "{path}");
            let shown = !std::ptr::eq(browser, &viewer) && pattern == "/agents/{agent_id}";
            assert_eq!(page.has(&mask), shown, "{path}");
        }
    }
    let path = things.path("/executions/{execution_id}");
    assert!(operator.sees(&path).await.forms().len() > 1, "an operator has buttons");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_changes_nothing() {
    let server = Server::start().await;
    let things = Things::on(&server).await;
    let viewer = Browser::signed_in(&server, &server.api_key("viewer", "acme").await).await;
    let csrf = viewer.csrf().await;
    for pattern in routes("post").into_iter().filter(|path| *path != "/sign-out") {
        let fields = match pattern.ends_with("/recover") {
            true => &[("csrf", csrf.as_str()), ("since", "2026-01-01T00:00"), ("until", "")][..],
            false => &[("csrf", csrf.as_str())],
        };
        let page = viewer.post(&things.path(pattern), fields).await;
        assert_eq!(page.status, 403, "{pattern}: {}", page.text);
        assert!(page.has("a viewer&#39;s key reads and changes nothing"), "{}", page.text);
        assert!(page.has("href=\"/errors/forbidden\""));
    }
    assert_eq!(server.executions().await.len(), 1);
}
