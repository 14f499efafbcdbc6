//! A viewer sees no secret and has no button, and presses none that is not there.

use super::{Browser, Things, is_a_form, is_for_admins, routes};
use crate::harness::{ADMIN_KEY, Server};

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_everything_but_secrets_and_has_no_button() {
    let server = Server::start().await;
    let things = Things::on(&server).await;
    let viewer = Browser::signed_in(&server, &server.api_key("viewer", "acme").await).await;
    let operator = Browser::signed_in(&server, &server.api_key("operator", "acme").await).await;
    let admin = Browser::signed_in(&server, ADMIN_KEY).await;
    let mask = format!("{}…", &things.agent.secret[..4]);
    for pattern in routes("get").into_iter().filter(|path| !is_for_admins(path) && !is_a_form(path)) {
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
async fn forms_are_for_those_who_may_send_them() {
    let server = Server::start().await;
    let things = Things::on(&server).await;
    let viewer = Browser::signed_in(&server, &server.api_key("viewer", "acme").await).await;
    let operator = Browser::signed_in(&server, &server.api_key("operator", "acme").await).await;
    let admin = Browser::signed_in(&server, ADMIN_KEY).await;
    // Of single keys who is no admin hears nothing.
    let refused = |pattern: &str| if pattern.starts_with("/keys/{") { 404 } else { 403 };
    let forms = routes("get").into_iter().filter(|path| is_for_admins(path) || is_a_form(path));
    for pattern in forms {
        let path = things.path(pattern);
        assert_eq!(viewer.get(&path).await.status, refused(pattern), "{path}");
        let page = operator.get(&path).await;
        assert_eq!(page.status, if is_for_admins(pattern) { refused(pattern) } else { 200 }, "{path}");
        let page = admin.sees(&path).await;
        assert_eq!(page.forms().len() > 1, pattern != "/keys", "{path}: {}", page.text);
    }
    // A link that is shown leads somewhere.
    for (browser, sees_keys) in [(&viewer, false), (&operator, false), (&admin, true)] {
        let page = browser.sees("/").await;
        let nav = page.text.split("<nav").nth(1).and_then(|rest| rest.split("</nav>").next()).expect("one");
        let links: Vec<_> = nav.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!((links.len() >= 7, links.contains(&"/keys")), (true, sees_keys), "{links:?}");
        for link in links {
            let page = browser.sees(link).await;
            for path in ["/new-tenant", "/webhooks/new", "/events/new", "/keys/new"] {
                let shown = page.has(&format!("href=\"{path}\""));
                assert!(!shown || browser.get(path).await.status == 200, "{link} leads to {path}");
            }
        }
    }
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
        // Of single keys who is no admin hears nothing.
        if pattern == "/keys/{key_id}/delete" {
            assert_eq!(page.status, 404, "{pattern}: {}", page.text);
            continue;
        }
        assert_eq!(page.status, 403, "{pattern}: {}", page.text);
        let why = ["a viewer&#39;s key reads and changes nothing", "this takes an admin&#39;s key"];
        assert!(why.iter().any(|why| page.has(why)), "{}", page.text);
        assert!(page.has("href=\"/errors/forbidden\""));
    }
    assert_eq!(server.executions().await.len(), 1);
}
