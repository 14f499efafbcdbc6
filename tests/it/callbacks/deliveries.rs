//! The end of a run is told where its sender wanted it, signed and in time.

use std::time::Duration;

use agenthook::model::{SchemeName, SecretEncoding, Time};
use agenthook::signature::{Request, Scheme};
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{HEADER, calling, path};
use crate::harness::{Server, completion, error, eventually};

/// A receiver of callbacks on this machine, which answers with these statuses, the last one from then on.
async fn receiver(statuses: &[u16]) -> MockServer {
    let receiver = MockServer::start().await;
    let (last, first) = statuses.split_last().expect("a status");
    for status in first {
        let once = Mock::given(any()).respond_with(ResponseTemplate::new(*status)).up_to_n_times(1);
        once.mount(&receiver).await;
    }
    Mock::given(any()).respond_with(ResponseTemplate::new(*last)).mount(&receiver).await;
    receiver
}

async fn received(receiver: &MockServer, count: usize) -> Vec<wiremock::Request> {
    eventually("callbacks come", async || {
        receiver.received_requests().await.filter(|requests| requests.len() >= count)
    })
    .await
}

fn body(request: &wiremock::Request) -> Value {
    serde_json::from_slice(&request.body).expect("JSON")
}

/// Whether it is signed with this secret, both ways.
fn is_signed(request: &wiremock::Request, secret: &Value, now: Time) -> bool {
    let headers: Vec<(String, Vec<u8>)> =
        request.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    let secret = secret.as_str().expect("a secret").into();
    let ways =
        [(SchemeName::XWebhook, SecretEncoding::Utf8), (SchemeName::StandardWebhooks, SecretEncoding::Whsec)];
    ways.into_iter().all(|(name, encoding)| {
        let scheme = Scheme::of(name, None).expect("a preset");
        let key = scheme.key(&secret, encoding).expect("a key");
        let request = Request { headers: headers.as_slice(), body: &request.body, url: "", now };
        scheme.verify([((), &key)], &request).is_ok()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_are_told_signed_and_each_run_its_own() {
    let server = Server::start().await;
    let receiver = receiver(&[200]).await;
    let (agent, secret) = calling(&server, json!(["127.0.0.1"])).await;
    let url = format!("{}/done?token=t0ken", receiver.uri());
    server.llm.answers(error(400, "bad_request", "no"));
    let answer = agent.post_with(r#"{"ticket_id":7}"#, &[(HEADER, &url)]).await;
    let id = answer.execution_id();
    server.ended(&id).await;
    let failed = received(&receiver, 1).await.remove(0);
    assert_eq!((failed.url.path(), failed.url.query()), ("/done", Some("token=t0ken")));
    let told = body(&failed);
    assert_eq!(told["event_type"], "execution.failed");
    assert_eq!((&told["data"]["execution_id"], &told["data"]["run"]), (&json!(id), &json!(1)));
    assert!(is_signed(&failed, &secret, server.clock.now()), "{:?}", failed.headers);
    assert!(!is_signed(
        &failed,
        &json!("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        server.clock.now()
    ));

    // Another run calls back again.
    server.llm.answers(completion("fine"));
    server.expect(202, "POST", &format!("/api/v1/executions/{id}/retry"), None).await;
    server.ended(&id).await;
    let requests = received(&receiver, 2).await;
    let told = body(&requests[1]);
    assert_eq!((&told["event_type"], &told["data"]["run"]), (&json!("execution.completed"), &json!(2)));
    assert_eq!(told["data"]["output"], "fine");
    assert_ne!(told["event_id"], body(&requests[0])["event_id"]);

    // A replay does not, nor does a hook that does not ask for it, nor a cancelled one.
    let replay = server.expect(202, "POST", &format!("/api/v1/executions/{id}/replay"), None).await;
    server.ended(replay["execution_id"].as_str().expect("an id")).await;
    server.ended(&agent.accepted("2").await).await;
    // The next that asks is told after them.
    let last = agent.post_with("3", &[(HEADER, &url)]).await.execution_id();
    let requests = received(&receiver, 3).await;
    assert_eq!((requests.len(), &body(&requests[2])["data"]["execution_id"]), (3, &json!(last)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_receiver_that_fails_is_tried_again_and_keeps_back_no_other() {
    let server = Server::with_manual_clock().await;
    let (broken, gone, well) = (receiver(&[500, 200]).await, receiver(&[410]).await, receiver(&[200]).await);
    let (agent, secret) = calling(&server, json!(["127.0.0.1"])).await;
    // More failures in a row than open a circuit.
    for n in 0..7 {
        agent.post_with(format!("[{n}]"), &[(HEADER, &format!("{}/gone", gone.uri()))]).await;
    }
    received(&gone, 7).await;
    agent.post_with("1", &[(HEADER, &broken.uri())]).await;
    let first = received(&broken, 1).await.remove(0);
    agent.post_with("2", &[(HEADER, &well.uri())]).await;
    received(&well, 1).await;
    server.clock.advance(Duration::from_secs(331));
    let second = received(&broken, 2).await.remove(1);
    let (first, again) = (body(&first), body(&second));
    assert_eq!(first["event_id"], again["event_id"]);
    assert_eq!((&first["retry_count"], &again["retry_count"]), (&json!(0), &json!(1)));
    assert!(is_signed(&second, &secret, server.clock.now()));
    // 410 ended those deliveries, and nothing else.
    assert_eq!(gone.received_requests().await.expect("recorded").len(), 7);
    let rotate = format!("{}/callback-secret/rotate", path(&agent));
    let rotated = server.expect(200, "POST", &rotate, Some(json!({"overlap_seconds": 0}))).await;
    let endpoint = format!("/api/v1/webhooks/{}", rotated["webhook_id"].as_str().expect("an id"));
    assert_eq!(server.get(&endpoint).await["status"], "active");
    agent.post_with("3", &[(HEADER, &well.uri())]).await;
    let last = received(&well, 2).await.remove(1);
    assert!(
        is_signed(&last, &rotated["callback_secret"], server.clock.now()),
        "the new secret signs at once"
    );
    assert!(!is_signed(&last, &secret, server.clock.now()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_beside_an_endpoint_that_subscribes() {
    let server = Server::start().await;
    let (calls, subscribes) = (receiver(&[200]).await, receiver(&[200]).await);
    let (agent, _) = calling(&server, json!(["127.0.0.1"])).await;
    let endpoint = json!({"tenant_id": "acme", "url": subscribes.uri(), "events": ["execution.*"]});
    server.expect(201, "POST", "/api/v1/webhooks", Some(endpoint)).await;
    let id = agent.post_with("1", &[(HEADER, &calls.uri())]).await.execution_id();
    server.ended(&id).await;
    let called = body(&received(&calls, 1).await[0]);
    let told = received(&subscribes, 3).await;
    let end =
        told.iter().map(body).find(|told| told["event_type"] == "execution.completed").expect("the end");
    assert_eq!((&end["event_id"], &end["data"]), (&called["event_id"], &called["data"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timeline_tells_who_was_told_and_how_it_went() {
    let server = Server::with_manual_clock().await;
    let (calls, subscribes) = (receiver(&[500, 200]).await, receiver(&[200]).await);
    let (agent, _) = calling(&server, json!(["127.0.0.1"])).await;
    let endpoint = json!({"tenant_id": "acme", "url": subscribes.uri(), "events": ["execution.completed"]});
    let endpoint = server.expect(201, "POST", "/api/v1/webhooks", Some(endpoint)).await;
    let url = format!("{}/t0ken", calls.uri());
    let id = agent.post_with("1", &[(HEADER, &url)]).await.execution_id();
    server.ended(&id).await;
    let timeline = async |event: &str, count: usize| {
        eventually(&format!("{count} {event} are told"), async || {
            let told = server.get(&format!("/api/v1/executions/{id}/timeline")).await;
            let told: Vec<Value> = told["timeline"].as_array().expect("a list").clone();
            (told.iter().filter(|entry| entry["event"] == event).count() == count).then_some(told)
        })
        .await
    };
    let told = timeline("delivery_failed", 1).await;
    let failed = told.iter().find(|entry| entry["event"] == "delivery_failed").expect("it failed");
    assert_eq!((&failed["status_code"], &failed["attempt"]), (&json!(500), &json!(1)));
    assert_eq!(failed["delivery_error"]["code"], "status");
    assert!(
        failed["due_at"].is_string()
            && failed["message"].as_str().is_some_and(|m| m.contains("callback URL"))
    );
    server.clock.advance(Duration::from_secs(331));
    let told = timeline("delivery_succeeded", 2).await;
    let count = |event: &str| told.iter().filter(|entry| entry["event"] == event).count();
    assert_eq!((count("event_published"), count("delivery_created"), count("delivery_failed")), (1, 2, 1));
    let end = told.iter().position(|entry| entry["event"] == "succeeded").expect("it ended");
    assert_eq!(told[end + 1]["event"], "event_published");
    let to = |webhook: &Value| told.iter().filter(|entry| entry["webhook_id"] == *webhook).count();
    assert_eq!(to(&endpoint["webhook_id"]), 2, "made, and taken");
    let text = serde_json::to_string(&told).expect("JSON");
    assert!(!text.contains("t0ken") && !text.contains(&calls.uri()), "{text}");
    let shown = crate::harness::User::of(&server).run(&["executions", "timeline", &id]).await.good();
    assert!(
        shown.contains("delivery_failed") && shown.contains("execution.completed was published"),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_execution_a_callback_ends_and_says_why() {
    let server = Server::with_manual_clock().await;
    let calls = receiver(&[500]).await;
    let (agent, _) = calling(&server, json!(["127.0.0.1"])).await;
    agent.post_with("1", &[(HEADER, &calls.uri())]).await;
    received(&calls, 1).await;
    let rotate = format!("{}/callback-secret/rotate", path(&agent));
    let endpoint = server.expect(200, "POST", &rotate, None).await["webhook_id"].clone();
    let endpoint = format!("/api/v1/webhooks/{}", endpoint.as_str().expect("an id"));
    let newest = async |status: &str| {
        eventually(&format!("it is {status}"), async || {
            let page = server.get(&format!("{endpoint}/deliveries")).await;
            Some(page["deliveries"][0].clone()).filter(|newest| newest["status"] == status)
        })
        .await
    };
    newest("failed").await;
    server.database.sql("DELETE FROM callbacks").await;
    server.clock.advance(Duration::from_secs(331));
    assert_eq!(newest("exhausted").await["error"]["code"], "callback_gone");
    assert_eq!(calls.received_requests().await.expect("recorded").len(), 1);
}
