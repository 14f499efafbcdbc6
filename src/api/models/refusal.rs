//! What the API says where MLflow did not do what it was asked.

use crate::registry::RegistryError;
use crate::web::{ApiError, Code};

/// What the address in the path named is not there, or MLflow fails.
pub(super) fn of_address(error: RegistryError) -> ApiError {
    match error {
        // No version has such a name or number.
        RegistryError::NotFound | RegistryError::Invalid(_) => ApiError::not_found(),
        other => failed(other),
    }
}

/// What a field of the body says does not suit MLflow, or MLflow fails.
pub(super) fn at(pointer: &str, error: RegistryError) -> ApiError {
    match error {
        RegistryError::NotFound => ApiError::field(pointer, "names nothing that MLflow knows"),
        RegistryError::Invalid(why) => ApiError::field(pointer, format!("is refused by MLflow: {why}")),
        other => failed(other),
    }
}

/// It is nobody's fault who asks.
pub(super) fn failed(error: RegistryError) -> ApiError {
    let code = match &error {
        RegistryError::Unavailable(_) | RegistryError::NoEndpoint(_) => Code::MlflowUnavailable,
        RegistryError::Refused(_) => Code::MlflowRefused,
        RegistryError::NotFound | RegistryError::Exists | RegistryError::Invalid(_) => {
            Code::MlflowUnavailable
        }
    };
    tracing::warn!(%error, "MLflow did not do what it was asked");
    ApiError::new(code, error.to_string())
}
