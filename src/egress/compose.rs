//! From an event to a signed request.
//!
//! The bytes and the headers follow from the event, the recipient and the attempt, and from nothing else: the same attempt
//! made twice is the same request.

use hyper::body::Bytes;
use secrecy::{ExposeSecret, SecretString};

use super::body;
use super::header::MayShow;
use crate::model::{Event, Profile, SchemeName, SecretEncoding, SigningSecret, TargetText, Time, WebhookId};
use crate::signature::{Scheme, SigningKey, ToSign};

/// What a secret for Standard Webhooks begins with.
pub const WHSEC: &str = "whsec_";

/// Where deliveries of an endpoint go, ready for use: keys are made once.
pub struct Recipient {
    webhook_id: WebhookId,
    profile: Profile,
    url: SecretString,
    headers: Vec<(String, SecretString)>,
    /// The newest first.
    keys: Vec<Keys>,
}

/// A secret's keys.
struct Keys {
    /// The text's bytes.
    text: SigningKey,
    /// What a `whsec_` secret decodes to, else the text's bytes.
    standard: SigningKey,
    expires_at: Option<Time>,
}

/// A stored target or secret that nothing can be made of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnusableTarget(pub(super) String);

/// Which attempt at a delivery this is.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Attempts at this delivery before.
    pub earlier: u32,
    /// When it begins.
    pub now: Time,
    /// Where to, for a delivery that has a URL of its own.
    pub url: Option<&'a SecretString>,
}

/// A request that can be sent. Its URL and headers may hold credentials.
pub struct SignedRequest {
    /// Where to.
    pub url: SecretString,
    /// All but those that the client adds.
    pub headers: Vec<Header>,
    /// What was signed.
    pub body: Bytes,
}

/// A header of a request.
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: SecretString,
    /// Whether a log may show the value: it is not one that a person set.
    pub may_show: MayShow,
}

impl Recipient {
    /// Makes the keys. `secrets`: the newest first.
    ///
    /// # Errors
    /// What cannot be used.
    pub fn new(
        webhook_id: WebhookId,
        profile: Profile,
        target: TargetText,
        secrets: Vec<SigningSecret>,
    ) -> Result<Self, UnusableTarget> {
        let keys = secrets.into_iter().map(keys).collect::<Result<Vec<_>, _>>()?;
        let headers = target.headers.into_iter().map(|(name, value)| (name, value.into())).collect();
        Ok(Self { webhook_id, profile, url: target.url.into(), headers, keys })
    }

    /// The keys that sign at this time, the newest first.
    fn live(&self, now: Time) -> impl Iterator<Item = &Keys> {
        self.keys.iter().filter(move |keys| keys.expires_at.is_none_or(|end| now < end))
    }
}

fn keys(SigningSecret { text, expires_at }: SigningSecret) -> Result<Keys, UnusableTarget> {
    let unusable =
        |fault: crate::signature::SecretFault| UnusableTarget(format!("a signing secret: {fault}"));
    let is_whsec = text.expose_secret().starts_with(WHSEC);
    let encoding = if is_whsec { SecretEncoding::Whsec } else { SecretEncoding::Utf8 };
    let standard = scheme(SchemeName::StandardWebhooks).key(&text, encoding).map_err(unusable)?;
    let text = scheme(SchemeName::Hub).key(&text, SecretEncoding::Utf8).map_err(unusable)?;
    Ok(Keys { text, standard, expires_at })
}

fn scheme(name: SchemeName) -> Scheme {
    Scheme::of(name, None).expect("every profile signs by a preset")
}

/// The request of one attempt.
///
/// # Errors
/// The profile has no form for such an event, or no secret signs any more.
pub fn compose(
    event: &Event,
    to: &Recipient,
    attempt: &Attempt<'_>,
) -> Result<SignedRequest, UnusableTarget> {
    let body = body::of(event, to.profile, attempt.earlier)?;
    let Some(newest) = to.live(attempt.now).next() else {
        return Err(UnusableTarget("there is no signing secret that has not ended".into()));
    };
    let id = event.event_id.to_string();
    let what = ToSign { body: &body, url: "", now: attempt.now, id: &id };
    let mut headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    headers.push(("User-Agent".into(), concat!("agenthook/", env!("CARGO_PKG_VERSION")).into()));
    match to.profile {
        Profile::Standard => {
            headers.extend(hex("X-Webhook-Signature", newest, &what)?);
            headers.extend(ids(event, to.webhook_id));
            headers.extend(standard_webhooks(to, attempt.now, &what)?);
        }
        Profile::StandardWebhooks => headers.extend(standard_webhooks(to, attempt.now, &what)?),
        Profile::Hub => {
            headers.extend(sign(SchemeName::Hub, &newest.text, &what)?);
            headers.extend(ids(event, to.webhook_id));
        }
        Profile::Hokusai => headers.extend(hex("X-Hokusai-Signature", newest, &what)?),
        Profile::Mlflow => headers.extend(hex("x-mlflow-signature", newest, &what)?),
    }
    let header = |name: String, value, may_show| Header { name, value, may_show };
    let ours = headers.into_iter().map(|(name, value)| header(name, value.into(), MayShow::Yes));
    let theirs = to.headers.iter().map(|(name, value)| header(name.clone(), value.clone(), MayShow::No));
    let headers = ours.chain(theirs).collect();
    Ok(SignedRequest { url: attempt.url.unwrap_or(&to.url).clone(), headers, body: body.into() })
}

type Headers = Vec<(String, String)>;

/// What names the event and the endpoint.
fn ids(event: &Event, webhook_id: WebhookId) -> Headers {
    vec![
        ("X-Webhook-ID".into(), webhook_id.to_string()),
        ("X-Event-ID".into(), event.event_id.to_string()),
        ("X-Timestamp".into(), body::time(event.at)),
    ]
}

/// Bare hex under a name of its own: all three senders sign the body alone, with the text of the secret.
fn hex(name: &str, keys: &Keys, what: &ToSign<'_>) -> Result<Headers, UnusableTarget> {
    let signed = sign(SchemeName::Hokusai, &keys.text, what)?;
    Ok(signed.into_iter().map(|(_, value)| (name.to_owned(), value)).collect())
}

/// Of all secrets that are live: receivers take one that any of them made.
fn standard_webhooks(to: &Recipient, now: Time, what: &ToSign<'_>) -> Result<Headers, UnusableTarget> {
    let mut headers: Headers = Vec::new();
    for keys in to.live(now) {
        for (name, value) in sign(SchemeName::StandardWebhooks, &keys.standard, what)? {
            match headers.iter_mut().find(|(earlier, _)| *earlier == name) {
                Some((_, signatures)) if name == "webhook-signature" => *signatures += &format!(" {value}"),
                Some(_) => {}
                None => headers.push((name, value)),
            }
        }
    }
    Ok(headers)
}

fn sign(name: SchemeName, key: &SigningKey, what: &ToSign<'_>) -> Result<Headers, UnusableTarget> {
    scheme(name).sign(key, what).map_err(|fault| UnusableTarget(fault.to_string()))
}

#[cfg(test)]
#[path = "compose_tests.rs"]
mod tests;
