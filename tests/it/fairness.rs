//! One tenant's flood is not another's wait.

use std::time::Duration;

use agenthook::config::SettingsArgs;
use serde_json::json;

use crate::harness::{Server, Setup, accept_many, completion};

/// What one tenant has waiting.
const FLOOD: usize = 100_000;
/// How long another one's single run may wait behind that, in ms.
const WAIT_MS: i64 = 1000;

async fn flooded(concurrency: &str, call: Duration) -> Server {
    let args = SettingsArgs { worker_concurrency: Some(concurrency.into()), ..SettingsArgs::default() };
    let server = Server::with(Setup { args, worker: false, ..Setup::default() }).await;
    server.llm.answers(completion("done").set_delay(call));
    let flood = server.agent_with(json!({"tenant_id": "a-flood"})).await;
    let agent_id = flood.id.parse().expect("an id");
    accept_many(&server.app.store, "a-flood", agent_id, server.clock.now(), FLOOD).await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_waiting_runs_of_one_tenant_delay_anothers_single_one_by_less_than_a_second() {
    let server = flooded("32", Duration::from_millis(300)).await;
    let other = server.agent_with(json!({"tenant_id": "other"})).await;
    server.start_worker();
    server.llm.called(32).await;
    for n in 0..5 {
        let id = other.accepted(n.to_string()).await;
        let trace = server.ended(&id).await;
        let waited = trace["timing"]["queue_ms"].as_i64().expect("it has started");
        assert!(waited < WAIT_MS, "{trace}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_calls_of_one_tenant_leave_room_for_another() {
    // No call of the flood ends while this test lives.
    let server = flooded("32", Duration::from_secs(600)).await;
    let other = server.agent_with(json!({"tenant_id": "other"})).await;
    server.start_worker();
    server.llm.called(31).await;
    server.llm.answers(completion("done"));
    for n in 0..3 {
        let id = other.accepted(n.to_string()).await;
        let trace = server.ended(&id).await;
        assert!(trace["timing"]["queue_ms"].as_i64().expect("it has started") < WAIT_MS, "{trace}");
    }
}
