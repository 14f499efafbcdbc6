//! What happened to an execution, told in order: to somebody who was not there and has to decide what to do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::harness::{PLATFORM_KEY, Server, Setup, completion, error, key_of};
use agenthook::clock::Clock;
use agenthook::worker::Worker;

const TENANT_KEY: &str = "sk-the-tenants-own-key-wxyz";
/// A little more than a lease.
const LEASE_OVER: Duration = Duration::from_millis(30_001);

async fn timeline(server: &Server, id: &str) -> Vec<Value> {
    let answer = server.get(&format!("/api/v1/executions/{id}/timeline")).await;
    assert_eq!(answer["execution_id"], id);
    let told = answer["timeline"].as_array().expect("a list").clone();
    let times: Vec<_> = told.iter().map(|entry| entry["at"].as_str().expect("a time").to_owned()).collect();
    assert!(times.is_sorted(), "in order of time: {times:?}");
    assert!(
        told.iter().all(|entry| entry["message"].as_str().is_some_and(|text| !text.is_empty())),
        "{answer}"
    );
    told
}

/// The events, each with the number of its call if it has one.
fn events(told: &[Value]) -> Vec<String> {
    let event = |entry: &Value| {
        let event = entry["event"].as_str().expect("a word");
        entry["attempt"].as_i64().map_or_else(|| event.to_owned(), |number| format!("{event} {number}"))
    };
    told.iter().map(event).collect()
}

fn find<'t>(told: &'t [Value], event: &str) -> &'t Value {
    told.iter().find(|entry| entry["event"] == event).unwrap_or_else(|| panic!("no {event}: {told:?}"))
}

fn message(entry: &Value) -> &str {
    entry["message"].as_str().expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_a_crash_and_a_success_are_told_in_order() {
    let (clock, payers) = (Clock::manual(), AtomicUsize::new(0));
    let first = Server::with(Setup { clock, worker: false, ..Setup::default() }).await;
    first.tenant(json!({"tenant_id": "acme", "fallback_on": ["missing", "rejected"]})).await;
    first.set_llm_key("acme", TENANT_KEY).await;
    first.llm.answers(move |call: &wiremock::Request| match key_of(call) {
        TENANT_KEY => {
            error(401, "token_not_found_in_db", "Authentication Error, Invalid proxy server token passed.")
        }
        // The first that the platform pays for is out when its worker dies.
        PLATFORM_KEY if payers.fetch_add(1, Ordering::SeqCst) == 0 => {
            completion("never heard").set_delay(Duration::from_secs(600))
        }
        _ => completion("at last"),
    });
    let id = first.agent().await.accepted(r#"{"ticket_id":7}"#).await;
    // A runtime of its own: when it goes, the worker is dropped where it stands, as by a kill.
    let doomed = tokio::runtime::Runtime::new().expect("a runtime");
    doomed.spawn(Worker::new(first.app.clone()).run(CancellationToken::new()));
    first.llm.called(2).await;
    doomed.shutdown_background();
    let setup = first.stop().await;
    setup.clock.advance(LEASE_OVER);
    let second = Server::with(setup).await;
    assert_eq!(second.ended(&id).await["status"], "success");

    let told = timeline(&second, &id).await;
    assert_eq!(
        events(&told),
        [
            "received",
            "queued",
            "started",
            "call_started 1",
            "call_ended 1",
            "key_fallback 1",
            "call_started 2",
            "call_ended 2",
            "requeued 2",
            "call_started 3",
            "call_ended 3",
            "key_fallback 3",
            "call_started 4",
            "call_ended 4",
            "succeeded",
            "event_published",
        ]
    );
    let received = &told[0];
    assert_eq!((&received["source"], &received["bytes"]), (&json!("webhook"), &json!(15)));
    assert!(received["request_id"].is_string() && received["secret_id"].is_string(), "{received}");
    let (refused, fallback, crashed, requeued) = (&told[4], &told[5], &told[7], &told[8]);
    assert_eq!(
        (&refused["key_source"], &refused["status_code"], &refused["error"]["code"]),
        (&json!("tenant"), &json!(401), &json!("llm_auth"))
    );
    assert!(message(fallback).contains("platform's") && message(fallback).contains("llm_auth"), "{fallback}");
    assert_eq!((&told[6]["key_source"], &crashed["error"]["code"]), (&json!("platform"), &json!("crashed")));
    assert!(crashed["took_ms"].as_i64().expect("a time") >= 30_000, "until it was found dead: {crashed}");
    assert!(message(requeued).contains("the worker died during this call"), "{requeued}");
    assert_eq!((&told[13]["key_source"], &told[13]["status_code"]), (&json!("platform"), &json!(200)));
    assert!(told.iter().all(|entry| entry["run"] == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_a_failure_a_second_run_and_a_replay_are_told() {
    let server = Server::with_manual_clock().await;
    let retry =
        json!({"max_attempts": 2, "initial_delay_ms": 5000, "max_delay_ms": 5000, "backoff": "exponential"});
    let agent = server.agent_with(json!({ "retry": retry })).await;
    server.llm.answers(error(503, "service_unavailable", "not now"));
    let id = agent.accepted("1").await;
    let waiting = server
        .sees(&id, "waits for its retry", |trace| {
            trace["status"] == "queued" && trace["attempts"][0]["finished_at"].is_string()
        })
        .await;
    let told = timeline(&server, &id).await;
    assert_eq!(
        events(&told),
        ["received", "queued", "started", "call_started 1", "call_ended 1", "retry_planned 1"]
    );
    assert_eq!(told[5]["due_at"], waiting["due_at"]);
    assert!(message(&told[5]).contains(waiting["due_at"].as_str().expect("a time")), "{}", told[5]);
    server.clock.advance(Duration::from_secs(6));
    server.ended(&id).await;
    server.clock.advance(Duration::from_secs(60));
    server.llm.answers(completion("fine"));
    server.expect(202, "POST", &format!("/api/v1/executions/{id}/retry"), None).await;
    server.ended(&id).await;
    server.clock.advance(Duration::from_secs(60));
    let replay = server.expect(202, "POST", &format!("/api/v1/executions/{id}/replay"), None).await;
    let replay = replay["execution_id"].as_str().expect("an id");
    server.ended(replay).await;

    let told = timeline(&server, &id).await;
    let expected = [
        ("received", 1),
        ("queued", 1),
        ("started", 1),
        ("call_started 1", 1),
        ("call_ended 1", 1),
        ("retry_planned 1", 1),
        ("call_started 2", 1),
        ("call_ended 2", 1),
        ("failed", 1),
        ("event_published", 1),
        ("retried", 2),
        ("started", 2),
        ("call_started 3", 2),
        ("call_ended 3", 2),
        ("succeeded", 2),
        ("event_published", 2),
        ("replayed", 2),
    ];
    let runs = told.iter().map(|entry| entry["run"].as_i64().expect("a number"));
    let seen: Vec<_> = events(&told).into_iter().zip(runs).collect();
    assert_eq!(seen, expected.map(|(event, run)| (event.to_owned(), run)));
    assert_eq!(find(&told, "failed")["error"]["code"], "llm_unavailable");
    assert!(message(find(&told, "retry_planned")).contains("call 2"), "{told:?}");
    assert_eq!(find(&told, "replayed")["execution_id"], replay);
    for event in ["retried", "replayed"] {
        assert_eq!(find(&told, event)["by"], "AGENTHOOK_ADMIN_KEY");
    }
    let told = timeline(&server, replay).await;
    assert_eq!(events(&told)[..2], ["received", "queued"]);
    assert_eq!((&told[0]["source"], &told[0]["execution_id"]), (&json!("replay"), &json!(id)));
    assert!(message(&told[0]).contains(&id) && told[0]["secret_id"].is_null(), "{}", told[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_one_says_so_and_nothing_else_has_a_timeline() {
    let server = Server::with_manual_clock().await;
    let retry =
        json!({"max_attempts": 2, "initial_delay_ms": 5000, "max_delay_ms": 5000, "backoff": "exponential"});
    let agent = server.agent_with(json!({ "retry": retry })).await;
    server.llm.answers(error(503, "service_unavailable", "not now"));
    let id = agent.accepted("1").await;
    server
        .sees(&id, "waits for its retry", |trace| {
            trace["status"] == "queued" && trace["attempts"][0]["finished_at"].is_string()
        })
        .await;
    server.clock.advance(Duration::from_secs(1));
    server.expect(200, "POST", &format!("/api/v1/executions/{id}/cancel"), None).await;
    let told = timeline(&server, &id).await;
    assert_eq!(events(&told)[4..], ["call_ended 1", "retry_planned 1", "cancelled", "event_published"]);
    let cancelled = find(&told, "cancelled");
    assert_eq!((&cancelled["took_ms"], &cancelled["by"]), (&json!(1000), &json!("AGENTHOOK_ADMIN_KEY")));
    assert_eq!(find(&told, "event_published")["event_type"], "execution.cancelled");
    for id in [uuid::Uuid::now_v7().to_string().as_str(), "x"] {
        server.expect(404, "GET", &format!("/api/v1/executions/{id}/timeline"), None).await;
    }
    server.expect(405, "POST", &format!("/api/v1/executions/{id}/timeline"), None).await;
}
