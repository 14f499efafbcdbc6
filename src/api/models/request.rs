//! What a registration's body may say.

use std::collections::BTreeMap;

use serde::Deserialize;
use utoipa::ToSchema;

use super::super::tenants;
use super::tags;
use crate::app::App;
use crate::model::{ModelUri, Registration, TenantId, TokenId, is_contributor_address};
use crate::web::{ApiError, Caller};

/// Longest name of a model, in characters: MLflow's own limit.
const MAX_NAME_CHARS: usize = 256;
/// Longest name of a metric and of a tag, in characters: MLflow's own limit.
const MAX_KEY_CHARS: usize = 250;
/// Longest value of a tag, in characters: what every MLflow that is in use takes.
const MAX_VALUE_CHARS: usize = 5000;
/// Tags of one registration, at most.
const MAX_TAGS: usize = 50;
/// Longest `idempotency_key`, in characters.
const MAX_KEY: usize = 200;

/// A registration.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ModelRegister)]
pub(super) struct Register {
    /// `runs:/RUN_ID/PATH`, `models:/NAME/VERSION` or `models:/MODEL_ID`.
    #[schema(max_length = 2000, example = "runs:/0123456789abcdef0123456789abcdef/model")]
    model_uri: String,
    /// The registered model in MLflow; it is made if there is none.
    #[schema(min_length = 1, max_length = 256)]
    model_name: String,
    /// Kept in upper case.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")]
    token_id: String,
    /// Which of the run's metrics is compared.
    #[schema(min_length = 1, max_length = 250)]
    metric_name: String,
    /// What it has to reach.
    baseline_value: f64,
    /// One's own tags, at most 50 of 5000 characters: text only. MLflow keeps them, and the event tells them.
    #[serde(default)]
    tags: Option<BTreeMap<String, String>>,
    /// Who made it.
    #[schema(pattern = "^0x[0-9A-Fa-f]{40}$")]
    contributor_address: Option<String>,
    /// Whose it is. Of an operator: its own, which is the default. Of an admin: none is the platform's.
    tenant_id: Option<TenantId>,
    /// Makes it another registration than one that is the same in all else.
    #[schema(min_length = 1, max_length = 200)]
    idempotency_key: Option<String>,
}

/// What the version's tags do not say.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ModelNotify)]
pub(super) struct Notify {
    /// Kept in upper case.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")]
    pub(super) token_id: Option<String>,
    #[schema(min_length = 1, max_length = 250)]
    pub(super) metric_name: Option<String>,
    pub(super) baseline_value: Option<f64>,
    #[schema(pattern = "^0x[0-9A-Fa-f]{40}$")]
    pub(super) contributor_address: Option<String>,
}

/// What is asked for, checked.
pub(super) async fn registration(
    app: &App,
    caller: &Caller,
    asked: Register,
) -> Result<Registration, ApiError> {
    let tenant_id = tenant(app, caller, asked.tenant_id).await?;
    let wanted = Registration {
        tenant_id,
        model_uri: asked
            .model_uri
            .parse::<ModelUri>()
            .map_err(|fault| ApiError::field("/model_uri", fault.to_string()))?,
        model_name: text("/model_name", asked.model_name, MAX_NAME_CHARS)?,
        token_id: token(asked.token_id)?,
        metric_name: text("/metric_name", asked.metric_name, MAX_KEY_CHARS)?,
        baseline_value: finite(asked.baseline_value)?,
        tags: checked_tags(asked.tags.unwrap_or_default())?,
        contributor_address: asked.contributor_address.map(address).transpose()?,
        idempotency_key: asked
            .idempotency_key
            .map(|key| text("/idempotency_key", key, MAX_KEY))
            .transpose()?,
    };
    match wanted.model_name.contains('\'') && wanted.model_name.contains('"') {
        true => Err(ApiError::field("/model_name", "must not have both ' and \": MLflow cannot look for it")),
        false => Ok(wanted),
    }
}

/// Whose it will be. Another tenant's is as one that does not exist.
async fn tenant(app: &App, caller: &Caller, asked: Option<TenantId>) -> Result<Option<TenantId>, ApiError> {
    let Some(tenant_id) = asked.or_else(|| caller.key.tenant_id.clone()) else { return Ok(None) };
    caller.sees(&tenant_id).map_err(|_| tenants::unknown())?;
    app.store.tenant(&tenant_id).await?.ok_or_else(tenants::unknown)?;
    Ok(Some(tenant_id))
}

fn text(pointer: &str, text: String, most: usize) -> Result<String, ApiError> {
    if text.trim().is_empty() || text.chars().count() > most || text.chars().any(char::is_control) {
        let message =
            format!("must have 1 to {most} characters, not only white space and no control characters");
        return Err(ApiError::field(pointer, message));
    }
    Ok(text)
}

pub(super) fn token(token: String) -> Result<TokenId, ApiError> {
    token
        .try_into()
        .map_err(|fault: crate::model::InvalidTokenId| ApiError::field("/token_id", fault.to_string()))
}

pub(super) fn metric(name: String) -> Result<String, ApiError> {
    text("/metric_name", name, MAX_KEY_CHARS)
}

pub(super) fn finite(number: f64) -> Result<f64, ApiError> {
    match number.is_finite() {
        true => Ok(number),
        false => Err(ApiError::field("/baseline_value", "must be a number within the range of a double")),
    }
}

pub(super) fn address(address: String) -> Result<String, ApiError> {
    match is_contributor_address(&address) {
        true => Ok(address),
        false => Err(ApiError::field("/contributor_address", "must be 0x and 40 hexadecimal digits")),
    }
}

fn checked_tags(tags: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, ApiError> {
    if tags.len() > MAX_TAGS {
        return Err(ApiError::field("/tags", format!("must be at most {MAX_TAGS}")));
    }
    for (key, value) in &tags {
        if tags::is_reserved(key) {
            let message = format!("must not begin with {}: those are not yours", tags::RESERVED.join(" or "));
            return Err(ApiError::field("/tags", message));
        }
        text("/tags", key.clone(), MAX_KEY_CHARS)?;
        if value.chars().count() > MAX_VALUE_CHARS {
            let message = format!("must have values of at most {MAX_VALUE_CHARS} characters");
            return Err(ApiError::field("/tags", message));
        }
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_at_their_limits() {
        let tags = |count: usize, key: usize, value: usize| {
            let pair = |n: usize| (format!("{n:0key$}"), "v".repeat(value));
            checked_tags((0..count).map(pair).collect()).is_ok()
        };
        assert!(tags(49, 249, 4999) && tags(50, 250, 5000) && tags(0, 1, 1) && tags(1, 1, 0));
        assert!(!tags(51, 2, 1) && !tags(1, 251, 1) && !tags(1, 1, 5001));
        for key in ["agenthook.tenant", "mlflow.runName", "", " ", "a\nb"] {
            assert!(checked_tags(BTreeMap::from([(key.into(), "v".into())])).is_err(), "{key:?}");
        }
    }

    #[test]
    fn texts_at_their_limits() {
        let ok = |length: usize| text("/model_name", "ä".repeat(length), MAX_NAME_CHARS).is_ok();
        assert!(!ok(0) && ok(1) && ok(255) && ok(256) && !ok(257));
        assert!(text("/x", "a\u{7}".into(), 9).is_err() && text("/x", " ".into(), 9).is_err());
    }
}
