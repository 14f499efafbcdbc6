//! Whoever is told of events: a real HTTP server that answers as it is told, and remembers what came.

use std::sync::{Arc, Mutex};

use agenthook::clock::Clock;
use agenthook::model::{SchemeName, SecretEncoding};
use agenthook::signature::Scheme;
use serde_json::Value;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::eventually;

/// The receiver.
pub struct Receiver {
    server: MockServer,
    says: Says,
}

/// What it answers at present.
#[derive(Clone)]
struct Says(Arc<Mutex<ResponseTemplate>>);

impl Respond for Says {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        self.0.lock().expect("nobody panicked").clone()
    }
}

impl Receiver {
    /// Answers everything with 204.
    pub async fn start() -> Self {
        let (server, says) =
            (MockServer::start().await, Says(Arc::new(Mutex::new(ResponseTemplate::new(204)))));
        Mock::given(method("POST")).respond_with(says.clone()).mount(&server).await;
        Self { server, says }
    }

    pub fn url(&self) -> String {
        format!("{}/hook", self.server.uri())
    }

    /// From now on every delivery is answered like this.
    pub fn answers(&self, answer: ResponseTemplate) {
        *self.says.0.lock().expect("nobody panicked") = answer;
    }

    /// What came so far, the first one first.
    pub async fn requests(&self) -> Vec<Request> {
        self.server.received_requests().await.expect("requests are recorded")
    }

    /// Its bodies.
    pub async fn bodies(&self) -> Vec<Value> {
        self.requests().await.iter().map(|request| request.body_json().expect("JSON")).collect()
    }

    /// Whether a delivery of the profile `standard` is signed with this secret, both ways.
    pub fn is_signed(&self, request: &Request, secret: &str) -> bool {
        let headers: Vec<(String, Vec<u8>)> = request
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
            .collect();
        let whsec = if secret.starts_with("whsec_") { SecretEncoding::Whsec } else { SecretEncoding::Utf8 };
        let ways = [(SchemeName::XWebhook, SecretEncoding::Utf8), (SchemeName::StandardWebhooks, whsec)];
        ways.into_iter().all(|(name, encoding)| {
            let scheme = Scheme::of(name, None).expect("a preset");
            let key = scheme.key(&secret.into(), encoding).expect("a key");
            let now = Clock::system().now();
            let request = agenthook::signature::Request {
                headers: headers.as_slice(),
                body: &request.body,
                url: "",
                now,
            };
            scheme.verify([((), &key)], &request).is_ok()
        })
    }

    /// Waits until so much has come.
    pub async fn got(&self, times: usize) {
        let got = async || (self.requests().await.len() >= times).then_some(());
        eventually(&format!("{times} deliveries have come"), got).await;
    }
}
