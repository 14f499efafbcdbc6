//! How long an answer asks us to wait.
//!
//! `reset_at`, which LiteLLM sends beside `retry-after`, says nothing more: both are the whole window from
//! now on, not what is left of it (measured against LiteLLM 1.106.2).

use std::time::Duration;

use chrono::DateTime;

use crate::llm::transport::Answer;

/// Longest wait that an answer can ask of us.
const MAX_WAIT: Duration = Duration::from_secs(86_400);

/// How long the proxy, else the provider, asks us to wait.
pub(super) fn retry_after(answer: &Answer) -> Option<Duration> {
    let value = answer.header("retry-after").or_else(|| answer.header("llm_provider-retry-after"))?.trim();
    let seconds = value.parse::<f64>().ok().or_else(|| {
        // A date is compared with the server's own clock, not ours: theirs may differ by more than the wait.
        let until = DateTime::parse_from_rfc2822(value).ok()?;
        let now = DateTime::parse_from_rfc2822(answer.header("date")?).ok()?;
        Some((until - now).num_seconds() as f64)
    })?;
    // Also false for NaN, which parses as a number of seconds.
    let asks = seconds > 0.0;
    asks.then(|| Duration::from_secs_f64(seconds.min(MAX_WAIT.as_secs_f64())))
}
