//! A fake LiteLLM proxy: a real HTTP server with canned completions, and a memory of what it was asked.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// The fake proxy.
pub struct Llm {
    server: MockServer,
    says: Says,
    pages: Pages,
}

/// What is to be read at which path.
#[derive(Clone, Default)]
struct Pages(Arc<Mutex<HashMap<String, ResponseTemplate>>>);

impl Respond for Pages {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let pages = self.0.lock().expect("nobody panicked");
        pages.get(request.url.path()).cloned().unwrap_or_else(|| ResponseTemplate::new(404))
    }
}

/// What it answers at present. Exchanged in place: nothing of what it was asked is forgotten.
#[derive(Clone)]
struct Says(Arc<Mutex<Box<dyn Respond>>>);

impl Respond for Says {
    fn respond(&self, call: &Request) -> ResponseTemplate {
        self.0.lock().expect("nobody panicked").respond(call)
    }
}

/// One answer after the other; the last one stays.
struct InTurn(Mutex<VecDeque<ResponseTemplate>>);

impl Respond for InTurn {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let mut left = self.0.lock().expect("nobody panicked");
        if left.len() > 1 { left.pop_front() } else { left.front().cloned() }.expect("an answer")
    }
}

impl Llm {
    /// Answers every completion with "triaged".
    pub async fn start() -> Self {
        let llm = Self {
            server: MockServer::start().await,
            says: Says(Arc::new(Mutex::new(Box::new(completion("triaged"))))),
            pages: Pages::default(),
        };
        llm.answers_get("/key/info", ResponseTemplate::new(200).set_body_json(json!({"info": {}})));
        let calls = Mock::given(method("POST")).and(path("/v1/chat/completions"));
        calls.respond_with(llm.says.clone()).mount(&llm.server).await;
        Mock::given(method("GET")).respond_with(llm.pages.clone()).mount(&llm.server).await;
        llm
    }

    pub fn url(&self) -> String {
        self.server.uri()
    }

    /// From now on every completion is answered like this.
    pub fn answers(&self, answer: impl Respond + 'static) {
        *self.says.0.lock().expect("nobody panicked") = Box::new(answer);
    }

    /// From now on the next completion is answered by the first of these, and so on; the last one stays.
    pub fn answers_in_turn<const N: usize>(&self, answers: [ResponseTemplate; N]) {
        self.answers(InTurn(Mutex::new(answers.into())));
    }

    /// The calls so far.
    pub async fn calls(&self) -> Vec<Request> {
        self.requests("/v1/chat/completions").await
    }

    /// What it was asked at this path so far.
    pub async fn requests(&self, path: &str) -> Vec<Request> {
        let all = self.server.received_requests().await.expect("requests are recorded");
        all.into_iter().filter(|request| request.url.path() == path).collect()
    }

    /// From now on a GET of this path is answered like this. At first every key is known to `/key/info`, and all else
    /// is a 404.
    pub fn answers_get(&self, path: &str, answer: ResponseTemplate) {
        self.pages.0.lock().expect("nobody panicked").insert(path.to_owned(), answer);
    }

    /// Waits until it was called so often.
    pub async fn called(&self, times: usize) {
        let calls = async || (self.calls().await.len() >= times).then_some(());
        super::eventually(&format!("{times} calls have come"), calls).await;
    }

    /// The bodies of the calls so far.
    pub async fn bodies(&self) -> Vec<Value> {
        self.calls().await.iter().map(|call| call.body_json().expect("a JSON body")).collect()
    }

    /// The bearer tokens of the calls so far.
    pub async fn keys(&self) -> Vec<String> {
        self.calls().await.iter().map(|call| key_of(call).to_owned()).collect()
    }
}

/// The bearer token of a call.
pub fn key_of(call: &Request) -> &str {
    let value = call.headers.get("authorization").expect("a key").to_str().expect("text");
    value.strip_prefix("Bearer ").expect("a bearer token")
}

/// A completion as LiteLLM gives it.
pub fn completion(text: &str) -> ResponseTemplate {
    ResponseTemplate::new(200)
        .insert_header("x-litellm-response-cost", "1.33e-05")
        .set_body_json(completion_body(text))
}

/// Its body.
pub fn completion_body(text: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o-mini",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 41, "completion_tokens": 12, "total_tokens": 53},
    })
}

/// An error as LiteLLM gives it.
pub fn error(status: u16, kind: &str, message: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({
        "error": {"message": message, "type": kind, "param": null, "code": status.to_string()},
    }))
}
