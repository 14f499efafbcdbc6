//! The main job: a signed webhook runs an agent, and its trace can be read.

use serde_json::json;

use crate::harness::{Server, Setup, env, sign};
use agenthook::config::SettingsArgs;
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

/// A server whose LiteLLM is the real proxy of the test command.
async fn with_real_litellm() -> Server {
    let given = |name| env(name).unwrap_or_else(|| panic!("{name} is not set: run ./scripts/test.sh"));
    let args = SettingsArgs {
        litellm_base_url: Some(given("AGENTHOOK_TEST_LITELLM_URL")),
        litellm_api_key: Some(given("AGENTHOOK_TEST_LITELLM_MASTER_KEY").into()),
        ..SettingsArgs::default()
    };
    Server::with(Setup { args, ..Setup::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ticket_through_the_real_proxy() {
    let server = with_real_litellm().await;
    let agent = server
        .agent_with(json!({
            "trigger": {"type": "webhook", "secret": SECRET, "payload_schema": {"type": "object", "required": ["ticket_id"]}},
            "llm_config": {"model": "mock-model"},
        }))
        .await;
    let headers = [("content-type", "application/json"), ("x-hub-signature-256", SIGNATURE)];
    let trace = server.ended(&agent.post_raw(TICKET.as_bytes(), &headers).await.execution_id()).await;
    assert_eq!(trace["status"], "success", "{trace}");
    assert!(trace["output"].as_str().is_some_and(|output| !output.is_empty()));
    assert_eq!(trace["usage"]["total_tokens"], 30, "what LiteLLM reports of a mock");
    assert_eq!(trace["attempts"][0]["status_code"], 200);
    assert!(trace["timing"]["total_ms"].as_u64() >= trace["timing"]["llm_ms"].as_u64());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_the_proxy_lacks_is_told_saved_and_listed() {
    let server = with_real_litellm().await;
    let agent = server.agent_with(json!({"llm_config": {"model": "gpt-nobody-has"}})).await;
    let id = agent.post(TICKET).await.execution_id();
    let trace = server.ended(&id).await;
    assert_eq!(trace["status"], "failed");
    assert_eq!(trace["error"]["code"], "llm_no_deployment");
    assert_eq!(trace["error"]["retryable"], false);
    let message = trace["error"]["message"].as_str().expect("a message");
    assert!(message.contains("gpt-nobody-has") && message.contains("/v1/models"), "{message}");
    assert_eq!(trace["attempts"].as_array().map(Vec::len), Some(1), "nothing is gained by another try");
    let failed = server.get("/api/v1/executions?status=failed").await;
    assert_eq!(failed["executions"][0]["execution_id"], id);
    assert_eq!(failed["executions"][0]["error"]["code"], "llm_no_deployment");
}
