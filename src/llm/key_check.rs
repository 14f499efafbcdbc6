//! Whether LiteLLM takes a key, asked before the key is stored: a key that was pasted wrong is better told now than by
//! the first execution that fails.

use std::time::Duration;

use reqwest::header::AUTHORIZATION;
use secrecy::SecretString;

use super::transport::Answer;
use super::{LlmClient, LlmError, PROBE_BYTES, classify, scrub, wire};
use crate::model::FallbackReason;

/// How long both questions together may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What LiteLLM says of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyStanding {
    /// It takes it.
    Valid,
    /// It takes it, and calls with it will fail all the same for now: why.
    Limited(String),
    /// It refuses it: why.
    Refused(String),
    /// It did not say: why.
    Unknown(String),
}

impl LlmClient {
    /// Asks LiteLLM about a key, with the key itself: `/key/info`, which needs the proxy's database, else
    /// `/v1/models`. Calls no model, costs nothing, and the key goes nowhere but to `LITELLM_BASE_URL`. Takes 5 s at
    /// most.
    pub async fn key_standing(&self, key: &SecretString) -> KeyStanding {
        let slow = || KeyStanding::Unknown(format!("LiteLLM did not answer within {} s", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, self.ask_about(key)).await.unwrap_or_else(|_| slow())
    }

    async fn ask_about(&self, key: &SecretString) -> KeyStanding {
        // Without a database, for its master key and for a key that may not see itself it has no answer here.
        match self.probe("key/info", key).await {
            Err(error) => return KeyStanding::Unknown(error.message),
            Ok(answer) => {
                if let Some(standing) = standing(&answer) {
                    return standing;
                }
            }
        }
        match self.probe("v1/models", key).await {
            Err(error) => KeyStanding::Unknown(error.message),
            Ok(answer) => standing(&answer)
                .unwrap_or_else(|| KeyStanding::Unknown(classify::classify(&answer, "").message)),
        }
    }

    async fn probe(&self, path: &str, key: &SecretString) -> Result<Answer, LlmError> {
        let request =
            self.transport.get(path).header(AUTHORIZATION, wire::authorization(key)?).timeout(PATIENCE);
        let mut answer = self.transport.send(request, PATIENCE, PROBE_BYTES).await?;
        scrub::forget(key, &mut answer.body);
        Ok(answer)
    }
}

/// What an answer says of the key; `None` if nothing.
fn standing(answer: &Answer) -> Option<KeyStanding> {
    if answer.status == 200 {
        // Some other server's front page is a 200 too.
        let json = serde_json::from_slice::<serde_json::Value>(&answer.body);
        return json.is_ok_and(|json| json.is_object()).then_some(KeyStanding::Valid);
    }
    let error = classify::classify(answer, "");
    match error.fallback {
        // A 403 is about this address: what a key may not see here it may do elsewhere.
        Some(FallbackReason::Rejected) if answer.status == 401 => Some(KeyStanding::Refused(error.message)),
        Some(FallbackReason::BudgetExceeded) => {
            Some(KeyStanding::Limited("its LiteLLM budget is spent".to_owned()))
        }
        Some(FallbackReason::RateLimited) => {
            Some(KeyStanding::Limited("it is over its LiteLLM rate limit right now".to_owned()))
        }
        Some(FallbackReason::Rejected | FallbackReason::Missing) | None => None,
    }
}
