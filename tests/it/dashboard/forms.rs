//! Forms of other sites, and forms without the session's token, do nothing.

use super::{Browser, Things, routes};
use crate::harness::{ADMIN_KEY, Server};

#[tokio::test(flavor = "multi_thread")]
async fn a_button_takes_the_token_of_its_session_and_a_page_of_ours() {
    let server = Server::start().await;
    let things = Things::on(&server).await;
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let other = Browser::signed_in(&server, ADMIN_KEY).await;
    let (csrf, others) = (browser.csrf().await, other.csrf().await);
    assert_ne!(csrf, others);
    assert!(routes("post").len() >= 10);
    let url = server.url.clone();
    for pattern in routes("post") {
        let path = things.path(pattern);
        for fields in [&[][..], &[("csrf", "")], &[("csrf", others.as_str())], &[("csrf", &csrf[1..])]] {
            let page = browser.post(&path, fields).await;
            assert_eq!(page.status, 403, "{path} {fields:?}");
            assert!(page.has("of an earlier session"), "{}", page.text);
        }
        let right = [("csrf", csrf.as_str())];
        for from in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "https://evil.example")],
            &[("origin", "http://127.0.0.1:1")],
            &[("sec-fetch-site", "cross-site"), ("origin", url.as_str())],
            &[("sec-fetch-site", "same-site"), ("origin", url.as_str())],
            &[("sec-fetch-site", "none")],
        ] {
            let page = browser.post_from(&path, &right, from).await;
            assert_eq!(page.status, 403, "{path} {from:?}");
            assert!(page.has("did not come from this site"), "{}", page.text);
        }
    }
    let still = server.trace(&things.execution_id).await;
    assert_eq!((&still["status"], &still["run"]), (&"failed".into(), &1.into()), "nothing has happened");
    assert_eq!(server.executions().await.len(), 1);
    browser.sees("/").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_signed_in_by_another_site() {
    let server = Server::without_worker().await;
    let browser = Browser::new(&server);
    for from in [&[][..], &[("origin", "https://evil.example")], &[("sec-fetch-site", "cross-site")]] {
        let page = browser.post_from("/sign-in", &[("key", ADMIN_KEY)], from).await;
        assert_eq!(page.status, 403, "{from:?}");
        assert!(page.headers.get("set-cookie").is_none());
    }
    let page =
        browser.post_from("/sign-in", &[("key", ADMIN_KEY)], &[("sec-fetch-site", "same-origin")]).await;
    assert_eq!(page.status, 303);
    // A key in an address would be in logs.
    assert_eq!(Browser::new(&server).get(&format!("/sign-in?key={ADMIN_KEY}")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_as_something_else_is_no_form() {
    let server = Server::without_worker().await;
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let body = format!("csrf={}", browser.csrf().await);
    let cookie = browser.cookie.lock().expect("nobody panicked").clone().expect("signed in");
    for kind in ["text/plain", "multipart/form-data; boundary=x", "application/json", ""] {
        let request = server.http.post(format!("{}/sign-out", server.url)).header("cookie", &cookie);
        let request = request.header("origin", &server.url).header("content-type", kind);
        let answer = request.body(body.clone()).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 415, "{kind}");
    }
    browser.sees("/").await;
    let page = browser.post("/sign-out", &[("csrf", &browser.csrf().await)]).await;
    assert_eq!(page.status, 303);
}
