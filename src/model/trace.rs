//! What one LLM call took and gave.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ExecutionError, KeySource, Time};

/// One LLM call. Its row is written before the call, so that a call that kills us is still known.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// 1 for the first; goes on over all runs.
    pub number: i32,
    /// The run that it belongs to.
    pub run: i32,
    /// Just before the call.
    pub started_at: Time,
    /// `None` while the call is out.
    pub finished_at: Option<Time>,
    /// Who pays.
    pub key_source: KeySource,
    /// HTTP status of LiteLLM's answer; `None` if there was none.
    pub status_code: Option<i32>,
    /// Why it failed.
    pub error: Option<ExecutionError>,
    /// Tokens, where LiteLLM reported them.
    pub usage: Option<Usage>,
    /// Cost, where LiteLLM reported it.
    pub cost: Option<Cost>,
    /// Our id of the call, which LiteLLM's spend log carries too.
    pub llm_call_id: String,
    /// The model that answered (after a fallback in LiteLLM not the one asked), else the one asked.
    pub model: String,
}

/// Tokens as LiteLLM counts them: cached ones are part of the prompt, reasoning ones of the completion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs, reason = "the vendor's own names")]
pub struct Usage {
    #[schema(minimum = 0)]
    pub prompt_tokens: i64,
    #[schema(minimum = 0)]
    pub completion_tokens: i64,
    #[schema(minimum = 0)]
    pub total_tokens: i64,
    #[schema(minimum = 0)]
    pub cached_tokens: i64,
    #[schema(minimum = 0)]
    pub reasoning_tokens: i64,
}

impl std::ops::Add for Usage {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            prompt_tokens: self.prompt_tokens.saturating_add(other.prompt_tokens),
            completion_tokens: self.completion_tokens.saturating_add(other.completion_tokens),
            total_tokens: self.total_tokens.saturating_add(other.total_tokens),
            cached_tokens: self.cached_tokens.saturating_add(other.cached_tokens),
            reasoning_tokens: self.reasoning_tokens.saturating_add(other.reasoning_tokens),
        }
    }
}

/// Money in nano-dollars: whole numbers, so that sums are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost(pub i64);

impl Cost {
    /// From dollars; `None` for what is no amount.
    #[must_use]
    pub fn from_usd(usd: f64) -> Option<Self> {
        let nanos = (usd * 1e9).round();
        (nanos.is_finite() && (0.0..9e18).contains(&nanos)).then_some(Self(nanos as i64))
    }

    /// In dollars, nine decimals kept.
    #[must_use]
    pub fn usd(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_keep_nine_decimals() {
        assert_eq!(Cost::from_usd(1.33e-5).map(Cost::usd), Some(0.000_013_3));
        assert_eq!(Cost::from_usd(2.832e-4), Some(Cost(283_200)));
        for none in [f64::NAN, f64::INFINITY, -0.1, 1e300] {
            assert_eq!(Cost::from_usd(none), None);
        }
    }
}
