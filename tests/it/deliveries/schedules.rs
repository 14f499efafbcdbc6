//! The retry presets, each followed to its end, and the rate that an endpoint sets.

use std::time::Duration;

use agenthook::model::Time;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::{SECOND, endpoint, newest, send};
use crate::harness::{Receiver, Server, eventually};

/// After so many failures in a row the circuit opens for a minute, which holds back what is due sooner.
const OPENS: usize = 5;

async fn to_its_end(preset: &str, waits: &[u64], leaves_it: &str) {
    let (server, receiver) = (Server::with_manual_clock().await, Receiver::start().await);
    let endpoint = endpoint(&server, &receiver, json!({ "retry": preset })).await;
    receiver.answers(ResponseTemplate::new(500));
    send(&server, &endpoint).await;
    for (earlier, wait) in waits.iter().enumerate() {
        let attempts = earlier + 1;
        let failed = |it: &Value| it["status"] == "failed" && it["attempt_count"] == attempts;
        let failed = newest(&server, &endpoint, "fails", failed).await;
        let due: Time = failed["next_attempt_at"].as_str().and_then(|at| at.parse().ok()).expect("a time");
        let (seen, wait) = ((due - server.clock.now()).num_milliseconds(), *wait as i64);
        assert!((wait * 900..=wait * 1100).contains(&seen), "{preset}: {seen} ms, and not {wait} s");
        server.clock.advance(Duration::from_millis(seen as u64));
        if attempts >= OPENS {
            server.clock.advance(SECOND * 60);
        }
    }
    let lost = newest(&server, &endpoint, "is exhausted", |it| it["status"] == "exhausted").await;
    assert_eq!((&lost["attempt_count"], &lost["next_attempt_at"]), (&json!(waits.len() + 1), &Value::Null));
    let counts: Vec<_> = receiver.bodies().await.iter().map(|body| body["retry_count"].clone()).collect();
    assert_eq!(counts, (0..=waits.len()).map(Value::from).collect::<Vec<_>>());
    assert_eq!(server.get(&endpoint).await["status"], leaves_it, "{preset}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_presets_are_followed_to_their_ends() {
    to_its_end("standard", &[300, 1800, 7200, 28_800, 86_400], "disabled").await;
    to_its_end("fast", &[1, 2, 4], "active").await;
    to_its_end("hokusai", &[2, 4, 8, 16, 32], "active").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rate_of_an_endpoint_holds_back_and_is_no_attempt() {
    let (server, receiver) = (Server::with_manual_clock().await, Receiver::start().await);
    let rate = json!({"rate_limit": {"per_minute": 60, "burst": 1}});
    let endpoint = endpoint(&server, &receiver, rate).await;
    for _ in 0..4 {
        send(&server, &endpoint).await;
    }
    let page = async || {
        let page = server.get(&format!("{endpoint}/deliveries")).await;
        page["deliveries"].as_array().expect("a list").clone()
    };
    for sent in 1..=4 {
        receiver.got(sent).await;
        if sent < 4 {
            let now = server.clock.now();
            let later = |it: &Value| {
                it["next_attempt_at"].as_str().and_then(|at| at.parse().ok()).is_some_and(|at: Time| at > now)
            };
            eventually("the next one is put off", async || page().await.iter().any(later).then_some(()))
                .await;
            assert_eq!(receiver.requests().await.len(), sent, "one at a time");
        }
        server.clock.advance(SECOND);
    }
    let done = |all: &Vec<Value>| all.iter().all(|it| it["status"] == "success");
    let all = eventually("all are written down", async || Some(page().await).filter(done)).await;
    assert!(all.len() == 4 && all.iter().all(|it| it["attempt_count"] == 1), "{all:?}");
    assert_eq!(server.get(&endpoint).await["stats"]["failures_in_a_row"], 0);
}
