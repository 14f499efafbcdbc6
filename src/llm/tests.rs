//! The client against a real HTTP server: what goes over the wire, and what comes back broken.

mod answer;
mod broken;
mod request;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::model::FallbackReason;

const EXECUTION: &str = "01936f3a-0000-7000-8000-0000000000aa";
const AGENT: &str = "01936f3a-0000-7000-8000-0000000000bb";

fn client(url: &str) -> LlmClient {
    // Fails when another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let base_url = url.parse().expect("a URL");
    LlmClient::new(LlmSettings { base_url, platform_key: None, max_response_bytes: 10_000 })
        .expect("a client")
}

async fn call(client: &LlmClient, timeout: Duration) -> Result<Completion, LlmError> {
    call_with(client, timeout, &LlmConfig::of_model("gpt-4o-mini"), "You triage.", "sk-tenant").await
}

async fn call_with(
    client: &LlmClient,
    timeout: Duration,
    config: &LlmConfig,
    system_prompt: &str,
    key: &str,
) -> Result<Completion, LlmError> {
    let call = Call {
        config,
        system_prompt,
        user_message: "data",
        key: &SecretString::from(key),
        timeout,
        execution_id: EXECUTION.parse().expect("an id"),
        agent_id: AGENT.parse().expect("an id"),
        tenant_id: &"acme".parse().expect("an id"),
        attempt: 2,
    };
    client.complete(&call).await
}

const LONG: Duration = Duration::from_secs(20);

fn good() -> Value {
    json!({
        "id": "chatcmpl-1", "model": "gpt-4o-mini", "service_tier": "default",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi\0"}}],
        "usage": {
            "prompt_tokens": 1200, "completion_tokens": 300, "total_tokens": 1500,
            "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": null},
            "completion_tokens_details": {"reasoning_tokens": 256},
        },
    })
}

/// A server that always answers like this.
async fn serving(answer: ResponseTemplate) -> (MockServer, LlmClient) {
    let server = MockServer::start().await;
    Mock::given(method("POST")).and(path("/v1/chat/completions")).respond_with(answer).mount(&server).await;
    let client = client(&server.uri());
    (server, client)
}

async fn answered(answer: ResponseTemplate) -> Result<Completion, LlmError> {
    let (_server, client) = serving(answer).await;
    call(&client, LONG).await
}

/// A server that sends these bytes to everyone, slowly if told to, and hangs up.
async fn raw(parts: Vec<Vec<u8>>, pause: Duration) -> LlmClient {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = vec![0; 65_536];
            let _ = socket.read(&mut request).await;
            for part in &parts {
                if socket.write_all(part).await.is_err() {
                    break;
                }
                tokio::time::sleep(pause).await;
            }
        }
    });
    client(&url)
}
