//! What an endpoint's owner may say of it: from JSON to a [`Webhook`], and back again for a change of some of it.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;
use utoipa::ToSchema;

use super::agent_request::unusable;
use super::webhook_retry::{Retry, check_timeout, retry_schema};
use crate::app::App;
use crate::egress::{Resolution, WHSEC, header_fault};
use crate::filter::{Filter, Names};
use crate::model::{
    AgentId, EventPattern, EventType, MIN_SIGNING_SECRET_CHARS, Profile, RateLimit, TargetText, Webhook,
    WebhookOptions,
};
use crate::web::{ApiError, Code, from_value};

/// Patterns of one endpoint, at most.
pub const MAX_PATTERNS: usize = 100;
/// Headers of one endpoint, at most.
pub const MAX_HEADERS: usize = 20;
/// Longest description, in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 500;
/// Longest one, in bytes.
pub const MAX_SECRET_BYTES: usize = 1024;

/// What stands for a value that is not shown.
const HIDDEN: &str = "***";

/// An endpoint's settings.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookSettings)]
pub struct Given {
    /// Events of this agent alone; `null`: of all.
    agent_id: Option<AgentId>,
    /// Where to: http or https, public, without user name and fragment.
    #[schema(max_length = 2048, example = "https://example.com/hook")]
    url: String,
    /// Event types, families such as `model.*`, or `*`.
    #[schema(value_type = Vec<String>, min_items = 1, max_items = 100, example = json!(["execution.completed", "model.*"]))]
    events: Vec<EventPattern>,
    /// The form of what is sent.
    profile: Option<Profile>,
    /// `standard`, `fast`, `hokusai`, or `{"schedule_seconds": […], "timeout_seconds": n}`.
    #[schema(schema_with = retry_schema)]
    retry: Option<Retry>,
    /// How long one attempt may take, in s; `null`: as the schedule has it.
    #[schema(minimum = 1, maximum = 300)]
    timeout_seconds: Option<u32>,
    /// A CEL expression over `event` that says which events are sent; `null`: all of those in `events`.
    #[schema(max_length = 1024, example = "event.data.status == 'failed'")]
    filter: Option<String>,
    /// How much is sent per minute; `null`: any number.
    rate_limit: Option<RateLimit>,
    /// Further headers. `***` keeps the value that is there.
    headers: Option<BTreeMap<String, String>>,
    /// Whether an exhausted delivery disables the endpoint; `null`: as the schedule has it.
    disable_on_exhausted: Option<bool>,
    /// For people.
    #[schema(max_length = 500)]
    description: Option<String>,
}

/// Settings that can be stored.
pub struct Settings {
    pub agent_id: Option<AgentId>,
    pub events: Vec<EventPattern>,
    pub profile: Profile,
    pub options: WebhookOptions,
    pub target: TargetText,
}

/// Takes the secret out of a request, which is no setting that could be shown again.
///
/// # Errors
/// It is no text, too short, too long, or `whsec_` and then no base64.
pub fn split_secret(fields: &mut Map<String, Value>) -> Result<Option<SecretString>, ApiError> {
    let secret: SecretString = match fields.remove("secret") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.into(),
        Some(_) => return Err(ApiError::field("/secret", "must be a string")),
    };
    check_secret(&secret).map(|()| Some(secret))
}

/// # Errors
/// Why deliveries cannot be signed with it.
pub fn check_secret(secret: &SecretString) -> Result<(), ApiError> {
    let text = secret.expose_secret();
    let refused = |message: String| Err(ApiError::field("/secret", message));
    if text.chars().count() < MIN_SIGNING_SECRET_CHARS || text.len() > MAX_SECRET_BYTES {
        return refused(format!(
            "must have {MIN_SIGNING_SECRET_CHARS} characters or more, and {MAX_SECRET_BYTES} bytes at most"
        ));
    }
    let unusable = text.starts_with(WHSEC).then(|| {
        let scheme = crate::signature::Scheme::of(crate::model::SchemeName::StandardWebhooks, None).ok()?;
        scheme.key_to_store(secret, crate::model::SecretEncoding::Whsec).err()
    });
    match unusable.flatten() {
        Some(fault) => refused(fault.to_string()),
        None => Ok(()),
    }
}

/// Checks settings. `earlier`: what is stored, where shown values stand for it.
///
/// # Errors
/// 422, with a pointer to what is wrong.
pub fn read(fields: Map<String, Value>, earlier: Option<&TargetText>) -> Result<Settings, ApiError> {
    let given: Given = from_value(Value::Object(fields))?;
    let profile = given.profile.unwrap_or_default();
    check_events(&given.events, profile)?;
    let retry = given.retry.map(Retry::checked).transpose()?.unwrap_or_default();
    check_timeout("/timeout_seconds", given.timeout_seconds)?;
    if let Some(text) = &given.filter {
        Filter::compile(text, Names::Event)
            .map_err(|fault| unusable(Code::InvalidFilter, "/filter", fault))?;
    }
    if let Some(fault) = given.rate_limit.as_ref().and_then(RateLimit::fault) {
        return Err(ApiError::field("/rate_limit", fault));
    }
    if given.description.as_ref().is_some_and(|text| text.chars().count() > MAX_DESCRIPTION_CHARS) {
        return Err(ApiError::field(
            "/description",
            format!("must have at most {MAX_DESCRIPTION_CHARS} characters"),
        ));
    }
    let target = target(given.url, given.headers.unwrap_or_default(), earlier)?;
    let options = WebhookOptions {
        filter: given.filter,
        retry,
        timeout_seconds: given.timeout_seconds,
        rate_limit: given.rate_limit,
        disable_on_exhausted: given.disable_on_exhausted,
        description: given.description,
        ..WebhookOptions::default()
    };
    Ok(Settings { agent_id: given.agent_id, events: given.events, profile, options, target })
}

fn check_events(events: &[EventPattern], profile: Profile) -> Result<(), ApiError> {
    if events.is_empty() || events.len() > MAX_PATTERNS {
        return Err(ApiError::field(
            "/events",
            format!("must be 1 to {MAX_PATTERNS} event types or families"),
        ));
    }
    let tells =
        |kind: &EventType| profile.can_tell(kind) && events.iter().any(|pattern| pattern.matches(kind));
    let told = EventType::CATALOGUE.iter().any(tells) || profile.can_tell(&EventType::ExecutionQueued);
    if told {
        return Ok(());
    }
    let message = "this profile tells of model.registered alone, and none of the events is that one";
    Err(ApiError::field("/events", message))
}

fn target(
    url: String,
    mut headers: BTreeMap<String, String>,
    earlier: Option<&TargetText>,
) -> Result<TargetText, ApiError> {
    let url = match earlier {
        Some(earlier) if url == earlier.url || url == shown_url(&earlier.url) => earlier.url.clone(),
        _ if url.split_once('?').is_some_and(|(_, query)| query.contains(HIDDEN)) => {
            let fault = "has a hidden value, and is not the URL that is there: give all of its values";
            return Err(ApiError::field("/url", fault));
        }
        _ => url,
    };
    if headers.len() > MAX_HEADERS {
        return Err(ApiError::field("/headers", format!("must be at most {MAX_HEADERS}")));
    }
    for (name, value) in &mut headers {
        if let Some(kept) = earlier.and_then(|earlier| earlier.headers.get(name)).filter(|_| value == HIDDEN)
        {
            value.clone_from(kept);
        }
        let unknown = || "is hidden, and there is none yet: give its value".to_owned();
        if let Some(fault) = header_fault(name, value).or_else(|| (value == HIDDEN).then(unknown)) {
            let name = name.replace('~', "~0").replace('/', "~1");
            return Err(ApiError::field(format!("/headers/{name}"), fault));
        }
    }
    let mut names: Vec<_> = headers.keys().map(|name| name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() < headers.len() {
        return Err(ApiError::field("/headers", "must name each header once, whatever its case"));
    }
    Ok(TargetText { url, headers })
}

/// Checks where an endpoint is to be, and says what its owner should know.
///
/// # Errors
/// 422 for a target that nothing may be sent to.
pub async fn check_target(app: &App, target: &TargetText) -> Result<Vec<String>, ApiError> {
    match app.sender.guard().check(&target.url).await {
        Ok(Resolution::Fine) => Ok(Vec::new()),
        Ok(Resolution::Unknown) => {
            Ok(vec!["the host's name does not resolve now: deliveries fail until it does".to_owned()])
        }
        Err(fault) => Err(ApiError::field("/url", fault.to_string())),
    }
}

/// A URL as it is shown: what its query says may be a credential. A pair without a name is all value.
pub fn shown_url(url: &str) -> String {
    let Some((path, query)) = url.split_once('?') else { return url.to_owned() };
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, _)) => format!("{name}={HIDDEN}"),
        None if pair.is_empty() => String::new(),
        None => HIDDEN.to_owned(),
    };
    format!("{path}?{}", query.split('&').map(pair).collect::<Vec<_>>().join("&"))
}

/// The same for whoever may change nothing: some receivers have their credential in the path.
pub fn outline_of_url(url: &str) -> String {
    url.parse::<Url>()
        .map_or_else(|_| String::new(), |url| format!("{}/{HIDDEN}", url.origin().ascii_serialization()))
}

/// Headers as they are shown.
pub fn shown_headers(headers: &BTreeMap<String, String>) -> BTreeMap<String, &'static str> {
    headers.keys().map(|name| (name.clone(), HIDDEN)).collect()
}

/// What a change of some of it is applied to: the settings as they would be given.
pub fn as_given(webhook: &Webhook, target: &TargetText) -> Map<String, Value> {
    let options = &webhook.options;
    let given = json!({
        "agent_id": webhook.agent_id, "url": target.url, "events": webhook.events, "profile": webhook.profile,
        "retry": options.retry, "timeout_seconds": options.timeout_seconds, "filter": options.filter,
        "rate_limit": options.rate_limit, "headers": target.headers,
        "disable_on_exhausted": options.disable_on_exhausted, "description": options.description,
    });
    match given {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_shown_without_its_values() {
        for (url, shown) in [
            ("https://a.example", "https://a.example"),
            ("https://a.example/b/c", "https://a.example/b/c"),
            ("https://a.example/?token=x", "https://a.example/?token=***"),
            ("https://a.example/b?x=1&y=a=b&", "https://a.example/b?x=***&y=***&"),
            ("https://a.example?0123456789abcdef", "https://a.example?***"),
            ("https://a.example?", "https://a.example?"),
            ("https://a.example?a=?b=c", "https://a.example?a=***"),
        ] {
            assert_eq!(shown_url(url), shown);
            assert_eq!(shown_url(shown), shown, "what is shown is shown as it is");
        }
    }

    #[test]
    fn of_a_url_a_viewer_is_shown_the_host() {
        for (url, shown) in [
            ("https://hooks.slack.com/services/T0/B0/xyz", "https://hooks.slack.com/***"),
            ("http://[::1]:8443/a?b=c", "http://[::1]:8443/***"),
            ("https://a.example", "https://a.example/***"),
            ("", ""),
        ] {
            assert_eq!(outline_of_url(url), shown);
        }
    }

    #[test]
    fn secrets_at_their_limits() {
        let fits = |text: &str| check_secret(&text.into()).is_ok();
        assert_eq!([15, 16, 17].map(|length| fits(&"x".repeat(length))), [false, true, true]);
        let most = MAX_SECRET_BYTES;
        assert_eq!([most - 1, most, most + 1].map(|length| fits(&"x".repeat(length))), [true, true, false]);
        assert!(fits("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        assert!(!fits("whsec_not base64, whatever it is"), "no library could use it");
        assert!(fits("äöüäöüäöüäöüäöüä"), "sixteen characters, not bytes");
    }
}
