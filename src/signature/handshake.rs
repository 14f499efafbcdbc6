//! What a sender asks before it sends anything: whether somebody is there. It is answered, and nothing runs.

use serde_json::{Value, json as value};

use super::{HeaderSource, json};
use crate::model::SchemeName;

/// The answer to a handshake.
#[derive(Clone, Debug, PartialEq)]
pub struct Handshake {
    /// The HTTP status.
    pub status: u16,
    /// The JSON to send; `None` is no body.
    pub body: Option<Value>,
}

/// The answer, if these are a handshake of the scheme.
pub(super) fn of(
    scheme: SchemeName,
    headers: &(impl HeaderSource + ?Sized),
    body: &[u8],
) -> Option<Handshake> {
    let kind = || json::find(body, &["type"]).map(|kind| kind.get());
    match scheme {
        // https://docs.github.com/en/webhooks/webhook-events-and-payloads#ping
        SchemeName::Hub | SchemeName::Github => {
            let is_ping = headers.values("X-GitHub-Event").next() == Some(b"ping");
            is_ping.then(|| answer(value!({"status": "ignored", "reason": "handshake"})))
        }
        // https://api.slack.com/events/url_verification
        SchemeName::Slack if kind() == Some(r#""url_verification""#) => {
            let challenge = json::find_text(body, &["challenge"]);
            Some(answer(value!({"challenge": challenge})))
        }
        // https://discord.com/developers/docs/interactions/receiving-and-responding: the interactions endpoint's PING.
        // Under the same type webhook events bring their events.
        SchemeName::Discord if kind() == Some("1") && json::find(body, &["event"]).is_none() => {
            Some(answer(value!({"type": 1})))
        }
        // https://discord.com/developers/docs/events/webhook-events: PING of webhook events
        SchemeName::Discord if kind() == Some("0") => Some(Handshake { status: 204, body: None }),
        SchemeName::Slack
        | SchemeName::Discord
        | SchemeName::Gitlab
        | SchemeName::StandardWebhooks
        | SchemeName::Stripe
        | SchemeName::Shopify
        | SchemeName::Linear
        | SchemeName::Zendesk
        | SchemeName::Jira
        | SchemeName::Pagerduty
        | SchemeName::Intercom
        | SchemeName::Sentry
        | SchemeName::Twilio
        | SchemeName::Hokusai
        | SchemeName::Mlflow
        | SchemeName::XWebhook
        | SchemeName::Bearer
        | SchemeName::Basic
        | SchemeName::Custom => None,
    }
}

fn answer(body: Value) -> Handshake {
    Handshake { status: 200, body: Some(body) }
}
