//! The HTTP connection to the proxy: one request, one bounded answer.
//!
//! Nothing of a payload or an answer can send the call elsewhere: no redirects, no proxy from the
//! environment, no URL but the configured one.

use std::error::Error as _;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, Response, redirect};
use url::Url;

use super::error::{LlmError, SetupError};
use super::scrub;
use crate::model::ErrorCode;

/// How much of an error's body is read: LiteLLM's errors are short, and their status says the most.
const ERROR_BYTES: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Transport {
    http: Client,
    /// Ends in `/`, so that joining keeps a path prefix.
    base: Url,
}

/// An answer that was read as far as it matters.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// A header as text; hostile bytes make it absent.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The proxy's id of the call. What is no short printable text is no id.
    pub(super) fn call_id(&self) -> Option<String> {
        let id = self.header("x-litellm-call-id")?;
        ((1..=200).contains(&id.len())).then(|| id.to_owned())
    }
}

impl Transport {
    pub(super) fn new(base_url: &Url) -> Result<Self, SetupError> {
        let http = Client::builder()
            .user_agent(concat!("agenthook/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            // One `complete` is one call: repeating is the worker's, which writes a row for it.
            .retry(reqwest::retry::never())
            .connect_timeout(Duration::from_secs(5))
            // Over HTTP/2 all calls would share one connection, and a usual load balancer lets 100 or
            // so streams through it; thousands of calls in flight need thousands of connections.
            .http1_only()
            .pool_max_idle_per_host(usize::MAX)
            // Under the 5 s after which uvicorn (and so LiteLLM) closes an idle connection: a request
            // that meets the closing is lost without a trace and must be taken for a failed call.
            .pool_idle_timeout(Duration::from_secs(4))
            .build()
            .map_err(|e| SetupError::Http(root_cause(&e)))?;
        Ok(Self { http, base: directory(base_url)? })
    }

    pub(super) fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(self.url(path))
    }

    pub(super) fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(self.url(path))
    }

    fn url(&self, path: &str) -> Url {
        self.base.join(path).expect("a fixed relative path joins every http URL")
    }

    /// Sends it and reads the answer: a 200 whole or not at all, anything else as far as it goes.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        timeout: Duration,
        limit: usize,
    ) -> Result<Answer, LlmError> {
        let failed = |error: &reqwest::Error| failure(error, timeout);
        let mut response = request.send().await.map_err(|e| failed(&e))?;
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let answer = |body| Answer { status, headers, body };
        if status != 200 {
            return Ok(answer(read(&mut response, ERROR_BYTES).await.0));
        }
        let (body, end) = read(&mut response, limit).await;
        let answer = answer(body);
        let error = match end {
            End::Whole => return Ok(answer),
            End::Broken(error) => failed(&error),
            End::TooLong => LlmError::new(
                ErrorCode::LlmInvalidResponse,
                false,
                format!("the answer is longer than the {limit} bytes that are taken: lower max_tokens"),
            ),
        };
        Err(LlmError { call_id: answer.call_id(), ..error.at(status) })
    }
}

enum End {
    Whole,
    TooLong,
    Broken(reqwest::Error),
}

/// Reads up to `limit` bytes, judging while reading: a length header is only a promise.
async fn read(response: &mut Response, limit: usize) -> (Vec<u8>, End) {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if chunk.len() > limit - body.len() => {
                body.extend_from_slice(&chunk[..limit - body.len()]);
                return (body, End::TooLong);
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return (body, End::Whole),
            Err(error) => return (body, End::Broken(error)),
        }
    }
}

/// The base URL as a directory that paths can be joined to.
fn directory(base_url: &Url) -> Result<Url, SetupError> {
    if !matches!(base_url.scheme(), "http" | "https") || base_url.host().is_none() {
        return Err(SetupError::BaseUrl("must be an http:// or https:// URL"));
    }
    if !base_url.username().is_empty() || base_url.password().is_some() {
        return Err(SetupError::BaseUrl("must hold no user and password: the key goes in a header"));
    }
    if base_url.query().is_some() || base_url.fragment().is_some() {
        return Err(SetupError::BaseUrl("must have no query and no fragment"));
    }
    let mut base = base_url.clone();
    let path = base.path().trim_end_matches('/');
    let path = format!("{}/", path.strip_suffix("/v1").unwrap_or(path));
    base.set_path(&path);
    Ok(base)
}

/// No answer, or half of one.
fn failure(error: &reqwest::Error, timeout: Duration) -> LlmError {
    let unavailable = |what: &str| {
        let message = format!("{what}: {}", scrub::clean(&root_cause(error)));
        LlmError::new(ErrorCode::LlmUnavailable, true, message)
    };
    if error.is_connect() {
        // Asked first: a connection that takes too long is a proxy that is not there, not a slow model.
        unavailable("the LiteLLM proxy cannot be reached")
    } else if error.is_timeout() {
        let message = format!("no answer within the {} s that this call had", timeout.as_secs_f64());
        LlmError::new(ErrorCode::LlmTimeout, true, message)
    } else {
        unavailable("the connection to the LiteLLM proxy broke before the whole answer was here")
    }
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
