//! How senders sign: the words for it. What they do is in [`crate::signature`].

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::DedupeBy;

/// The signature schemes. `docs/signatures.md` has a row for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each is the name of a sender; docs/signatures.md says how it signs")]
pub enum SchemeName {
    /// `X-Hub-Signature-256: sha256=<hex>` over the raw body.
    #[default]
    Hub,
    Github,
    Gitlab,
    StandardWebhooks,
    Stripe,
    Slack,
    Shopify,
    Linear,
    Zendesk,
    Jira,
    Pagerduty,
    Intercom,
    Sentry,
    Twilio,
    Discord,
    Hokusai,
    Mlflow,
    XWebhook,
    Bearer,
    Basic,
    /// As [`CustomScheme`] says.
    Custom,
}

impl SchemeName {
    /// Every scheme, in the order of the documentation.
    pub const ALL: [Self; 21] = [
        Self::Hub,
        Self::Github,
        Self::Gitlab,
        Self::StandardWebhooks,
        Self::Stripe,
        Self::Slack,
        Self::Shopify,
        Self::Linear,
        Self::Zendesk,
        Self::Jira,
        Self::Pagerduty,
        Self::Intercom,
        Self::Sentry,
        Self::Twilio,
        Self::Discord,
        Self::Hokusai,
        Self::Mlflow,
        Self::XWebhook,
        Self::Bearer,
        Self::Basic,
        Self::Custom,
    ];

    /// How this scheme's senders write their secrets.
    #[must_use]
    pub fn default_encoding(self) -> SecretEncoding {
        match self {
            Self::Hub => SecretEncoding::Base64,
            Self::StandardWebhooks => SecretEncoding::Whsec,
            Self::Discord => SecretEncoding::Hex,
            Self::Github
            | Self::Gitlab
            | Self::Stripe
            | Self::Slack
            | Self::Shopify
            | Self::Linear
            | Self::Zendesk
            | Self::Jira
            | Self::Pagerduty
            | Self::Intercom
            | Self::Sentry
            | Self::Twilio
            | Self::Hokusai
            | Self::Mlflow
            | Self::XWebhook
            | Self::Bearer
            | Self::Basic
            | Self::Custom => SecretEncoding::Utf8,
        }
    }

    /// What makes two hooks of this scheme the same delivery where the signature covers no id. A vendor's ids are not
    /// signed, so whoever has seen a request could send it again under a new one; its bytes are.
    #[must_use]
    pub fn default_dedupe(self) -> DedupeBy {
        match self {
            Self::Hub | Self::Custom | Self::Bearer | Self::Basic => DedupeBy::Id,
            Self::Github
            | Self::Gitlab
            | Self::StandardWebhooks
            | Self::Stripe
            | Self::Slack
            | Self::Shopify
            | Self::Linear
            | Self::Zendesk
            | Self::Jira
            | Self::Pagerduty
            | Self::Intercom
            | Self::Sentry
            | Self::Twilio
            | Self::Discord
            | Self::Hokusai
            | Self::Mlflow
            | Self::XWebhook => DedupeBy::Body,
        }
    }
}

/// How the text of a secret becomes the bytes of the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretEncoding {
    /// Standard base64.
    #[default]
    Base64,
    /// The text's own bytes.
    Utf8,
    /// Hexadecimal, either case.
    Hex,
    /// `whsec_` and base64, as Standard Webhooks writes it.
    Whsec,
}

/// A scheme that is none of the presets, described in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomScheme {
    /// The header with the signature.
    #[schema(example = "X-Signature")]
    pub header: String,
    /// What is signed: text with `{id}`, `{timestamp}`, `{body}` and `{url}`.
    #[serde(default = "body")]
    pub template: String,
    /// The hash function of the HMAC.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// How the signature is written.
    #[serde(default)]
    pub encoding: SignatureEncoding,
    /// What stands before the signature.
    #[serde(default)]
    pub prefix: String,
    /// What stands between several signatures in one header; `None` is one signature.
    #[serde(default)]
    pub separator: Option<String>,
    /// The header with the time of signing, which the template must hold.
    #[serde(default)]
    pub timestamp_header: Option<String>,
    /// How that time is written.
    #[serde(default)]
    pub timestamp_unit: TimestampUnit,
    /// How far that time may be from ours, in s, either way: 1–86,400.
    #[serde(default = "tolerance")]
    #[schema(minimum = 1, maximum = 86_400)]
    pub tolerance_seconds: u32,
    /// The header that names the delivery.
    #[serde(default)]
    pub id_header: Option<String>,
}

/// The hash function of an HMAC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "their names say it all")]
pub enum Algorithm {
    Sha1,
    #[default]
    Sha256,
    Sha512,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "their names say it all")]
pub enum SignatureEncoding {
    #[default]
    Hex,
    Base64,
}

/// How a time of signing is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimestampUnit {
    /// Seconds since 1970.
    #[default]
    S,
    /// Milliseconds since 1970.
    Ms,
    /// RFC 3339.
    Rfc3339,
}

fn body() -> String {
    "{body}".to_owned()
}

fn tolerance() -> u32 {
    300
}
