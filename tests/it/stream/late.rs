//! What the ledger shows later than it says that it happened.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::follow;
use crate::harness::{Server, completion, error};

/// Ends an execution behind everybody's back.
async fn cancelled_silently(server: &Server, execution_id: &str) {
    let id = server.database.id(execution_id.parse().expect("an id"));
    let end = format!(
        "UPDATE executions SET status = 'cancelled', finished_at = received_at, lease_owner = NULL
            WHERE execution_id = {id}"
    );
    server.database.sql(&end).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_was_committed_late_is_told() {
    let server = Server::without_worker().await;
    let id = server.agent().await.accepted("1").await;
    let mut stream = follow(&server, "").await;
    cancelled_silently(&server, &id).await;
    // As one that waited for ten seconds for its commit.
    let event_id = Uuid::from_u128(Uuid::now_v7().as_u128() - (10_000 << 80));
    let (event_id, execution_id) =
        (server.database.id(event_id), server.database.id(id.parse().expect("an id")));
    let event = format!(
        "INSERT INTO events (event_id, event_type, tenant_id, execution_id, at, data, dispatched_at)
            SELECT {event_id}, 'execution.cancelled', tenant_id, execution_id, received_at, '{{}}', received_at
            FROM executions WHERE execution_id = {execution_id}"
    );
    server.database.sql(&event).await;
    stream.sees(&id, "cancelled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_no_more_is_told_whatever_its_events_say() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let mut stream = follow(&server, "").await;
    server.llm.answers(completion("late").set_delay(Duration::from_secs(5)));
    let id = agent.accepted("1").await;
    stream.sees(&id, "running").await;
    // No event tells it, as if its id were too old.
    cancelled_silently(&server, &id).await;
    stream.sees(&id, "cancelled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_its_retry_is_told() {
    let server = Server::start().await;
    let slow = json!({"max_attempts": 2, "initial_delay_ms": 60_000, "max_delay_ms": 60_000});
    let agent = server.agent_with(json!({ "retry": slow })).await;
    let mut stream = follow(&server, "").await;
    server.llm.answers(error(500, "internal_server_error", "no").set_delay(Duration::from_secs(3)));
    let id = agent.accepted("1").await;
    stream.sees(&id, "running").await;
    stream.sees(&id, "queued").await;
}
