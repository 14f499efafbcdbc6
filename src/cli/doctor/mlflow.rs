//! MLflow: does it answer, and does it take the credentials?

use super::{Finding, fail, ok};
use crate::config::Settings;
use crate::registry::{Registry, RegistrySettings};

const CHECK: &str = "MLflow";

/// Nothing without one: only the registration of models needs it.
pub(super) async fn check(settings: &Settings) -> Option<Finding> {
    let mlflow = settings.outbound.mlflow.as_ref()?;
    let url = mlflow.url.as_str().trim_end_matches('/');
    let registry = Registry::new(&RegistrySettings {
        url: mlflow.url.clone(),
        token: mlflow.token.clone(),
        user: mlflow.user.clone(),
    });
    let outcome = match registry {
        Ok(registry) => registry.check().await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    Some(match outcome {
        Ok(()) => ok(CHECK, format!("{url} is up and lets us in")),
        Err(problem) => fail(CHECK, format!("{problem}: MLFLOW_TRACKING_URI is {url}")),
    })
}

#[cfg(test)]
mod tests {
    use wiremock::matchers::path;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::super::Status;
    use super::*;
    use crate::config::{OutboundArgs, SettingsArgs};

    async fn finding(url: Option<String>) -> Option<Finding> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let token = Some("planted-token".into());
        let outbound =
            OutboundArgs { mlflow_tracking_uri: url, mlflow_tracking_token: token, ..Default::default() };
        let args = SettingsArgs { outbound, ..SettingsArgs::default() };
        check(&args.resolve().expect("valid")).await
    }

    #[tokio::test]
    async fn it_is_asked_only_where_there_is_one() {
        assert!(finding(None).await.is_none());
        let down = finding(Some("http://127.0.0.1:1".into())).await.expect("a finding");
        assert_eq!(down.status, Status::Fail);
        assert!(
            down.message.contains("MLFLOW_TRACKING_URI") && !down.message.contains("planted"),
            "{down:?}"
        );
        let server = MockServer::start().await;
        let answers = path("/api/2.0/mlflow/registered-models/search");
        let up = Mock::given(answers).respond_with(ResponseTemplate::new(200).set_body_string("{}"));
        up.mount(&server).await;
        assert_eq!(finding(Some(server.uri())).await.expect("a finding").status, Status::Ok);
    }
}
