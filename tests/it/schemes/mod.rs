//! Senders of every scheme: each starts its agent once, however often it repeats itself, and nobody else does.

mod deliveries;
mod settings;

use std::time::Duration;

use agenthook::model::{CustomScheme, SchemeName, Time};
use agenthook::signature::{Scheme, ToSign};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{Agent, Answer, Server};

/// RFC 8032, test 1: the halves of a key.
const PRIVATE: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const FORM: &str = "application/x-www-form-urlencoded";

/// Somebody who signs as a scheme has it.
struct Sender {
    scheme: Scheme,
    agent: Agent,
}

/// Headers, as they are sent.
type Headers = Vec<(String, String)>;

impl Sender {
    async fn new(server: &Server, name: SchemeName, more: Value) -> Self {
        let mut trigger = json!({"type": "webhook", "scheme": name});
        if name == SchemeName::Discord {
            trigger["secret"] = PUBLIC.into();
        }
        for (member, value) in more.as_object().expect("members") {
            trigger[member] = value.clone();
        }
        let custom: Option<CustomScheme> =
            serde_json::from_value(trigger["custom"].clone()).expect("the form of a custom scheme");
        let scheme = Scheme::of(name, custom.as_ref()).expect("a scheme");
        let agent = server.agent_with(json!({"trigger": trigger})).await;
        Self { scheme, agent }
    }

    fn signed_at(&self, body: &str, now: Time, id: &str, url: &str) -> Headers {
        let encoding = self.scheme.name().default_encoding();
        let secret = if self.scheme.name() == SchemeName::Discord { PRIVATE } else { &self.agent.secret };
        let key = self.scheme.key_to_sign(&secret.into(), encoding).expect("a key");
        self.scheme.sign(&key, &ToSign { body: body.as_bytes(), url, now, id }).expect("signed")
    }

    fn signed(&self, body: &str, now: Time) -> Headers {
        self.signed_at(body, now, "msg_1", &self.agent.webhook_url)
    }

    async fn post_raw(&self, body: &str, headers: &Headers, content_type: &str) -> Answer {
        let mut all = vec![("content-type", content_type)];
        all.extend(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        self.agent.post_raw(body.as_bytes(), &all).await
    }

    async fn post(&self, body: &str, headers: &Headers) -> Answer {
        self.post_raw(body, headers, "application/json").await
    }
}

fn later(now: Time, seconds: i64) -> Time {
    now + chrono::TimeDelta::seconds(seconds)
}

/// It is a new execution: its id.
fn new(answer: &Answer) -> String {
    assert_eq!(answer.body["status"], "queued", "{} {}", answer.status, answer.text);
    answer.execution_id()
}

fn duplicate_of(answer: &Answer, id: &str) {
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("duplicate")), "{}", answer.text);
    assert_eq!(answer.execution_id(), id);
}

fn refused(answer: &Answer) {
    assert_eq!((answer.status, answer.text.as_str()), (401, r#"{"error":"Invalid signature"}"#));
}

/// What this scheme's sender would send: one body for the first time, and the same when it is sent again.
fn bodies(name: SchemeName, now: Time) -> [String; 2] {
    let with = |body: Value| [body.to_string(), body.to_string()];
    match name {
        SchemeName::Linear => [now, later(now, 5)]
            .map(|at| json!({"action": "create", "webhookTimestamp": at.timestamp_millis()}).to_string()),
        SchemeName::Intercom => [1, 2].map(|n| json!({"id": "notif_1", "delivery_attempts": n}).to_string()),
        SchemeName::Stripe => with(json!({"id": "evt_1"})),
        SchemeName::Slack => with(json!({"type": "event_callback", "event_id": "Ev1"})),
        SchemeName::Pagerduty => with(json!({"event": {"id": "01B"}})),
        SchemeName::Hokusai => [1, 2].map(|n| json!({"idempotency_key": "k", "try": n}).to_string()),
        SchemeName::XWebhook => [0, 1].map(|n| json!({"event_id": "evt_1", "retry_count": n}).to_string()),
        SchemeName::Discord => with(json!({"id": "12", "type": 2})),
        _ => with(json!({"ticket_id": "TKT-123"})),
    }
}

fn custom() -> Value {
    json!({"custom": {
        "header": "X-Own", "template": "{timestamp}.{url}.{body}", "algorithm": "sha512", "encoding": "base64",
        "prefix": "v1:", "timestamp_header": "X-Own-Time", "timestamp_unit": "ms",
    }})
}

#[tokio::test(flavor = "multi_thread")]
async fn each_starts_its_agent_once_however_often_it_repeats_itself() {
    let server = Server::start().await;
    let now = server.clock.now();
    for name in SchemeName::ALL {
        let more = if name == SchemeName::Custom { custom() } else { json!({}) };
        let mut sender = Sender::new(&server, name, more).await;
        let [body, again] = bodies(name, now);
        if name == SchemeName::Twilio {
            let hash = hex::encode(Sha256::digest(body.as_bytes()));
            sender.agent.webhook_url = format!("{}?bodySHA256={hash}", sender.agent.webhook_url);
        }
        let headers = sender.signed(&body, now);
        let first = sender.post(&body, &headers).await;
        assert_eq!(first.status, sender.scheme.accepted_status(), "{name:?}: {}", first.text);
        let id = new(&first);
        duplicate_of(&sender.post(&body, &headers).await, &id);
        // as its retry comes: signed anew
        let retry = sender.signed(&again, later(now, 5));
        duplicate_of(&sender.post(&again, &retry).await, &id);
        let trace = server.ended(&id).await;
        assert_eq!(trace["status"], "success", "{name:?}: {trace}");
        assert_eq!(
            trace["input"].to_string(),
            serde_json::from_str::<Value>(&body).expect("JSON").to_string()
        );

        for (at, header) in headers.iter().enumerate() {
            let mut fewer = headers.clone();
            fewer.remove(at);
            refused(&sender.post(&body, &fewer).await);
            refused(&sender.post(&body, &[headers.clone(), vec![header.clone()]].concat()).await);
        }
        if !matches!(name, SchemeName::Bearer | SchemeName::Basic) {
            refused(&sender.post(&body.replace(['1', '2'], "3"), &headers).await);
        }
        refused(&sender.post(&body, &vec![]).await);
    }
    assert_eq!(server.executions().await.len(), SchemeName::ALL.len());
    assert_eq!(server.llm.calls().await.len(), SchemeName::ALL.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_of_signing_holds_for_five_minutes_either_way() {
    let server = Server::with_manual_clock().await;
    let now = server.clock.now();
    let names = [
        SchemeName::StandardWebhooks,
        SchemeName::Gitlab,
        SchemeName::Stripe,
        SchemeName::Slack,
        SchemeName::Linear,
        SchemeName::Zendesk,
        SchemeName::Discord,
        SchemeName::Custom,
    ];
    for name in names {
        let more = if name == SchemeName::Custom { custom() } else { json!({}) };
        let sender = Sender::new(&server, name, more).await;
        let send = async |offset: i64| {
            let at = later(now, offset);
            let body = json!({"offset": offset, "webhookTimestamp": at.timestamp_millis()}).to_string();
            let headers = sender.signed_at(&body, at, &format!("msg_{offset}"), &sender.agent.webhook_url);
            sender.post(&body, &headers).await
        };
        for offset in [-300, -299, 0, 299, 300] {
            new(&send(offset).await);
        }
        for offset in [-301, 301, -1_000_000] {
            refused(&send(offset).await);
        }
        if name == SchemeName::Linear {
            for wrong in [json!(-1), json!("now"), json!(now.timestamp()), json!(null), json!([])] {
                let body = json!({"webhookTimestamp": wrong}).to_string();
                refused(&sender.post(&body, &sender.signed(&body, now)).await);
            }
            continue;
        }
        // What is signed says a time that is none, under a right signature: the sender is broken, or somebody plays.
        let right = sender.signed("{}", now);
        let is_time = |value: &str| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let at = right.iter().position(|(name, value)| is_time(value) || name.ends_with("Timestamp"));
        for wrong in ["-1700000000", "soon", "", "1.7e9", &now.timestamp_millis().to_string()] {
            let mut headers = right.clone();
            match at {
                Some(at) if headers[at].1 == wrong => continue,
                Some(at) => headers[at].1 = wrong.to_owned(),
                None => headers[0].1 = headers[0].1.replace(&now.timestamp().to_string(), wrong),
            }
            refused(&sender.post("{}", &headers).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_sender_chooses_the_algorithm() {
    let server = Server::start().await;
    let [jira, intercom] = [
        Sender::new(&server, SchemeName::Jira, json!({})).await,
        Sender::new(&server, SchemeName::Intercom, json!({})).await,
    ];
    // the same secret under the other algorithm, which is as right as it can be
    let crossed = |of: &Sender, by: &Sender| {
        let key =
            of.scheme.key_to_sign(&by.agent.secret.as_str().into(), of.scheme.name().default_encoding());
        of.scheme.sign(&key.expect("a key"), &ToSign::body(b"{}")).expect("signed")
    };
    refused(&jira.post("{}", &crossed(&intercom, &jira)).await);
    refused(&intercom.post("{}", &crossed(&jira, &intercom)).await);
    new(&jira.post("{}", &crossed(&jira, &jira)).await);
    new(&intercom.post("{}", &crossed(&intercom, &intercom)).await);
}
