//! An agent under test, and the sender that holds its secret.

use agenthook::model::SecretEncoding;
use agenthook::signature::{Scheme, ToSign};
use serde_json::{Value, json};

use super::{ADMIN_KEY, Server, hold_against};

/// An agent and its secret.
#[derive(Clone)]
pub struct Agent {
    pub id: String,
    pub secret: String,
    pub webhook_url: String,
    http: reqwest::Client,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
    pub text: String,
}

impl Answer {
    pub(super) async fn of(mut answer: reqwest::Response) -> Self {
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let is_endless = headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
        let text = match is_endless {
            // Its beginning; `Following` reads on.
            true => {
                let piece = answer.chunk().await.expect("it begins").unwrap_or_default();
                String::from_utf8_lossy(&piece).into_owned()
            }
            false => answer.text().await.expect("a whole answer"),
        };
        Self { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null), text }
    }

    /// A header, which must be there.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {:?}", self.headers));
        value.to_str().expect("text")
    }

    /// The execution that the answer names.
    pub fn execution_id(&self) -> String {
        self.body["execution_id"].as_str().unwrap_or_else(|| panic!("no execution: {}", self.text)).to_owned()
    }
}

impl Agent {
    pub(super) async fn create(server: &Server, fields: Value) -> Self {
        Self::create_at(&server.url, &server.http, fields).await
    }

    /// On any server with the tests' admin key.
    pub async fn create_at(url: &str, http: &reqwest::Client, fields: Value) -> Self {
        Self::create_as(ADMIN_KEY, url, http, fields).await
    }

    /// On any server.
    pub async fn create_as(key: &str, url: &str, http: &reqwest::Client, fields: Value) -> Self {
        let api = async |path: &str, body: Value| {
            let request = http.post(format!("{url}{path}")).bearer_auth(key).json(&body);
            Answer::of(request.send().await.expect("the server answers")).await
        };
        let mut agent = json!({
            "tenant_id": "acme", "name": "Triage", "system_prompt": "You triage tickets.",
            "llm_config": {"model": "gpt-4o-mini"}, "trigger": {"type": "webhook"},
        });
        for (name, value) in fields.as_object().expect("an object of fields") {
            agent[name] = value.clone();
        }
        let tenant = json!({"tenant_id": agent["tenant_id"]});
        let answer = api("/api/v1/tenants", tenant).await;
        assert!(matches!(answer.status, 201 | 409), "the tenant is there: {}", answer.text);
        let answer = api("/api/v1/agents", agent).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let body = answer.body;
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        Self {
            id: text("agent_id"),
            secret: text("webhook_secret"),
            webhook_url: text("webhook_url"),
            http: http.clone(),
        }
    }

    /// The same agent for a sender with another secret.
    pub fn with_secret(&self, secret: &Value) -> Self {
        Self { secret: secret.as_str().expect("a secret").to_owned(), ..self.clone() }
    }

    /// A sender of this agent that posts to another one.
    pub fn to_another(&self, id: &str) -> Self {
        let webhook_url = self.webhook_url.replace(&self.id, id);
        Self { id: id.to_owned(), webhook_url, ..self.clone() }
    }

    /// The same agent as it is reached through another server.
    pub fn through(&self, server: &Server) -> Self {
        self.at(&server.url)
    }

    /// The same agent as it is reached at another address.
    pub fn at(&self, url: &str) -> Self {
        let path = &self.webhook_url[self.webhook_url.find("/webhook/").expect("a webhook URL")..];
        Self { webhook_url: format!("{url}{path}"), ..self.clone() }
    }

    /// The header value that signs these bytes.
    pub fn signature(&self, body: &[u8]) -> String {
        sign(&self.secret, SecretEncoding::Base64, body)
    }

    /// Signs and posts what must be accepted, and waits for the end.
    pub async fn run(&self, server: &Server, body: impl AsRef<[u8]>) -> Value {
        server.ended(&self.accepted(body).await).await
    }

    /// Signs and posts what must be accepted; its execution.
    pub async fn accepted(&self, body: impl AsRef<[u8]>) -> String {
        let answer = self.post(body).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        answer.execution_id()
    }

    /// Signs and posts.
    pub async fn post(&self, body: impl AsRef<[u8]>) -> Answer {
        self.post_with(body, &[]).await
    }

    /// Signs and posts to a server that may be away or fall in the middle: then there is no answer.
    pub async fn try_post(&self, body: &str) -> Option<(u16, Value)> {
        let request = self.http.post(&self.webhook_url).body(body.to_owned());
        let request = request.header("content-type", "application/json");
        let request = request.header("x-hub-signature-256", self.signature(body.as_bytes()));
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.json().await.ok()?))
    }

    /// Signs and posts with further headers.
    pub async fn post_with(&self, body: impl AsRef<[u8]>, headers: &[(&str, &str)]) -> Answer {
        let signature = self.signature(body.as_ref());
        let mut all = vec![("content-type", "application/json"), ("x-hub-signature-256", signature.as_str())];
        all.extend_from_slice(headers);
        self.post_raw(body.as_ref(), &all).await
    }

    /// Posts with exactly these headers.
    pub async fn post_raw(&self, body: &[u8], headers: &[(&str, &str)]) -> Answer {
        let mut request = self.http.post(&self.webhook_url).body(body.to_vec());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = Answer::of(request.send().await.expect("the server answers")).await;
        let path = self.webhook_url.find("/webhook/").map_or("", |start| &self.webhook_url[start..]);
        hold_against("POST", path, &answer);
        answer
    }
}

/// A `hub` signature.
pub fn sign(secret: &str, encoding: SecretEncoding, body: &[u8]) -> String {
    let key = Scheme::hub().key(&secret.into(), encoding).expect("a usable secret");
    Scheme::hub().sign(&key, &ToSign::body(body)).expect("signed").remove(0).1
}
