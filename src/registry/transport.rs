//! The HTTP connection to MLflow: one request, one bounded answer, read as JSON.

use std::error::Error as _;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response, redirect};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::error::meaning;
use super::wire::Refusal;
use super::{RegistryError, RegistrySettings, SetupError};

/// How long one request and its answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest answer that is read, in bytes: a run with thousands of metrics is one.
const MAX_ANSWER_BYTES: usize = 8 << 20;

pub(super) struct Transport {
    http: Client,
    /// Ends in `/api/2.0/mlflow/`.
    base: Url,
    credentials: Option<HeaderValue>,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport").field("host", &self.base.host_str()).finish_non_exhaustive()
    }
}

impl Transport {
    pub(super) fn new(settings: &RegistrySettings) -> Result<Self, SetupError> {
        let http = Client::builder()
            .user_agent(concat!("agenthook/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            // A version that is made twice would be two.
            .retry(reqwest::retry::never())
            .connect_timeout(Duration::from_secs(5))
            .timeout(PATIENCE)
            .http1_only()
            // Under the 5 s after which uvicorn, which MLflow runs on, closes an idle connection.
            .pool_idle_timeout(Duration::from_secs(4))
            .build()
            .map_err(|error| SetupError::Http(root_cause(&error)))?;
        let mut base = settings.url.clone();
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err(SetupError::BaseUrl);
        }
        base.set_path(&format!("{}/api/2.0/mlflow/", base.path().trim_end_matches('/')));
        Ok(Self { http, base, credentials: credentials(settings)? })
    }

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        endpoint: &'static str,
        query: &[(&str, &str)],
    ) -> Result<T, RegistryError> {
        self.send(endpoint, self.request(Method::GET, endpoint).query(query)).await
    }

    /// The same of something that has an address of its own.
    pub(super) async fn get_one<T: DeserializeOwned>(
        &self,
        endpoint: &'static str,
        id: &str,
    ) -> Result<T, RegistryError> {
        let mut url = self.url(endpoint);
        if let Ok(mut steps) = url.path_segments_mut() {
            steps.pop_if_empty().push(id);
        }
        self.send(endpoint, self.authorized(self.http.get(url))).await
    }

    pub(super) async fn write<T: DeserializeOwned>(
        &self,
        method: Method,
        endpoint: &'static str,
        body: &impl Serialize,
    ) -> Result<T, RegistryError> {
        self.send(endpoint, self.request(method, endpoint).json(body)).await
    }

    fn url(&self, endpoint: &str) -> Url {
        self.base.join(endpoint).expect("a fixed relative path joins every http URL")
    }

    fn request(&self, method: Method, endpoint: &str) -> RequestBuilder {
        self.authorized(self.http.request(method, self.url(endpoint)))
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.credentials {
            Some(credentials) => request.header(AUTHORIZATION, credentials),
            None => request,
        }
    }

    async fn send<T: DeserializeOwned>(
        &self,
        endpoint: &'static str,
        request: RequestBuilder,
    ) -> Result<T, RegistryError> {
        let mut response = request.send().await.map_err(|error| failure(&error))?;
        let status = response.status().as_u16();
        let body = read(&mut response).await?;
        if status == 200 {
            return serde_json::from_slice(&body).map_err(|_| {
                RegistryError::Unavailable(format!(
                    "what answers to {endpoint} is not MLflow: is MLFLOW_TRACKING_URI right?"
                ))
            });
        }
        let Refusal { error_code, message } = serde_json::from_slice(&body).unwrap_or_default();
        let error = meaning(endpoint, status, error_code.as_deref(), &message);
        tracing::debug!(endpoint, status, error_code, "MLflow refuses");
        Err(error)
    }
}

/// The header that says who asks. MLflow's own client takes user and password before a token, too.
fn credentials(settings: &RegistrySettings) -> Result<Option<HeaderValue>, SetupError> {
    let (setting, text) = match (&settings.user, &settings.token) {
        (Some((name, password)), _) => {
            let pair = STANDARD.encode(format!("{name}:{}", password.expose_secret()));
            ("MLFLOW_TRACKING_PASSWORD", format!("Basic {pair}"))
        }
        (None, Some(token)) => ("MLFLOW_TRACKING_TOKEN", format!("Bearer {}", token.expose_secret().trim())),
        (None, None) => return Ok(None),
    };
    let mut value = HeaderValue::from_str(&text).map_err(|_| SetupError::Credentials(setting))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// Reads the answer whole, judging while reading: a length header is only a promise.
async fn read(response: &mut Response) -> Result<Vec<u8>, RegistryError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
        if chunk.len() > MAX_ANSWER_BYTES - body.len() {
            let text = format!("MLflow's answer is longer than the {MAX_ANSWER_BYTES} bytes that are read");
            return Err(RegistryError::Unavailable(text));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// No answer, or half of one.
fn failure(error: &reqwest::Error) -> RegistryError {
    RegistryError::Unavailable(if error.is_connect() {
        format!("MLflow cannot be reached: {}", root_cause(error))
    } else if error.is_timeout() {
        format!("MLflow did not answer within {} s", PATIENCE.as_secs())
    } else {
        format!("the connection to MLflow broke: {}", root_cause(error))
    })
}

/// The innermost cause. The outer layers name the URL, which is the operator's business.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    if error.source().is_none() {
        return "the request could not be made".to_owned();
    }
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> RegistrySettings {
        // A client needs the process's TLS provider, which main installs; another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        RegistrySettings { url: "https://h/mlflow".parse().expect("a URL"), token: None, user: None }
    }

    #[test]
    fn the_server_may_live_below_a_path() {
        let transport = Transport::new(&settings()).expect("a client");
        assert_eq!(transport.url("runs/get").as_str(), "https://h/mlflow/api/2.0/mlflow/runs/get");
    }

    #[test]
    fn user_and_password_win_and_nothing_of_them_is_printed() {
        let both = RegistrySettings {
            token: Some("planted-token".into()),
            user: Some(("me".into(), "planted".into())),
            ..settings()
        };
        let transport = Transport::new(&both).expect("a client");
        let header = transport.credentials.clone().expect("credentials");
        assert_eq!(header.to_str().ok(), Some("Basic bWU6cGxhbnRlZA=="));
        let printed = format!("{transport:?} {header:?} {both:?}");
        assert!(!printed.contains("planted") && !printed.contains("bWU6"), "{printed}");
        let token = RegistrySettings { user: None, ..both };
        let header = Transport::new(&token).expect("a client").credentials.expect("credentials");
        assert_eq!(header.to_str().ok(), Some("Bearer planted-token"));
        let broken = RegistrySettings { token: Some("planted\nx".into()), ..token };
        let error = Transport::new(&broken).expect_err("a line break");
        assert!(!format!("{error} {error:?}").contains("planted"));
    }
}
