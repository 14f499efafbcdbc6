//! A webhook's settings as the fields of a form, and as the API takes them.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::show::Show;
use super::typed::{headers, lines, number, rate_limit, text, words};
use crate::api::view::WebhookView;
use crate::model::{RetrySchedule, WebhookOptions};
use crate::web::ApiError;

/// What was typed, or what is there.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookFields {
    pub tenant_id: String,
    pub agent_id: String,
    pub url: String,
    /// Between spaces, commas and ends of lines.
    pub events: String,
    /// Never shown again: not even to who has just typed it.
    pub secret: String,
    pub profile: String,
    /// A preset's word, or `own`.
    pub retry: String,
    /// The waits of one's own, in s.
    pub schedule_seconds: String,
    pub timeout_seconds: String,
    pub filter: String,
    pub per_minute: String,
    pub burst: String,
    /// A line each.
    pub headers: String,
    /// `true`, `false`, or nothing: as the schedule has it.
    pub disable_on_exhausted: String,
    pub description: String,
    /// The one that was changed; 0 is none.
    pub version: i32,
    /// The settings as the form was opened with them, as JSON: what is left as it was is not changed, and so is nobody
    /// else's change.
    pub were: String,
}

impl WebhookFields {
    /// Those of an endpoint, with what is hidden hidden.
    ///
    /// # Errors
    /// 422: never, of what is stored.
    pub fn of(view: WebhookView, options: &WebhookOptions) -> Result<Self, ApiError> {
        let shown = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
        let (retry, schedule) = match &view.retry {
            RetrySchedule::Own { schedule_seconds, .. } => ("own".to_owned(), joined(schedule_seconds)),
            preset => (preset.word(), String::new()),
        };
        let within = match &view.retry {
            RetrySchedule::Own { timeout_seconds, .. } => options.timeout_seconds.or(*timeout_seconds),
            _ => options.timeout_seconds,
        };
        let headers: Vec<_> =
            view.headers.into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let mut fields = Self {
            tenant_id: String::new(),
            agent_id: view.agent_id.map(|id| id.to_string()).unwrap_or_default(),
            url: view.url.unwrap_or_default(),
            events: view.events.join("\n"),
            secret: String::new(),
            profile: view.profile.word(),
            retry,
            schedule_seconds: schedule,
            timeout_seconds: shown(within),
            filter: view.filter.unwrap_or_default(),
            per_minute: shown(view.rate_limit.map(|limit| limit.per_minute)),
            burst: shown(view.rate_limit.map(|limit| limit.burst)),
            headers: headers.join("\n"),
            disable_on_exhausted: options
                .disable_on_exhausted
                .map(|flag| flag.to_string())
                .unwrap_or_default(),
            description: view.description.unwrap_or_default(),
            version: view.version,
            were: String::new(),
        };
        fields.were = Value::Object(fields.settings()?).to_string();
        Ok(fields)
    }

    /// As the API takes them, without tenant and secret.
    ///
    /// # Errors
    /// 422: a header is there twice.
    pub fn settings(&self) -> Result<Map<String, Value>, ApiError> {
        let settings = json!({
            "agent_id": text(&self.agent_id),
            "url": self.url.trim(),
            "events": words(&self.events).collect::<Vec<_>>(),
            "profile": text(&self.profile),
            "retry": self.retry(),
            "timeout_seconds": number(&self.timeout_seconds),
            "filter": lines(&self.filter),
            "rate_limit": rate_limit(&self.per_minute, &self.burst),
            "headers": headers(&self.headers)?,
            "disable_on_exhausted": match self.disable_on_exhausted.as_str() {
                "true" => true.into(),
                "false" => false.into(),
                other => text(other),
            },
            "description": lines(&self.description),
        });
        match settings {
            Value::Object(settings) => Ok(settings),
            _ => Ok(Map::new()),
        }
    }

    fn retry(&self) -> Value {
        match self.retry.as_str() {
            // A timeout of the schedule's own would be lost with a change of its waits.
            "own" => json!({
                "schedule_seconds": words(&self.schedule_seconds).map(number).collect::<Vec<_>>(),
                "timeout_seconds": number(&self.timeout_seconds),
            }),
            preset => text(preset),
        }
    }
}

fn joined(seconds: &[u32]) -> String {
    seconds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
