//! From a row's plain types to the model's.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Error, Result};

/// Reads a word of a closed list, as serde spells it. A word that is not on it was written by a newer
/// version or by hand.
pub(super) fn word<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(decode)
}

/// Writes a word of a closed list, as serde spells it.
pub(super) fn spell(word: impl Serialize) -> String {
    match serde_json::to_value(word) {
        Ok(serde_json::Value::String(text)) => text,
        other => unreachable!("closed lists are spelled as one word, not {other:?}"),
    }
}

/// Reports a column that does not hold what it should.
pub(super) fn decode(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    sqlx::Error::Decode(Box::new(error)).into()
}
