//! The main job: a signed webhook runs an agent, and its trace can be read.

use serde_json::json;

use crate::harness::{Server, sign};
use agenthook::model::SecretEncoding;

/// Compact JSON as a ticket system sends it.
const TICKET: &str = r#"{"ticket_id":"TKT-123","description":"Issue"}"#;
/// Base64 of 32 bytes.
const SECRET: &str = "c2VlZC1zZWNyZXQtMzItYnl0ZXMtMDEyMzQ1Njc4OWFi";
/// Its signature over the ticket: published, so that ours cannot be right only by our own measure.
const SIGNATURE: &str = "sha256=845a546e7293147509fe09b16b40f86e1ba8a2356b413d58bb3aa27c428600c3";

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_ticket_becomes_a_trace() {
    let server = Server::start().await;
    let agent = server.agent_with(json!({"trigger": {"type": "webhook", "secret": SECRET}})).await;
    assert_eq!(agent.secret, SECRET);
    assert_eq!(sign(SECRET, SecretEncoding::Base64, TICKET.as_bytes()), SIGNATURE);

    let headers = [("content-type", "application/json"), ("x-hub-signature-256", SIGNATURE)];
    let answer = agent.post_raw(TICKET.as_bytes(), &headers).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let id = answer.execution_id();
    let expected =
        format!(r#"{{"status":"queued","execution_id":"{id}","message":"Agent execution queued"}}"#);
    assert_eq!(answer.text, expected);

    let trace = server.ended(&id).await;
    assert_eq!(trace["status"], "success");
    assert_eq!(trace["output"], "triaged");
    assert_eq!(trace["input"], json!({"ticket_id": "TKT-123", "description": "Issue"}));
    assert_eq!(trace["error"], json!(null));
    assert_eq!(trace["key_source"], "platform");
    assert_eq!(trace["model"], "gpt-4o-mini");
    assert_eq!(trace["agent_version"], 1);
    assert_eq!(trace["usage"]["total_tokens"], 53);
    assert_eq!(trace["cost_usd"], 0.0000133);
    for name in ["queue_ms", "llm_ms", "total_ms"] {
        assert!(trace["timing"][name].is_u64(), "{name}: {}", trace["timing"]);
    }
    let attempts = trace["attempts"].as_array().expect("attempts");
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0]["number"], 1);
    assert_eq!(attempts[0]["status_code"], 200);
    assert_eq!(attempts[0]["llm_call_id"], format!("{id}-1"));

    let calls = server.llm.bodies().await;
    assert_eq!(calls.len(), 1);
    let messages = calls[0]["messages"].as_array().expect("messages");
    assert_eq!(messages[0], json!({"role": "system", "content": "You triage tickets."}));
    assert_eq!(messages.len(), 2);
    assert!(messages[1]["content"].as_str().is_some_and(|text| text.contains(TICKET)));
    assert_eq!(server.executions().await.len(), 1);
}
