//! The flags that say what a webhook is to be.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use crate::cli::failure::Failure;
use crate::cli::input;
use crate::model::AgentId;

const PROFILES: [&str; 5] = ["standard", "standard-webhooks", "hub", "hokusai", "mlflow"];

/// What is not given stays as it is, or is the default.
#[derive(Args)]
pub(super) struct Fields {
    /// Where to: https, or http
    #[arg(long)]
    url: Option<String>,
    /// Event types, families such as model.*, or *, comma-separated
    #[arg(long, value_name = "PATTERNS", value_delimiter = ',')]
    events: Option<Vec<String>>,
    /// Events of this agent alone
    #[arg(long, value_name = "AGENT_ID")]
    agent: Option<AgentId>,
    /// The form of what is sent; standard is the default
    #[arg(long, value_parser = PossibleValuesParser::new(PROFILES))]
    profile: Option<String>,
    /// When a failed delivery is tried again: standard, fast, hokusai, or waits in s, comma-separated
    #[arg(long, value_name = "SCHEDULE", value_parser = schedule)]
    retry: Option<Value>,
    /// How long one attempt may take, in s
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u32>,
    /// A CEL expression that says which events are sent
    #[arg(long, value_name = "CEL")]
    filter: Option<String>,
    /// Whether an exhausted delivery disables it
    #[arg(long, value_name = "BOOL")]
    disable_on_exhausted: Option<bool>,
    /// For people
    #[arg(long)]
    description: Option<String>,
    /// A file that holds the secret, 16 characters or more; `-` is standard input [default: one is made]
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// JSON with any fields of the API, such as headers and rate_limit; flags come on top. `-` is standard input
    #[arg(long, value_name = "FILE")]
    fields: Option<PathBuf>,
}

impl Fields {
    /// What was given, as the API names it.
    pub(super) fn into_json(self) -> Result<Map<String, Value>, Failure> {
        let mut body = match &self.fields {
            None => Map::new(),
            Some(path) => match input::json(path)? {
                Value::Object(fields) => fields,
                _ => return Err(Failure::Usage(format!("{} is no JSON object", path.display()))),
            },
        };
        let secret = self.secret_file.as_deref().map(input::secret).transpose()?;
        let flags = [
            ("url", self.url.map(Value::from)),
            ("events", self.events.map(Value::from)),
            ("agent_id", self.agent.map(|id| id.to_string().into())),
            ("profile", self.profile.map(Value::from)),
            ("retry", self.retry),
            ("timeout_seconds", self.timeout.map(Value::from)),
            ("filter", self.filter.map(Value::from)),
            ("disable_on_exhausted", self.disable_on_exhausted.map(Value::from)),
            ("description", self.description.map(Value::from)),
            ("secret", secret.map(|text| text.expose_secret().into())),
        ];
        body.extend(flags.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        Ok(body)
    }
}

/// A preset's word, or waits in s.
fn schedule(text: &str) -> Result<Value, String> {
    if matches!(text, "standard" | "fast" | "hokusai") {
        return Ok(text.into());
    }
    let waits = text.split(',').map(|wait| wait.trim().parse::<u32>());
    let waits = waits.collect::<Result<Vec<_>, _>>();
    let waits =
        waits.map_err(|_| "must be standard, fast, hokusai, or waits in s such as 60,300".to_owned())?;
    Ok(serde_json::json!({ "schedule_seconds": waits }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schedules_are_words_or_waits() {
        assert_eq!(schedule("fast"), Ok(json!("fast")));
        assert_eq!(schedule("60, 300"), Ok(json!({"schedule_seconds": [60, 300]})));
        assert!(schedule("slow").is_err() && schedule("1,,2").is_err() && schedule("").is_err());
    }
}
