//! What it means that MLflow did not do what it was asked.

/// Why there is no answer of use. Holds no credentials and no URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// It is down, overloaded, or something else answers in its place: another try may succeed.
    #[error("{0}")]
    Unavailable(String),
    /// It refuses the credentials, or this address: the operator has to act.
    #[error("{0}")]
    Refused(String),
    /// There is no such thing.
    #[error("MLflow knows no such thing")]
    NotFound,
    /// There is one already.
    #[error("MLflow has one already")]
    Exists,
    /// It takes no such value: in its own words, bounded.
    #[error("MLflow refuses it: {0}")]
    Invalid(String),
    /// This MLflow has no such question: an older one.
    #[error("this MLflow has no {0}: is MLFLOW_TRACKING_URI that of an MLflow server, without /api?")]
    NoEndpoint(&'static str),
}

/// Why no client could be built. Shows neither credentials nor URL.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The base URL cannot be used.
    #[error("MLFLOW_TRACKING_URI must be an http:// or https:// URL")]
    BaseUrl,
    /// The credentials cannot stand in a header.
    #[error("{0} holds characters that no HTTP header can carry (a line break?)")]
    Credentials(&'static str),
    /// TLS could not be set up.
    #[error("no HTTP client: {0}")]
    Http(String),
}

/// Longest words of MLflow that are repeated, in characters.
const MAX_SAID: usize = 300;

/// What MLflow said, without what could move a terminal, and not without end.
fn said(message: &str) -> String {
    message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_SAID).collect()
}

/// The meaning of an answer that is no 200: its status and, if it is MLflow's, its error.
pub(super) fn meaning(
    endpoint: &'static str,
    status: u16,
    code: Option<&str>,
    message: &str,
) -> RegistryError {
    match (status, code) {
        (401, _) => RegistryError::Refused(
            "MLflow refuses the credentials: set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and _PASSWORD"
                .into(),
        ),
        (403, _) => RegistryError::Refused(
            "MLflow forbids it (403): these credentials may not do this, or its --allowed-hosts does not name the \
             host of MLFLOW_TRACKING_URI"
                .into(),
        ),
        (500.. | 429, _) => RegistryError::Unavailable(format!("MLflow cannot answer right now (status {status})")),
        (_, Some("RESOURCE_DOES_NOT_EXIST" | "NOT_FOUND")) => RegistryError::NotFound,
        (_, Some("RESOURCE_ALREADY_EXISTS" | "ALREADY_EXISTS")) => RegistryError::Exists,
        (400, Some(_)) => RegistryError::Invalid(said(message)),
        (404 | 405, None) => RegistryError::NoEndpoint(endpoint),
        (300..=399, _) => RegistryError::Unavailable(format!(
            "MLflow answers with a redirect ({status}), which is not followed: MLFLOW_TRACKING_URI must name the server itself"
        )),
        _ => RegistryError::Unavailable(format!("MLflow answers with status {status}, which is not expected")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_means_something() {
        let of = |status, code| meaning("runs/get", status, code, "x\u{1b}[2J".repeat(200).as_str());
        assert!(matches!(of(401, None), RegistryError::Refused(_)));
        assert!(matches!(of(403, Some("PERMISSION_DENIED")), RegistryError::Refused(_)));
        assert_eq!(of(404, Some("RESOURCE_DOES_NOT_EXIST")), RegistryError::NotFound);
        assert_eq!(of(400, Some("RESOURCE_ALREADY_EXISTS")), RegistryError::Exists);
        assert_eq!(of(404, None), RegistryError::NoEndpoint("runs/get"));
        for status in [302, 400, 418, 429, 500, 503] {
            assert!(matches!(of(status, None), RegistryError::Unavailable(_)), "{status}");
        }
        // Even with an error of MLflow's own in it: it could not do it.
        assert!(matches!(of(500, Some("RESOURCE_DOES_NOT_EXIST")), RegistryError::Unavailable(_)));
        let RegistryError::Invalid(text) = of(400, Some("INVALID_PARAMETER_VALUE")) else {
            panic!("a refusal")
        };
        assert!(text.chars().count() == MAX_SAID && !text.contains('\u{1b}'), "{text}");
    }
}
