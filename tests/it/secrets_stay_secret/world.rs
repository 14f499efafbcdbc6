//! Who is there: a sender, an administrator and a curious reader; and a proxy that cannot keep anything to itself.

use agenthook::model::SecretEncoding;
use serde_json::{Value, json};

use super::planted::{AUTHORIZATION, COOKIE, IN_HEADER, PROVIDER_HEX, PROVIDER_KEY, QUERY};
use crate::harness::{completion, error, eventually, key_of, sign};

/// All of them, of one server, and all that the API ever answered.
pub struct World {
    pub http: reqwest::Client,
    pub url: String,
    pub admin_key: String,
    pub answers: Vec<String>,
}

impl World {
    pub async fn ask(&mut self, method: &str, path: &str, body: Option<Value>) -> Value {
        self.ask_text(method, path, body.unwrap_or_default().to_string()).await
    }

    pub async fn ask_text(&mut self, method: &str, path: &str, body: String) -> Value {
        let request = self.http.request(method.parse().expect("a method"), format!("{}{path}", self.url));
        self.send(request.bearer_auth(&self.admin_key).header("cookie", COOKIE).body(body)).await
    }

    /// What shows a secret once, to whoever asked for it: the answer is none of those that are searched.
    pub async fn shown_once(&mut self, method: &str, path: &str, body: Option<Value>) -> Value {
        let answer = self.ask(method, path, body).await;
        self.answers.pop();
        answer
    }

    pub async fn hook(&mut self, agent: &str, body: String, signature: String) -> Value {
        self.hook_with(agent, body, signature, &[]).await
    }

    /// The same with further headers.
    pub async fn hook_with(
        &mut self,
        agent: &str,
        body: String,
        signature: String,
        headers: &[(&str, &str)],
    ) -> Value {
        let url = format!("{}/webhook/agents/{agent}/webhook?token={QUERY}", self.url);
        let request = self.http.post(url).header("x-hub-signature-256", signature).header("cookie", COOKIE);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request.bearer_auth(AUTHORIZATION).header("content-type", "application/json").body(body))
            .await
    }

    pub async fn send(&mut self, request: reqwest::RequestBuilder) -> Value {
        let answer = request.send().await.expect("an answer");
        let headers = format!("{:?}", answer.headers());
        let body = answer.text().await.expect("a whole answer");
        self.answers.push(format!("{headers} {body}"));
        serde_json::from_str(&body).unwrap_or_default()
    }

    /// Signs, posts and waits for the end.
    pub async fn run(&mut self, agent: &str, secret: &str, payload: Value) -> Value {
        let body = payload.to_string();
        let signature = sign(secret, SecretEncoding::Base64, body.as_bytes());
        let accepted = self.hook(agent, body, signature).await;
        let id = accepted["execution_id"].as_str().unwrap_or_else(|| panic!("{accepted}")).to_owned();
        self.ended(&id).await
    }

    /// Waits for the end.
    pub async fn ended(&self, id: &str) -> Value {
        let (http, url, key) = (self.http.clone(), self.url.clone(), self.admin_key.clone());
        let ended = async || {
            let request = http.get(format!("{url}/api/v1/executions/{id}")).bearer_auth(&key);
            let trace: Value = request.send().await.expect("an answer").json().await.expect("JSON");
            matches!(trace["status"].as_str(), Some("success" | "failed")).then_some(trace)
        };
        eventually("the run ends", ended).await
    }
}

/// A proxy that says the caller's key, and its providers', in every error that there is and in its headers.
pub fn echo(call: &wiremock::Request) -> wiremock::ResponseTemplate {
    let key = key_of(call);
    let body: Value = call.body_json().expect("JSON");
    let says = |words: &str| {
        format!(
            "{words} Received: {key}, 'Authorization': 'Bearer {key}' (hash of {key}); provider: {PROVIDER_KEY}, \
             api-key {PROVIDER_HEX}"
        )
    };
    let answer = match body["model"].as_str().expect("a model") {
        "echo-400" => error(400, "invalid_request_error", &says("litellm.BadRequestError: no.")),
        "echo-401" => error(401, "auth_error", &says("Authentication Error, Invalid proxy server token.")),
        "echo-403" => error(403, "permission_error", &says("no")).insert_header("llm_provider-x", "1"),
        "echo-422" => error(422, "budget_exceeded", &says("Budget has been exceeded!")),
        "echo-429" => {
            error(429, "throttling_error", &says("slow down")).insert_header("x-litellm-call-id", key)
        }
        "echo-500" => error(500, "internal_server_error", &says("litellm.InternalServerError:")),
        "echo-page" => wiremock::ResponseTemplate::new(502).set_body_string(says("<html>")),
        "echo-text" => wiremock::ResponseTemplate::new(200).set_body_string(says("Hello")),
        _ => completion("a good answer"),
    };
    answer
        .insert_header("x-litellm-model-api-base", format!("https://provider.example/?key={IN_HEADER}"))
        .insert_header("llm_provider-set-cookie", format!("session={IN_HEADER}"))
        .insert_header("x-litellm-key", key)
}

pub const MODELS: [&str; 9] = [
    "echo-400",
    "echo-401",
    "echo-403",
    "echo-422",
    "echo-429",
    "echo-500",
    "echo-page",
    "echo-text",
    "good",
];

/// An agent of a tenant for a model, signed with a secret of the sender's choice if there is one.
pub fn agent(tenant: &str, model: &str, secret: Option<&str>) -> Value {
    json!({
        "tenant_id": tenant, "name": "a", "llm_config": {"model": model}, "retry": {"max_attempts": 1},
        "trigger": {"type": "webhook", "secret": secret, "payload_schema": {"type": "object"}},
    })
}
