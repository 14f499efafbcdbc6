//! One run: called, called again where that may help, and ended once, with a trace that tells all of it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::harness::{Server, completion, error};
use agenthook::model::{Time, WorkerId};

fn down() -> ResponseTemplate {
    error(
        500,
        "internal_server_error",
        "litellm.InternalServerError: InternalServerError: OpenAIException - oh",
    )
}

fn codes(trace: &Value) -> Vec<&str> {
    let attempts = trace["attempts"].as_array().expect("attempts").iter();
    attempts.map(|attempt| attempt["error"]["code"].as_str().unwrap_or("fine")).collect()
}

fn due_at(trace: &Value) -> Time {
    let due = trace["due_at"].as_str().expect("it waits for a stated time");
    DateTime::parse_from_rfc3339(due).expect("a time").with_timezone(&Utc)
}

/// Waits until so many attempts have failed and the next is to come (on a clock that stands still).
async fn waiting(server: &Server, id: &str, attempts: usize) -> Value {
    let now = server.clock.now();
    let is =
        |trace: &Value| trace["status"] == "queued" && codes(trace).len() == attempts && due_at(trace) > now;
    server.sees(id, &format!("waits after {attempts} attempts"), is).await
}

/// Turns the clock to `due` and shows that the run could not be had a moment earlier.
async fn advance_to(server: &Server, id: &str, due: Time) {
    let moment = TimeDelta::milliseconds(1);
    let before = (due - server.clock.now() - moment).to_std().expect("it lies ahead");
    server.clock.advance(before);
    let now = server.clock.now();
    let id = id.parse().expect("an id");
    let early = server.app.store.claim(&[id], WorkerId::new(), now).await;
    assert!(early.expect("an answer").is_empty(), "nobody gets it before {due}");
    server.clock.advance(Duration::from_millis(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_may_pass_is_tried_again_later_and_later() {
    let server = Server::with_manual_clock().await;
    server.llm.answers_in_turn([down(), down(), completion("third time lucky")]);
    let retry = json!({"max_attempts": 3, "initial_delay_ms": 10_000});
    let agent = server.agent_with(json!({ "retry": retry })).await;
    let id = agent.accepted("{}").await;
    for (attempt, (least, most)) in [(1, (5, 10)), (2, (10, 20))] {
        let trace = waiting(&server, &id, attempt).await;
        assert_eq!(
            (&trace["error"], &trace["output"]),
            (&json!(null), &json!(null)),
            "it has not failed yet"
        );
        let due = due_at(&trace);
        let wait = due - server.clock.now();
        assert!((TimeDelta::seconds(least)..=TimeDelta::seconds(most)).contains(&wait), "{attempt}: {wait}");
        advance_to(&server, &id, due).await;
    }
    let trace = server.ended(&id).await;
    assert_eq!((&trace["status"], &trace["output"]), (&json!("success"), &json!("third time lucky")));
    assert_eq!(codes(&trace), ["llm_unavailable", "llm_unavailable", "fine"]);
    assert_eq!(trace["attempts"][0]["status_code"], 500);
    assert_eq!(
        (&trace["due_at"], &trace["cost_usd"]),
        (&json!(null), &json!(0.0000133)),
        "failures cost nothing"
    );
    assert_eq!(server.llm.calls().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_attempts_error_is_the_runs() {
    let server = Server::start().await;
    let busy = error(429, "throttling_error", "litellm.RateLimitError: slow down")
        .insert_header("llm_provider-x", "1");
    server.llm.answers_in_turn([down(), down(), busy, completion("too late")]);
    let agent = server.agent_with(json!({"retry": {"max_attempts": 3, "initial_delay_ms": 0}})).await;
    let trace = agent.run(&server, "{}").await;
    assert_eq!((&trace["status"], &trace["error"]["code"]), (&json!("failed"), &json!("llm_rate_limited")));
    assert_eq!(codes(&trace), ["llm_unavailable", "llm_unavailable", "llm_rate_limited"]);
    assert_eq!(
        (&trace["output"], &trace["cost_usd"], &trace["usage"]),
        (&json!(null), &json!(null), &json!(null))
    );
    assert_eq!(server.llm.calls().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_will_not_pass_is_not_repeated() {
    let server = Server::start().await;
    let agent = server.agent_with(json!({"retry": {"max_attempts": 5, "initial_delay_ms": 0}})).await;
    let unknown =
        "/chat/completions: Invalid model name passed in model=gpt-4o-mini. Call `/v1/models` to see";
    let cases = [
        (error(400, "invalid_request_error", unknown), "llm_no_deployment"),
        (
            error(400, "invalid_request_error", "litellm.ContextWindowExceededError: too long"),
            "llm_bad_request",
        ),
        (error(401, "auth_error", "Authentication Error, No api key passed in."), "llm_auth"),
        (error(422, "budget_exceeded", "Budget has been exceeded!"), "llm_budget_exceeded"),
    ];
    for (index, (answer, code)) in cases.into_iter().enumerate() {
        server.llm.answers_in_turn([answer, completion("the second call")]);
        let trace = agent.run(&server, json!(index).to_string()).await;
        assert_eq!((&trace["status"], &trace["error"]["code"]), (&json!("failed"), &json!(code)), "{trace}");
        assert_eq!(trace["error"]["retryable"], false);
        assert_eq!(server.llm.calls().await.len(), index + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_patience_gets_it() {
    let server = Server::with_manual_clock().await;
    let agent = server.agent_with(json!({"retry": {"initial_delay_ms": 1000}})).await;
    let busy = || error(429, "throttling_error", "slow down").insert_header("x-litellm-call-id", "c");
    for (header, seconds) in [("retry-after", 30), ("llm_provider-retry-after", 45), ("retry-after", 90_000)]
    {
        server
            .llm
            .answers_in_turn([busy().insert_header(header, seconds.to_string()), completion("at last")]);
        let id = agent.accepted(json!(seconds).to_string()).await;
        let due = due_at(&waiting(&server, &id, 1).await);
        assert_eq!(
            due - server.clock.now(),
            TimeDelta::seconds(seconds.min(86_400)),
            "{header}, a day at most"
        );
        advance_to(&server, &id, due).await;
        assert_eq!(server.ended(&id).await["status"], "success");
    }
    // A backoff that is longer than what was asked for stays as long as it is.
    let patient = server.agent_with(json!({"retry": {"initial_delay_ms": 60_000}})).await;
    server.llm.answers(busy().insert_header("retry-after", "1"));
    let id = patient.accepted("{}").await;
    let wait = due_at(&waiting(&server, &id, 1).await) - server.clock.now();
    assert!(wait >= TimeDelta::seconds(30), "{wait}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_runs_as_the_agent_was_then_or_not_at_all() {
    let server = Server::without_worker().await;
    let (changed, deleted) = (server.agent().await, server.agent().await);
    let (old, gone) = (changed.accepted("{}").await, deleted.accepted("{}").await);
    let change = json!({"system_prompt": "You are a poet.", "llm_config": {"model": "gpt-poet"}});
    server.expect(200, "PATCH", &format!("/api/v1/agents/{}", changed.id), Some(change)).await;
    let new = changed.accepted("[]").await;
    server.expect(204, "DELETE", &format!("/api/v1/agents/{}", deleted.id), None).await;
    server.start_worker();

    let gone = server.ended(&gone).await;
    assert_eq!(
        (&gone["status"], &gone["error"]["code"]),
        (&json!("failed"), &json!("agent_deleted")),
        "{gone}"
    );
    assert!(codes(&gone).is_empty());
    assert_eq!(server.ended(&old).await["agent_version"], 1);
    assert_eq!(server.ended(&new).await["agent_version"], 2);
    let asked: BTreeSet<_> =
        server.llm.bodies().await.iter().map(|call| call["messages"][0].to_string()).collect();
    let said = ["You triage tickets.", "You are a poet."]
        .map(|p| json!({"role": "system", "content": p}).to_string());
    assert_eq!(asked, said.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_an_attempt_and_every_attempt_a_call() {
    let server = Server::start().await;
    let calls = AtomicUsize::new(0);
    server.llm.answers(move |_: &wiremock::Request| match calls.fetch_add(1, Ordering::SeqCst) % 4 {
        0 => down(),
        1 => error(429, "throttling_error", "slow down").insert_header("llm_provider-x", "1"),
        2 => error(400, "invalid_request_error", "no"),
        _ => completion("fine"),
    });
    let agent = server.agent_with(json!({"retry": {"max_attempts": 3, "initial_delay_ms": 0}})).await;
    let mut ids = Vec::new();
    for n in 0..40 {
        ids.push(agent.accepted(json!(n).to_string()).await);
    }
    let mut attempts = BTreeSet::new();
    for id in &ids {
        let trace = server.ended(id).await;
        assert!((1..=3).contains(&codes(&trace).len()), "{trace}");
        let last = codes(&trace).last().copied();
        assert_eq!(trace["error"]["code"].as_str().unwrap_or("fine"), last.expect("an attempt"));
        let calls = trace["attempts"].as_array().expect("a list").iter();
        attempts.extend(calls.map(|attempt| attempt["llm_call_id"].as_str().expect("an id").to_owned()));
    }
    let calls = server.llm.calls().await;
    let sent = calls.iter().map(|call| call.headers["x-litellm-call-id"].to_str().expect("text").to_owned());
    assert_eq!(sent.collect::<BTreeSet<_>>(), attempts);
    assert_eq!(calls.len(), attempts.len(), "no call was made twice");
}
