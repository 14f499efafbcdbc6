//! A fake LiteLLM proxy: a real HTTP server with canned completions, and a memory of what it was asked.

use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// The fake proxy.
pub struct Llm(MockServer);

impl Llm {
    /// Answers every completion with "triaged".
    pub async fn start() -> Self {
        let llm = Self(MockServer::start().await);
        llm.answers(completion("triaged")).await;
        llm
    }

    pub fn url(&self) -> String {
        self.0.uri()
    }

    /// From now on every completion is answered like this.
    pub async fn answers(&self, answer: impl Respond + 'static) {
        self.0.reset().await;
        let calls = Mock::given(method("POST")).and(path("/v1/chat/completions"));
        calls.respond_with(answer).mount(&self.0).await;
    }

    /// The calls so far.
    pub async fn calls(&self) -> Vec<Request> {
        self.0.received_requests().await.expect("requests are recorded")
    }

    /// The bodies of the calls so far.
    pub async fn bodies(&self) -> Vec<Value> {
        self.calls().await.iter().map(|call| call.body_json().expect("a JSON body")).collect()
    }

    /// The bearer tokens of the calls so far.
    pub async fn keys(&self) -> Vec<String> {
        let bearer = |call: &Request| {
            let value = call.headers.get("authorization").expect("a key").to_str().expect("text");
            value.strip_prefix("Bearer ").expect("a bearer token").to_owned()
        };
        self.calls().await.iter().map(bearer).collect()
    }
}

/// A completion as LiteLLM gives it.
pub fn completion(text: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).insert_header("x-litellm-response-cost", "1.33e-05").set_body_json(json!({
        "id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o-mini",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 41, "completion_tokens": 12, "total_tokens": 53},
    }))
}

/// An error as LiteLLM gives it.
pub fn error(status: u16, kind: &str, message: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({
        "error": {"message": message, "type": kind, "param": null, "code": status.to_string()},
    }))
}
