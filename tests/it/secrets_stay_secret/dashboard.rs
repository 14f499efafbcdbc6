//! Somebody who signs in to the dashboard, with a wrong key and a right one, and looks at every page that a link leads to.

use std::collections::BTreeSet;

use reqwest::header::{HeaderMap, LOCATION, SET_COOKIE};

use super::planted::{IN_A_PATH, REFUSED_KEY, SIGNING_SECRET, WRONG_ADMIN_KEY};
use super::world::World;

/// Pages that are looked at, at most: there are fewer.
const PAGES: usize = 2000;

/// A browser that was told to follow nothing by itself.
fn browser() -> reqwest::Client {
    let nowhere = reqwest::redirect::Policy::none();
    reqwest::Client::builder().no_proxy().redirect(nowhere).build().expect("a client")
}

/// What browsers send a form as.
const FORM: &str = "application/x-www-form-urlencoded";

async fn sign_in(world: &mut World, key: &str) -> HeaderMap {
    let body = format!("key={key}&next=");
    let request = browser().post(format!("{}/sign-in", world.url)).header("sec-fetch-site", "same-origin");
    let request = request.header("content-type", FORM).body(body);
    let answer = request.send().await.expect("an answer");
    let headers = answer.headers().clone();
    let mut seen = headers.clone();
    seen.remove(SET_COOKIE);
    world.answers.push(format!("{seen:?} {}", answer.text().await.expect("a whole answer")));
    headers
}

/// Forms with secrets in them that are not taken: what is typed comes back, and those do not.
async fn refused_forms(world: &mut World, cookie: &str) {
    let ask =
        |request: reqwest::RequestBuilder| request.header("cookie", cookie).header("accept", "text/html");
    let page = ask(browser().get(format!("{}/keys/new", world.url))).send().await.expect("an answer");
    let page = page.text().await.expect("a whole answer");
    let csrf =
        page.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("one");
    for (path, fields) in [
        (
            "/webhooks",
            &[("url", "no URL"), ("secret", SIGNING_SECRET), ("description", "typed and kept")][..],
        ),
        ("/tenants/with-key/llm-key", &[("key", REFUSED_KEY)]),
    ] {
        let body = url::form_urlencoded::Serializer::new(String::new());
        let body = { body }.append_pair("csrf", csrf).extend_pairs(fields).finish();
        let request = ask(browser().post(format!("{}{path}", world.url)).body(body));
        let request = request.header("sec-fetch-site", "same-origin").header("content-type", FORM);
        let answer = request.send().await.expect("an answer");
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["cache-control"].as_bytes()),
            (422, &b"no-store"[..])
        );
        let page = answer.text().await.expect("a whole answer");
        assert_eq!(page.contains("typed and kept"), path == "/webhooks", "{page}");
        world.answers.push(page);
    }
}

/// Looks at everything. Gives back the session's token.
pub async fn looked_at(world: &mut World) -> String {
    let refused = sign_in(world, WRONG_ADMIN_KEY).await;
    assert!(refused.get(SET_COOKIE).is_none() && refused.get(LOCATION).is_none());
    let key = world.admin_key.clone();
    let signed_in = sign_in(world, &key).await;
    let cookie = signed_in[SET_COOKIE].to_str().expect("text").split(';').next().expect("a pair").to_owned();
    let mut seen = BTreeSet::new();
    let mut left =
        vec!["/".to_owned(), format!("/executions?agent_id={IN_A_PATH}"), format!("/agents/{IN_A_PATH}")];
    while let Some(path) = left.pop() {
        if seen.len() >= PAGES || !seen.insert(path.clone()) {
            continue;
        }
        let request = browser().get(format!("{}{path}", world.url)).header("cookie", &cookie);
        let answer = request.header("accept", "text/html").send().await.expect("an answer");
        let page = format!("{:?} {}", answer.headers().clone(), answer.text().await.expect("a whole answer"));
        let links = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let ours = [
            "/agents",
            "/executions",
            "/hits",
            "/webhooks",
            "/events",
            "/tenants",
            "/new-tenant",
            "/keys",
            "/audit",
        ];
        left.extend(
            links
                .filter(|link| ours.iter().any(|part| link.starts_with(part)))
                .map(|link| link.replace("&#38;", "&")),
        );
        world.answers.push(page);
    }
    for part in [
        "/agents/",
        "/executions/",
        "/hits/",
        "/webhooks/",
        "/deliveries/",
        "/events/",
        "/tenants/",
        "/keys/",
        "/audit",
        "/edit",
        "/rotate",
        "/delete",
        "/new",
    ] {
        assert!(seen.iter().any(|path| path.contains(part)), "no link leads to {part}: {seen:?}");
    }
    assert!(seen.len() < PAGES, "all were looked at");
    refused_forms(world, &cookie).await;
    cookie.split_once('=').expect("a value").1.to_owned()
}
