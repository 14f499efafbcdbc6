//! The flags of limits, a tenant's and an agent's, and how limits are shown.

use clap::Args;
use serde_json::{Value, json};

use super::output::field;
use crate::model::{MAX_CONCURRENCY, RateLimit};

/// How much is taken, and how much runs at once.
#[derive(Args)]
pub(super) struct LimitArgs {
    /// Webhooks that are taken in the long run, as in 600/min; further ones get 429
    #[arg(long, value_name = "N/min", value_parser = per_minute, requires = "burst", help_heading = "Limits")]
    rate: Option<u32>,
    /// Webhooks that are taken at once, after a pause
    #[arg(long, value_name = "N", value_parser = count, requires = "rate", help_heading = "Limits")]
    burst: Option<u32>,
    /// Take any number of webhooks
    #[arg(long, conflicts_with = "rate", help_heading = "Limits")]
    no_rate: bool,
    /// Executions that run at once; further ones wait
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_CONCURRENCY)),
        help_heading = "Limits")]
    concurrency: Option<u32>,
    /// Run any number at once
    #[arg(long, conflicts_with = "concurrency", help_heading = "Limits")]
    no_concurrency: bool,
}

impl LimitArgs {
    /// What was given, as the API names it.
    pub(super) fn fields(&self) -> [(&'static str, Option<Value>); 2] {
        let rate = self.rate.zip(self.burst);
        let rate = rate.map(|(per_minute, burst)| json!({"per_minute": per_minute, "burst": burst}));
        let no_rate = self.no_rate.then_some(Value::Null);
        let no_concurrency = self.no_concurrency.then_some(Value::Null);
        [
            ("rate_limit", rate.or(no_rate)),
            ("concurrency", self.concurrency.map(Value::from).or(no_concurrency)),
        ]
    }
}

/// `600/min`, or the number alone.
fn per_minute(text: &str) -> Result<u32, String> {
    count(text.strip_suffix("/min").unwrap_or(text)).map_err(|fault| format!("{fault}, as in 600/min"))
}

fn count(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (1..=RateLimit::MAX).contains(number));
    number.ok_or_else(|| format!("must be a number between 1 and {}", RateLimit::MAX))
}

/// A rate limit for people.
pub(super) fn rate(of: &Value, pointer: &str) -> String {
    match of.pointer(pointer) {
        Some(limit) if limit.is_object() => {
            format!("{}/min, {} at once", field(limit, "/per_minute"), field(limit, "/burst"))
        }
        _ => "any".to_owned(),
    }
}

/// How many run at once, for people.
pub(super) fn concurrency(of: &Value, pointer: &str) -> String {
    match of.pointer(pointer) {
        Some(Value::Number(most)) => most.to_string(),
        _ => "any".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        limits: LimitArgs,
    }

    fn fields(flags: &[&str]) -> Option<Value> {
        let fields = Flags::try_parse_from([&["x"], flags].concat()).ok()?.limits.fields();
        Some(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
    }

    #[test]
    fn limits_are_set_and_lifted_and_otherwise_stay() {
        assert_eq!(fields(&[]), Some(json!({})));
        let both = json!({"rate_limit": {"per_minute": 600, "burst": 100}});
        assert_eq!(fields(&["--rate", "600/min", "--burst", "100"]), Some(both.clone()));
        assert_eq!(fields(&["--rate", "600", "--burst", "100"]), Some(both));
        let lifted = json!({"rate_limit": null, "concurrency": null});
        assert_eq!(fields(&["--no-rate", "--no-concurrency"]), Some(lifted));
    }

    #[test]
    fn limits_have_limits() {
        for (flags, fine) in [
            (["--rate=0/min", "--burst=1"], false),
            (["--rate=1/min", "--burst=1"], true),
            (["--rate=1000000/min", "--burst=1000000"], true),
            (["--rate=1000001/min", "--burst=1"], false),
            (["--rate=1/min", "--burst=1000001"], false),
            (["--rate=10/s", "--burst=1"], false),
            (["--rate=10/min", "--no-rate"], false),
            (["--concurrency=0", "--no-rate"], false),
            (["--concurrency=1", "--no-rate"], true),
            (["--concurrency=10000", "--no-rate"], true),
            (["--concurrency=10001", "--no-rate"], false),
        ] {
            assert_eq!(fields(&flags).is_some(), fine, "{flags:?}");
        }
        assert!(fields(&["--rate", "1/min"]).is_none() && fields(&["--burst", "1"]).is_none());
    }

    #[test]
    fn limits_are_shown_in_one_cell() {
        let tenant = json!({"rate_limit": {"per_minute": 600, "burst": 100}, "concurrency": 3});
        assert_eq!(rate(&tenant, "/rate_limit"), "600/min, 100 at once");
        assert_eq!(concurrency(&tenant, "/concurrency"), "3");
        assert_eq!(
            (rate(&json!({}), "/r"), concurrency(&json!({"c": null}), "/c")),
            ("any".into(), "any".into())
        );
    }
}
