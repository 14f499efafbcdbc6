//! What goes out is verified by programs that are not ours: the libraries of Standard Webhooks, receivers that verify the
//! bytes, receivers that verify a body that they have written again, and those in examples/.

mod examples;
mod guides;
mod javascript;
mod libraries;
mod plain;

use agenthook::clock::Clock;
use agenthook::egress::{Attempt, Recipient, SignedRequest, compose};
use agenthook::model::{
    Event, EventType, Profile, SigningSecret, TargetText, Time, WebhookId, in_javascripts_form,
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

/// A generated secret, and one of somebody's own.
const SECRETS: [&str; 2] =
    ["whsec_kJ+3/0123456789abcdefghijklmnopqrstuvwxyzA8=", "a text of one's own, ä too"];

/// `data` with all that is written in more than one way.
const AWKWARD: &str = r#"{ "text": "\u00e4\/\u2028\ud83d\ude00 <&> \u007f\u0001", "z": [1.0, 1e2, -0, 0.1e-6, 1.33E-5,
    1e21, 12345678901234.50, -9007199254740991], "a": {"b": {}, "": null}, "again": 1, "more": true, "again": [ ] }"#;

fn now() -> Time {
    Clock::system().now()
}

/// An event whose `data` is as it is stored: in JavaScript's form.
fn event(event_type: EventType, data: &str) -> Event {
    let mut event = Event::new(event_type, None, now(), &json!({}));
    event.data = in_javascripts_form(data).expect("JSON");
    event
}

/// One that the profile can tell, with awkward facts.
fn awkward(profile: Profile) -> Event {
    match profile {
        Profile::Standard | Profile::StandardWebhooks | Profile::Hub => {
            event(EventType::OptimizationCompleted, AWKWARD)
        }
        Profile::Hokusai | Profile::Mlflow => {
            let mut data: Value = json!({
                "model_id": "Ärger/5", "name": "Ärger \u{2028}", "version": "5", "mlflow_run_id": "abc123",
                "token_id": "LSCOR", "metric_name": "accuracy", "tags": {"environment": "ß"},
            });
            data["baseline_value"] = json!(0.920_000_1);
            event(EventType::ModelRegistered, &data.to_string())
        }
    }
}

/// The newest secret first.
fn signed(event: &Event, profile: Profile, secrets: &[&str], earlier: u32) -> SignedRequest {
    let target = TargetText { url: "https://example.com/".into(), ..TargetText::default() };
    let secrets = secrets.iter().map(|&text| SigningSecret { text: text.into(), expires_at: None });
    let to = Recipient::new(WebhookId::new(), profile, target, secrets.collect()).expect("usable");
    compose(event, &to, &Attempt { earlier, now: now(), url: None }).expect("it can be told")
}

fn body(request: &SignedRequest) -> &str {
    str::from_utf8(&request.body).expect("text")
}

fn header<'r>(request: &'r SignedRequest, name: &str) -> &'r str {
    let found = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
    found.unwrap_or_else(|| panic!("no {name}")).value.expose_secret()
}

/// The profiles with a hex signature, and its header.
const HEX: [(Profile, &str); 4] = [
    (Profile::Standard, "X-Webhook-Signature"),
    (Profile::Hub, "X-Hub-Signature-256"),
    (Profile::Hokusai, "X-Hokusai-Signature"),
    (Profile::Mlflow, "x-mlflow-signature"),
];
