//! How executions go, in sums: each end is counted once, wherever it is dispatched.

mod forgetting;
mod queue;
mod windows;
mod workers;

use agenthook::model::{
    Actor, AgentId, AuditAction, AuditEntry, Event, EventId, Execution, ExecutionId, ExecutionSource,
    ExecutionStatus, RunEnd, Time, Timing,
};
use agenthook::store::Store;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::{Server, completion, completion_body, error, eventually};

/// The sums of a window.
async fn stats(server: &Server, query: &str) -> Value {
    server.get(&format!("/api/v1/stats?{query}")).await
}

/// The same as soon as so many runs have been counted.
async fn counted(server: &Server, query: &str, runs: i64) -> Value {
    eventually(&format!("{runs} runs are counted"), async || {
        Some(stats(server, query).await).filter(|stats| runs_of(&stats["totals"]) >= runs)
    })
    .await
}

/// How many runs ended.
fn runs_of(sum: &Value) -> i64 {
    ["success", "failed", "cancelled"].iter().map(|how| sum[how].as_i64().expect("a number")).sum()
}

/// Writes the end of a run that took so many ms, as a worker would.
async fn ended(store: &Store, agent_id: AgentId, at: Time, ms: i64) {
    let execution = Execution {
        execution_id: ExecutionId::new(),
        tenant_id: "acme".parse().expect("a tenant"),
        agent_id,
        agent_version: 1,
        status: ExecutionStatus::Success,
        run: 1,
        source: ExecutionSource::Webhook,
        replay_of: None,
        error: None,
        model: None,
        key_source: None,
        usage: None,
        cost: Some(agenthook::model::Cost(1)),
        timing: Timing { finished_at: Some(at), ..Timing::received(at - TimeDelta::milliseconds(ms)) },
        tries: 0,
        due_at: None,
        held_reason: None,
    };
    let entry = AuditEntry::new(Actor::server(), AuditAction::AgentTested, agent_id, at);
    store.publish(&Event::of_run(&execution, None, at), &entry).await.expect("written");
}

/// Dispatches a batch as a worker does; how many events of it this call won.
async fn dispatch(store: &Store, batch: i64, now: Time) -> Option<usize> {
    let tenants = store.undispatched_tenants().await.expect("an answer");
    let events = store.undispatched(&tenants, batch).await.expect("an answer").events;
    if events.is_empty() {
        return None;
    }
    let ids: Vec<EventId> = events.iter().map(|event| event.event_id).collect();
    let ends: Vec<RunEnd> = events.iter().filter_map(RunEnd::of).collect();
    Some(store.dispatch(&ids, &[], &ends, now).await.expect("dispatched").len())
}

/// An answer that was paid for and says nothing.
fn vain() -> wiremock::ResponseTemplate {
    let mut body = completion_body("");
    body["choices"][0]["message"]["content"] = Value::Null;
    completion("").set_body_json(body)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_end_is_counted_once_and_each_run_by_itself() {
    let server = Server::without_worker().await;
    let agent = server.agent_with(json!({"retry": {"max_attempts": 1}})).await;
    let other = server.agent_with(json!({"tenant_id": "other"})).await;
    let cancelled = agent.accepted("0").await;
    server.expect(200, "POST", &format!("/api/v1/executions/{cancelled}/cancel"), None).await;
    server.start_worker();
    for n in 1..=3 {
        agent.run(&server, n.to_string()).await;
    }
    other.run(&server, "{}").await;
    // Its first run is paid for in vain, its second one for nothing, its third one for an output.
    server.llm.answers_in_turn([vain(), error(400, "invalid_request_error", "no"), completion("at last")]);
    let failed = agent.run(&server, "4").await["execution_id"].as_str().expect("an id").to_owned();
    for _ in 2..=3 {
        server.expect(202, "POST", &format!("/api/v1/executions/{failed}/retry"), None).await;
        server.ended(&failed).await;
    }
    let trace = server.trace(&failed).await;
    assert_eq!((&trace["run"], &trace["usage"]["prompt_tokens"]), (&json!(3), &json!(82)), "of all runs");

    let all = counted(&server, "window=1h", 8).await;
    let ours = stats(&server, "window=24h&tenant_id=acme").await;
    let agents = stats(&server, &format!("window=7d&agent_id={}", agent.id)).await;
    let theirs = stats(&server, "window=30d&tenant_id=other").await;
    for (seen, success, failed, cancelled, paid) in
        [(&all, 5, 2, 1, 6), (&ours, 4, 2, 1, 5), (&agents, 4, 2, 1, 5), (&theirs, 1, 0, 0, 1)]
    {
        let totals = &seen["totals"];
        let counts = ["success", "failed", "cancelled"].map(|how| totals[how].as_i64());
        assert_eq!(counts, [Some(success), Some(failed), Some(cancelled)], "{totals}");
        let rate = success as f64 / (success + failed) as f64;
        assert_eq!(totals["success_rate"], json!(rate));
        let tokens = (totals["prompt_tokens"].as_i64(), totals["completion_tokens"].as_i64());
        assert_eq!(tokens, (Some(41 * paid), Some(12 * paid)), "{totals}");
        let cost = json!(agenthook::model::Cost(13_300 * paid).usd());
        assert_eq!((&totals["cost_usd"], &totals["known_cost_usd"]), (&cost, &cost));
        assert_eq!(totals["unknown_costs"], 0);
        assert!(totals["latency_ms"]["p99"].as_i64() >= totals["latency_ms"]["p50"].as_i64());
    }
    // Everything has been dispatched by now: nothing is added any more.
    assert_eq!(runs_of(&all["totals"]), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cost_that_is_unknown_is_said_to_be() {
    let server = Server::start().await;
    let agent = server.agent().await;
    agent.run(&server, "1").await;
    let without_price = wiremock::ResponseTemplate::new(200).set_body_json(completion_body("free?"));
    server.llm.answers(without_price);
    let trace = agent.run(&server, "2").await;
    assert_eq!(trace["cost_usd"], Value::Null);
    let totals = &counted(&server, "", 2).await["totals"];
    assert_eq!((&totals["cost_usd"], &totals["unknown_costs"]), (&Value::Null, &json!(1)));
    assert_eq!(totals["known_cost_usd"], json!(0.0000133));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_what_another_tenants_runs_add_up_to() {
    let server = Server::start().await;
    let agent = server.agent().await;
    agent.run(&server, "{}").await;
    counted(&server, "", 1).await;
    server.tenant(json!({"tenant_id": "theirs"})).await;
    let stranger = server.api_key("viewer", "theirs").await;
    let viewer = server.api_key("viewer", "acme").await;
    let seen = async |key: &str, query: &str| {
        let answer = server.ask("GET", &format!("/api/v1/stats?{query}"), Some(key), None).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        runs_of(&answer.body["totals"])
    };
    let of_agent = format!("agent_id={}", agent.id);
    for query in ["", "tenant_id=acme", &of_agent, &format!("tenant_id=acme&{of_agent}")] {
        assert_eq!((seen(&stranger, query).await, seen(&viewer, query).await), (0, 1), "{query}");
    }
    assert_eq!(seen(&stranger, &format!("tenant_id=theirs&{of_agent}")).await, 0);
    let nobodys = stats(&server, &format!("agent_id={}", AgentId::new())).await;
    assert_eq!(runs_of(&nobodys["totals"]), 0);
    for wrong in ["window=2h", "window=", "tenant_id=a/b", "agent_id=x", "q=x"] {
        server.expect(422, "GET", &format!("/api/v1/stats?{wrong}"), None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_endpoint_is_tried_with_is_no_end() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let endpoint = server.subscribe(json!(["execution.*"])).await;
    let path = format!("/api/v1/webhooks/{}/test", endpoint["webhook_id"].as_str().expect("an id"));
    server.expect(202, "POST", &path, Some(json!({"event_type": "execution.completed"}))).await;
    // Dispatched after it.
    agent.run(&server, "{}").await;
    assert_eq!(counted(&server, "", 1).await["totals"]["success"], 1);
}
