//! The senders we know, each as its vendor's page describes it. `docs/signatures.md` is this as a table.

use super::Scheme;
use super::mac::{Layout, MacRules, Names};
use super::template::Template;
use super::time::{TimeRule, TimeSource};
use super::token::Carrier;
use crate::model::{Algorithm, SchemeName, SignatureEncoding, TimestampUnit};

/// How far a sender's clock and way may be from ours, in s, either way.
pub(super) const TOLERANCE: u32 = 300;

/// What proves who sent a hook.
#[derive(Clone, Debug)]
pub(super) enum Proof {
    /// An HMAC.
    Mac(MacRules),
    /// An HMAC over a form, or over its hash.
    Twilio,
    /// An Ed25519 signature.
    Discord,
    /// The secret's text says which: `whsec_…` signs by these rules, any other is a token.
    Gitlab(MacRules),
    /// A token.
    Token(Carrier),
}

/// The rules of a preset; `None` for `custom`, which has none.
pub(super) fn of(name: SchemeName) -> Option<Scheme> {
    Some(match name {
        SchemeName::Hub => hub(name).ids(&["X-GitHub-Delivery"]),
        SchemeName::Github => github(),
        SchemeName::Gitlab => gitlab(),
        SchemeName::StandardWebhooks => standard_webhooks(),
        SchemeName::Stripe => stripe(),
        SchemeName::Slack => slack(),
        SchemeName::Shopify => shopify(),
        SchemeName::Linear => linear(),
        SchemeName::Zendesk => zendesk(),
        SchemeName::Jira => jira(),
        SchemeName::Pagerduty => pagerduty(),
        SchemeName::Intercom => intercom(),
        SchemeName::Sentry => sentry(),
        SchemeName::Twilio => twilio(),
        SchemeName::Discord => discord(),
        SchemeName::Hokusai => hokusai(),
        SchemeName::Mlflow => mlflow(),
        SchemeName::XWebhook => x_webhook(),
        SchemeName::Bearer => Scheme::new(name, Proof::Token(Carrier::Bearer), RFC_6750),
        SchemeName::Basic => Scheme::new(name, Proof::Token(Carrier::Basic), RFC_7617),
        SchemeName::Custom => return None,
    })
}

const RFC_6750: &str = "https://www.rfc-editor.org/rfc/rfc6750";
const RFC_7617: &str = "https://www.rfc-editor.org/rfc/rfc7617";

/// `X-Hub-Signature-256: sha256=<hex>` over the raw body, as WebSub and GitHub have it; here the prefix may be absent.
fn hub(name: SchemeName) -> Scheme {
    let rules = MacRules { prefix_needed: false, ..mac("X-Hub-Signature-256", "{body}").prefix("sha256=") };
    Scheme::new(name, Proof::Mac(rules), "https://www.w3.org/TR/websub/#signing-content")
}

/// <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>
fn github() -> Scheme {
    let rules = mac("X-Hub-Signature-256", "{body}").prefix("sha256=");
    let page = "https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries";
    Scheme::new(SchemeName::Github, Proof::Mac(rules), page).ids(&["X-GitHub-Delivery"])
}

/// <https://docs.gitlab.com/user/project/integrations/webhooks/>: the signing token is Standard Webhooks'
/// (<https://gitlab.com/gitlab-org/gitlab/-/merge_requests/230944>), the older secret token is sent as it is.
fn gitlab() -> Scheme {
    let page = "https://docs.gitlab.com/user/project/integrations/webhooks/";
    let names = vec![Names::of(["webhook-signature", "webhook-timestamp", "webhook-id"])];
    Scheme::new(SchemeName::Gitlab, Proof::Gitlab(standard(names)), page)
}

/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>. Svix, where the
/// specification comes from, sends `svix-*`.
fn standard_webhooks() -> Scheme {
    let page = "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md";
    let names = vec![
        Names::of(["webhook-signature", "webhook-timestamp", "webhook-id"]),
        Names::of(["svix-signature", "svix-timestamp", "svix-id"]),
    ];
    Scheme::new(SchemeName::StandardWebhooks, Proof::Mac(standard(names)), page)
}

fn standard(names: Vec<Names>) -> MacRules {
    let rules = mac("", "{id}.{timestamp}.{body}").prefix("v1,").base64().time(TimeSource::Header);
    MacRules { names, layout: Layout::List(" ".into()), ..rules }
}

/// <https://docs.stripe.com/webhooks#verify-manually>. The secret is the whole text, `whsec_` included.
fn stripe() -> Scheme {
    let rules = mac("Stripe-Signature", "{timestamp}.{body}").prefix("v1=").time(TimeSource::Field);
    let rules = MacRules { layout: Layout::Fields, ..rules };
    Scheme::new(SchemeName::Stripe, Proof::Mac(rules), "https://docs.stripe.com/webhooks#verify-manually")
        .body_id(&["id"])
}

/// <https://api.slack.com/authentication/verifying-requests-from-slack>. Slash commands and buttons post forms, and
/// slash commands need a 200.
fn slack() -> Scheme {
    let names = ["X-Slack-Signature", "X-Slack-Request-Timestamp"];
    let rules = mac(names, "v0:{timestamp}:{body}").prefix("v0=").time(TimeSource::Header);
    let page = "https://api.slack.com/authentication/verifying-requests-from-slack";
    Scheme::new(SchemeName::Slack, Proof::Mac(rules), page).body_id(&["event_id"]).forms().ok()
}

/// <https://shopify.dev/docs/apps/build/webhooks/verify-deliveries>. Shopify's events leave the `X-` out.
fn shopify() -> Scheme {
    let rules = mac("X-Shopify-Hmac-SHA256", "{body}").base64();
    let names = vec![Names::of(["X-Shopify-Hmac-SHA256"]), Names::of(["Shopify-Hmac-SHA256"])];
    let page = "https://shopify.dev/docs/apps/build/webhooks/verify-deliveries";
    Scheme::new(SchemeName::Shopify, Proof::Mac(MacRules { names, ..rules }), page)
        .ids(&["X-Shopify-Webhook-Id", "Shopify-Webhook-Id"])
}

/// <https://linear.app/developers/webhooks#securing-webhooks>. The time of signing is in the body, so a retry has
/// another one; Linear takes nothing but a 200.
fn linear() -> Scheme {
    let mut rules = mac("Linear-Signature", "{body}").time(TimeSource::Body(&["webhookTimestamp"]));
    if let Some(time) = &mut rules.time {
        time.unit = TimestampUnit::Ms;
    }
    let page = "https://linear.app/developers/webhooks#securing-webhooks";
    Scheme::new(SchemeName::Linear, Proof::Mac(rules), page).ids(&["Linear-Delivery"]).ok()
}

/// <https://developer.zendesk.com/documentation/webhooks/verifying/>. Webhooks of triggers may post forms.
fn zendesk() -> Scheme {
    let names = ["X-Zendesk-Webhook-Signature", "X-Zendesk-Webhook-Signature-Timestamp"];
    let mut rules = mac(names, "{timestamp}{body}").base64().time(TimeSource::Header);
    if let Some(time) = &mut rules.time {
        time.unit = TimestampUnit::Rfc3339;
    }
    let page = "https://developer.zendesk.com/documentation/webhooks/verifying/";
    Scheme::new(SchemeName::Zendesk, Proof::Mac(rules), page)
        .ids(&["X-Zendesk-Webhook-Invocation-Id"])
        .forms()
}

/// <https://developer.atlassian.com/cloud/jira/platform/webhooks/#secure-admin-webhooks>
fn jira() -> Scheme {
    let rules = mac("X-Hub-Signature", "{body}").prefix("sha256=");
    let page = "https://developer.atlassian.com/cloud/jira/platform/webhooks/#secure-admin-webhooks";
    Scheme::new(SchemeName::Jira, Proof::Mac(rules), page).ids(&["X-Atlassian-Webhook-Identifier"])
}

/// <https://docs.pagerduty.com/developer/verifying-webhook-signatures>. The secret is the text, although it looks like
/// base64.
fn pagerduty() -> Scheme {
    let rules = mac("X-PagerDuty-Signature", "{body}").prefix("v1=");
    let rules = MacRules { layout: Layout::List(",".into()), ..rules };
    let page = "https://docs.pagerduty.com/developer/verifying-webhook-signatures";
    Scheme::new(SchemeName::Pagerduty, Proof::Mac(rules), page).body_id(&["event", "id"])
}

/// <https://developers.intercom.com/docs/webhooks/setting-up-webhooks#signed-notifications>. The secret is the app's
/// client secret; retries count in the body.
fn intercom() -> Scheme {
    let rules = MacRules { algorithm: Algorithm::Sha1, ..mac("X-Hub-Signature", "{body}").prefix("sha1=") };
    let page = "https://developers.intercom.com/docs/webhooks/setting-up-webhooks#signed-notifications";
    Scheme::new(SchemeName::Intercom, Proof::Mac(rules), page).body_id(&["id"])
}

/// <https://docs.sentry.io/organization/integrations/integration-platform/webhooks/>. `Sentry-Hook-Timestamp` is not
/// signed, so it proves nothing and is not looked at.
fn sentry() -> Scheme {
    let page = "https://docs.sentry.io/organization/integrations/integration-platform/webhooks/";
    Scheme::new(SchemeName::Sentry, Proof::Mac(mac("Sentry-Hook-Signature", "{body}")), page)
        .ids(&["Request-ID"])
}

/// <https://www.twilio.com/docs/usage/webhooks/webhooks-security>
fn twilio() -> Scheme {
    let page = "https://www.twilio.com/docs/usage/webhooks/webhooks-security";
    Scheme::new(SchemeName::Twilio, Proof::Twilio, page).ids(&["I-Twilio-Idempotency-Token"]).forms().ok()
}

/// <https://discord.com/developers/docs/interactions/overview#setting-up-an-endpoint-validating-security-request-headers>
fn discord() -> Scheme {
    let page = "https://discord.com/developers/docs/interactions/overview#setting-up-an-endpoint";
    Scheme::new(SchemeName::Discord, Proof::Discord, page).body_id(&["id"]).ok()
}

/// Hokusai's registration events: bare hex over the raw body, the text of the secret as the key.
fn hokusai() -> Scheme {
    Scheme::new(SchemeName::Hokusai, Proof::Mac(mac("X-Hokusai-Signature", "{body}")), OURS)
        .body_id(&["idempotency_key"])
}

/// The model registration events of Hokusai's pipeline: bare hex over the raw body, the text of the secret as the key.
/// MLflow's own webhooks sign otherwise: docs/signatures.md has them as a `custom` scheme.
fn mlflow() -> Scheme {
    Scheme::new(SchemeName::Mlflow, Proof::Mac(mac("X-MLflow-Signature", "{body}")), OURS)
}

/// `X-Webhook-Signature`: bare hex over the raw body, as our own outbound profile `standard` signs. `X-Webhook-ID` names
/// the sender's endpoint and not the delivery; the event does, and it is in the body.
fn x_webhook() -> Scheme {
    Scheme::new(SchemeName::XWebhook, Proof::Mac(mac("X-Webhook-Signature", "{body}")), OURS)
        .body_id(&["event_id"])
        .ids(&["X-Event-ID"])
}

/// Where no vendor has a page.
const OURS: &str = "";

/// HMAC-SHA256 over the template, in hex: what most do.
fn mac<const N: usize>(names: impl Into<NameList<N>>, template: &'static str) -> MacRules {
    MacRules {
        names: vec![Names::of(names.into().0)],
        template: Template::read(template.into()).expect("a preset's template is right"),
        algorithm: Algorithm::Sha256,
        encoding: SignatureEncoding::Hex,
        either_case: false,
        prefix: "".into(),
        prefix_needed: true,
        layout: Layout::One,
        time: None,
    }
}

/// The names of a signature's headers: the signature, the time, the id.
struct NameList<const N: usize>([&'static str; N]);

impl From<&'static str> for NameList<1> {
    fn from(name: &'static str) -> Self {
        Self([name])
    }
}

impl<const N: usize> From<[&'static str; N]> for NameList<N> {
    fn from(names: [&'static str; N]) -> Self {
        Self(names)
    }
}

impl Names {
    fn of<const N: usize>(names: [&'static str; N]) -> Self {
        let name = |at: usize| names.get(at).map(|&name| name.into());
        Self { signature: name(0).unwrap_or_default(), timestamp: name(1), id: name(2) }
    }
}

impl MacRules {
    fn prefix(self, prefix: &'static str) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    fn base64(self) -> Self {
        Self { encoding: SignatureEncoding::Base64, ..self }
    }

    fn time(self, source: TimeSource) -> Self {
        let rule = TimeRule { source, unit: TimestampUnit::S, tolerance: TOLERANCE };
        Self { time: Some(rule), ..self }
    }
}
