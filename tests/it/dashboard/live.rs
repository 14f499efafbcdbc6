//! Pages that look again when something has changed: what tells them so, and for whom.

use serde_json::json;

use super::{Browser, Things};
use crate::harness::{ADMIN_KEY, Following, Server};

impl Browser {
    /// A request of this browser's script.
    fn asks(&self, path: &str) -> reqwest::RequestBuilder {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        let request = http.expect("a client").get(format!("{}{path}", self.url));
        match self.cookie.lock().expect("nobody panicked").clone() {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_executions_name_their_streams_while_there_is_something_to_tell() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let id = agent.accepted("1").await;
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let live = |text: &str| {
        let address = text.split("data-live=\"").nth(1).and_then(|rest| rest.split('"').next());
        address.map(|address| address.replace("&#38;", "&"))
    };
    let page = browser.sees("/executions?tenant_id=acme&agent_id=&status=queued&from=2020-01-01T00:00").await;
    assert!(page.has("aria-pressed=\"true\" hidden>Live</button><span role=\"status\" data-live-note>"));
    assert_eq!(page.text.matches("data-live-part").count(), 1);
    let address = live(&page.text).expect("it is live");
    assert_eq!(address, "/executions/stream?tenant_id=acme", "whatever leaves a state leaves its list");
    let mut stream = Following::open(browser.asks(&address)).await;
    let one = browser.sees(&format!("/executions/{id}")).await;
    let mut of_one = Following::open(browser.asks(&live(&one.text).expect("it is live"))).await;
    of_one.sees(&id, "queued").await;
    browser.press(&one, &format!("/executions/{id}/cancel")).await;
    assert_eq!(stream.next().await.event, "execution.cancelled");
    let (messages, _) = of_one.ends().await;
    assert_eq!(messages.last().expect("an end").event, "end");
    for path in [format!("/executions/{id}"), "/executions?q=1".into(), format!("/executions?cursor={id}")] {
        assert_eq!(live(&browser.sees(&path).await.text), None, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_for_whoever_is_signed_in_and_for_as_long() {
    let server = Server::start().await;
    let things = Things::on(&server).await;
    let one = things.path("/executions/{execution_id}/stream");
    for path in ["/executions/stream", &one] {
        let answer = Browser::new(&server).asks(path).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 303, "{path}");
    }
    server.tenant(json!({"tenant_id": "other"})).await;
    let stranger = Browser::signed_in(&server, &server.api_key("operator", "other").await).await;
    assert_eq!(stranger.asks(&one).send().await.expect("an answer").status().as_u16(), 404);
    let theirs = Following::open(stranger.asks("/executions/stream?last_event_id=1")).await;
    let viewer = Browser::signed_in(&server, &server.api_key("viewer", "acme").await).await;
    let mut own = Following::open(viewer.asks("/executions/stream")).await;
    let id = things.agent.accepted("7").await;
    while own.next().await.data["execution_id"] != id.as_str() {}
    for (browser, stream, tenant_id) in [(stranger, theirs, "other"), (viewer, own, "acme")] {
        let csrf = browser.csrf().await;
        assert_eq!(browser.post("/sign-out", &[("csrf", &csrf)]).await.status, 303);
        let (messages, comments) = stream.ends().await;
        for message in &messages {
            let is_reset = message.event == "reset" && message.data.get("execution_id").is_none();
            assert!(is_reset || message.data["tenant_id"] == tenant_id, "{message:?}");
        }
        assert!(comments.iter().any(|comment| comment.contains("not valid any more")), "{comments:?}");
    }
}
