//! The registration of a model version: what is asked for, and what is told of it.

mod uri;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::TenantId;

pub use uri::{InvalidModelUri, ModelUri};

/// A registration, checked as far as it can be without asking MLflow.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// Whose the version will be; `None` is the platform's.
    pub tenant_id: Option<TenantId>,
    /// What is registered.
    pub model_uri: ModelUri,
    /// Under which name.
    pub model_name: String,
    /// For which token.
    pub token_id: TokenId,
    /// Which of the run's metrics is compared with the baseline.
    pub metric_name: String,
    /// What the metric has to reach; finite.
    pub baseline_value: f64,
    /// The user's own.
    pub tags: BTreeMap<String, String>,
    /// Who made it: `0x` and 40 hexadecimal digits, as given.
    pub contributor_address: Option<String>,
    /// Tells it from an earlier one that is the same in all else.
    pub idempotency_key: Option<String>,
}

/// The facts of `model.registered`, in the order in which they go out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelRegistered {
    /// Names the version: [`model_id`].
    pub model_id: String,
    /// The model's name in MLflow.
    pub name: String,
    /// The version in MLflow: digits.
    pub version: String,
    /// The run that made it; `None` if MLflow knows of none.
    pub mlflow_run_id: Option<String>,
    /// For which token.
    pub token_id: TokenId,
    /// What was compared with the baseline.
    pub metric_name: String,
    /// What it had to reach.
    pub baseline_value: f64,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contributor_address: Option<String>,
    /// MLflow's name of the run's experiment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment_name: Option<String>,
    /// The user's own.
    pub tags: BTreeMap<String, String>,
}

/// What names a version everywhere: `NAME/VERSION`, as in MLflow's `models:/NAME/VERSION`. Not the token: that is told
/// beside it, and all versions of a model have the same.
#[must_use]
pub fn model_id(name: &str, version: &str) -> String {
    format!("{name}/{version}")
}

/// Names a token: 1 to 64 characters of `A-Z 0-9 _ -`. Read in any case, kept in upper case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId(String);

/// The text is no [`TokenId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 characters of A-Z a-z 0-9 _ -")]
pub struct InvalidTokenId;

impl TokenId {
    /// The longest, in characters.
    pub const MAX_LEN: usize = 64;

    /// The token as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TokenId {
    type Error = InvalidTokenId;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if text.is_empty() || text.len() > Self::MAX_LEN || !text.bytes().all(plain) {
            return Err(InvalidTokenId);
        }
        Ok(Self(text.to_ascii_uppercase()))
    }
}

impl From<TokenId> for String {
    fn from(token: TokenId) -> Self {
        token.0
    }
}

/// Whether the text is an address on an Ethereum-like chain: `0x` and 40 hexadecimal digits, in any case (EIP-55 hides
/// a checksum in it, which is not checked).
#[must_use]
pub fn is_contributor_address(text: &str) -> bool {
    text.strip_prefix("0x").is_some_and(|hex| hex.len() == 40 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_at_their_limits() {
        let of = |text: &str| TokenId::try_from(text.to_owned()).map(String::from);
        assert_eq!(of("lscor").as_deref(), Ok("LSCOR"));
        assert_eq!(of("Token_1-x").as_deref(), Ok("TOKEN_1-X"));
        assert_eq!(of(&"x".repeat(64)).as_deref(), Ok("X".repeat(64).as_str()));
        for wrong in ["", " LSCOR", "a b", "ä", "a.b", "ß", &"x".repeat(65)] {
            assert_eq!(of(wrong), Err(InvalidTokenId), "{wrong}");
        }
    }

    #[test]
    fn addresses_have_forty_digits() {
        let address = |digits: usize| format!("0x{}", "aB".repeat(21).split_at(digits).0);
        assert!(is_contributor_address(&address(40)));
        for wrong in [&address(39), &address(41), "", "0x", "0X", &format!("0x{}", "g".repeat(40))] {
            assert!(!is_contributor_address(wrong), "{wrong}");
        }
        assert!(!is_contributor_address(&address(40).replace("0x", "0X")));
    }

    #[test]
    fn the_facts_go_out_in_their_order() {
        let facts = ModelRegistered {
            model_id: model_id("My Model", "5"),
            name: "My Model".into(),
            version: "5".into(),
            mlflow_run_id: Some("abc123".into()),
            token_id: TokenId::try_from("lscor".to_owned()).expect("a token"),
            metric_name: "accuracy".into(),
            baseline_value: 0.933,
            contributor_address: None,
            experiment_name: None,
            tags: BTreeMap::from([("environment".into(), "production".into())]),
        };
        let json = serde_json::to_string(&facts).expect("JSON");
        let wanted = r#"{"model_id":"My Model/5","name":"My Model","version":"5","mlflow_run_id":"abc123","token_id":"LSCOR","metric_name":"accuracy","baseline_value":0.933,"tags":{"environment":"production"}}"#;
        assert_eq!(json, wanted);
    }
}
