//! The same delivery runs once, however often and however fast it is sent.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Agent, Answer, Server, completion, error};

const KEY: &str = "idempotency-key";
const DELIVERY: &str = "x-github-delivery";

async fn agent(server: &Server, dedupe: Value) -> Agent {
    server.agent_with(json!({"trigger": {"type": "webhook", "dedupe": dedupe}})).await
}

/// It is a new execution: its id.
fn new(answer: &Answer) -> String {
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("queued")), "{}", answer.text);
    answer.execution_id()
}

/// It is a repeat: the id of the execution that it repeats.
fn repeat(answer: &Answer) -> String {
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("duplicate")), "{}", answer.text);
    assert!(answer.body["message"].is_string(), "{}", answer.text);
    answer.execution_id()
}

fn mismatch(answer: &Answer) {
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (422, &json!("idempotency_mismatch")),
        "{}",
        answer.text
    );
    assert!(answer.body["execution_id"].is_null(), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_comes_again_is_the_same_delivery() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    for (header, id, next) in [(KEY, "1", "2"), (DELIVERY, "3", "4")] {
        let post = async |body: &'static str, id: &str| agent.post_with(body, &[(header, id)]).await;
        let first = new(&post("{}", id).await);
        for _ in 0..3 {
            assert_eq!(repeat(&post("{}", id).await), first);
        }
        mismatch(&post("[]", id).await);
        mismatch(&post("{} ", id).await);
        assert_ne!(new(&post("{}", next).await), first, "the id is what counts");
        assert_eq!(repeat(&post("{}", id).await), first);
    }
    let long = "x".repeat(4000);
    let first = new(&agent.post_with("{}", &[(KEY, &long)]).await);
    assert_eq!(repeat(&agent.post_with("{}", &[(KEY, &long)]).await), first);
    new(&agent.post_with("{}", &[(KEY, &long[1..])]).await);
    assert_eq!(server.executions().await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_senders_own_word_goes_first_and_an_empty_one_is_none() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    let first = new(&agent.post_with("{}", &[(KEY, "a"), (DELIVERY, "1")]).await);
    assert_eq!(repeat(&agent.post_with("{}", &[(DELIVERY, "2"), (KEY, "a")]).await), first);
    new(&agent.post_with("{}", &[(KEY, "b"), (DELIVERY, "1")]).await);
    let second = new(&agent.post_with("{}", &[(KEY, ""), (DELIVERY, "1")]).await);
    assert_eq!(repeat(&agent.post_with("{}", &[(DELIVERY, "1")]).await), second);
    // Neither is given: the body is the delivery.
    let third = new(&agent.post_with("{}", &[(KEY, "")]).await);
    assert_eq!(repeat(&agent.post("{}").await), third);
    // What looks like the hash of a body is an id all the same.
    new(&agent.post_with("{}", &[(KEY, "body:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o")]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_id_identical_bodies_are_one_for_five_minutes() {
    let server = Server::with_manual_clock().await;
    let agent = server.agent().await;
    let first = new(&agent.post("{}").await);
    let other = new(&agent.post("{ }").await);
    server.clock.advance(Duration::from_millis(299_999));
    assert_eq!(repeat(&agent.post("{}").await), first);
    server.clock.advance(Duration::from_millis(1));
    let second = new(&agent.post("{}").await);
    assert!(![&first, &other].contains(&&second));
    server.clock.advance(Duration::from_secs(200));
    assert_eq!(repeat(&agent.post("{}").await), second, "the new one has a window of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_is_the_agents() {
    let server = Server::with_manual_clock().await;
    let day = agent(&server, json!({})).await;
    let minute = agent(&server, json!({"by": "id", "window_seconds": 60})).await;
    let never = agent(&server, json!({"identical_seconds": 0})).await;
    for (agent, window) in [(&day, 86_400), (&minute, 60)] {
        let first = new(&agent.post_with("{}", &[(KEY, "1")]).await);
        server.clock.advance(Duration::from_secs(window - 1));
        assert_eq!(repeat(&agent.post_with("{}", &[(KEY, "1")]).await), first);
        server.clock.advance(Duration::from_secs(1));
        // The id is free again, for another body too.
        let second = new(&agent.post_with("[]", &[(KEY, "1")]).await);
        assert_eq!(repeat(&agent.post_with("[]", &[(KEY, "1")]).await), second);
    }
    assert_ne!(new(&never.post("{}").await), new(&never.post("{}").await));
    let first = new(&never.post_with("{}", &[(KEY, "1")]).await);
    assert_eq!(
        repeat(&never.post_with("{}", &[(KEY, "1")]).await),
        first,
        "an id is remembered all the same"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn by_body_the_senders_ids_mean_nothing() {
    let server = Server::with_manual_clock().await;
    let agent = agent(&server, json!({"by": "body", "window_seconds": 600})).await;
    let first = new(&agent.post_with("{}", &[(KEY, "1")]).await);
    assert_eq!(repeat(&agent.post_with("{}", &[(KEY, "2"), (DELIVERY, "3")]).await), first);
    assert_eq!(repeat(&agent.post("{}").await), first);
    new(&agent.post_with("[]", &[(KEY, "1")]).await);
    server.clock.advance(Duration::from_secs(599));
    assert_eq!(repeat(&agent.post("{}").await), first, "window_seconds holds, not identical_seconds");
    server.clock.advance(Duration::from_secs(1));
    new(&agent.post("{}").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_may_be_sent_again() {
    let server = Server::start().await;
    server.llm.answers_in_turn([error(400, "invalid_request_error", "no"), completion("now")]);
    let agent = server.agent().await;
    let post = async |body: &'static str| agent.post_with(body, &[(KEY, "1")]).await;
    let first = new(&post("{}").await);
    assert_eq!(server.ended(&first).await["status"], "failed");
    mismatch(&post("[]").await);
    let second = new(&post("{}").await);
    assert_ne!(second, first);
    assert_eq!(server.ended(&second).await["output"], "now");
    assert_eq!(repeat(&post("{}").await), second, "the id names the later one");
    mismatch(&post("[]").await);
    assert_eq!(server.trace(&first).await["status"], "failed", "the first one's history stays");
    assert_eq!(server.llm.calls().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_are_one() {
    let server = Server::start().await;
    let agents = [agent(&server, json!({})).await, agent(&server, json!({"by": "body"})).await];
    for round in 0..6 {
        let body = json!({ "round": round }).to_string();
        let round = round.to_string();
        // By id, by identical bodies, and both kinds of copies in one commit.
        for (agent, headers) in [(0, &[(KEY, round.as_str())][..]), (0, &[]), (1, &[])] {
            let posts = (0..50).map(|_| agents[agent].post_with(&body, headers));
            let answers = futures_util::future::join_all(posts).await;
            let accepted: Vec<_> = answers.iter().filter(|answer| answer.status == 202).collect();
            let [accepted] = accepted[..] else { panic!("{} were accepted", accepted.len()) };
            let id = new(accepted);
            for answer in answers.iter().filter(|answer| answer.status != 202) {
                assert_eq!(repeat(answer), id);
            }
            assert_eq!(server.ended(&id).await["status"], "success");
        }
    }
    assert_eq!((server.executions().await.len(), server.llm.calls().await.len()), (18, 18));
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_repeats_of_a_failure_are_one_new_run() {
    let server = Server::start().await;
    server.llm.answers(error(400, "invalid_request_error", "no"));
    let agent = server.agent().await;
    let mut ids = BTreeSet::new();
    for _ in 0..4 {
        let answers =
            futures_util::future::join_all((0..50).map(|_| agent.post_with("{}", &[(KEY, "1")]))).await;
        let accepted: Vec<_> = answers.iter().filter(|answer| answer.status == 202).collect();
        // A copy that came after the new run had failed too is a repeat of a failure in its turn.
        assert!(!accepted.is_empty());
        ids.extend(accepted.into_iter().map(new));
        for id in &ids {
            server.ended(id).await;
        }
        assert!(answers.iter().all(|answer| ids.contains(&answer.execution_id())));
    }
    let rows = server.executions().await;
    let unnamed: Vec<_> =
        rows.iter().filter(|row| !ids.contains(row["execution_id"].as_str().expect("an id"))).collect();
    assert!(unnamed.is_empty(), "rows that no sender was told of: {unnamed:#?}, beside {rows:#?}");
    assert_eq!(rows.len(), ids.len());
    assert_eq!(server.llm.calls().await.len(), ids.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_do_not_share_ids_and_a_change_of_one_forgets_none() {
    let server = Server::without_worker().await;
    let (one, two) = (server.agent().await, server.agent().await);
    let first = new(&one.post_with("{}", &[(KEY, "1")]).await);
    let second = new(&two.post_with("{}", &[(KEY, "1")]).await);
    new(&two.post_with("[]", &[(KEY, "2")]).await);
    assert_ne!(first, second);
    server.expect(200, "PATCH", &format!("/api/v1/agents/{}", one.id), Some(json!({"name": "other"}))).await;
    assert_eq!(repeat(&one.post_with("{}", &[(KEY, "1")]).await), first);
    assert_eq!(server.trace(&first).await["agent_version"], 1);
}
