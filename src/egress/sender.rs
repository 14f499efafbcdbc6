//! Sends a request, and reads the beginning of the answer.

use std::error::Error as _;
use std::time::{Duration, Instant};

use chrono::DateTime;
use reqwest::header::HeaderMap;
use reqwest::{Client, Response, redirect};
use secrecy::ExposeSecret;

use super::guard::{Refused, Unresolved};
use super::{Guard, SignedRequest, TargetFault};
use crate::model::{DeliveryError, DeliveryErrorCode};

/// How much of an answer is read, in bytes.
pub const ANSWER_BYTES: usize = 4096;
/// Longest wait that a receiver can ask for.
const MAX_WAIT: Duration = Duration::from_secs(86_400);

/// Sends signed requests; cheap to clone.
#[derive(Clone)]
pub struct Sender {
    guard: Guard,
    http: Client,
}

/// The client cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SenderFault(String);

/// What came of an attempt. Whether its status is a good one is for the caller to say.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was answered, if anything was.
    pub status: Option<u16>,
    /// Its first [`ANSWER_BYTES`].
    pub body: Vec<u8>,
    /// How long the receiver wants to be left alone.
    pub retry_after: Option<Duration>,
    /// How long it took.
    pub took: Duration,
    /// Why there is no status.
    pub error: Option<DeliveryError>,
}

impl Sender {
    /// A client that connects to nothing that the guard refuses.
    ///
    /// # Errors
    /// The client cannot be made.
    pub fn new(guard: Guard) -> Result<Self, SenderFault> {
        let http = Client::builder()
            // What is allowed is up to the guard, and a proxy would resolve names by itself.
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            // An attempt is one request: repeating is the schedule's.
            .retry(reqwest::retry::never())
            .dns_resolver(guard.clone())
            .http1_only()
            .pool_idle_timeout(Duration::from_secs(4))
            .pool_max_idle_per_host(64)
            .build()
            .map_err(|error| SenderFault(root_cause(&error)))?;
        Ok(Self { guard, http })
    }

    /// What checks targets.
    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Sends it. Returns within the timeout, and a moment.
    pub async fn send(&self, request: &SignedRequest, timeout: Duration) -> Answer {
        let began = Instant::now();
        let outcome = match self.prepare(request) {
            Ok(prepared) => match tokio::time::timeout(timeout, exchange(prepared)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(error(
                    DeliveryErrorCode::Timeout,
                    format!("no whole answer within {} s", timeout.as_secs_f64()),
                )),
            },
            Err(fault) => Err(fault),
        };
        let took = began.elapsed();
        match outcome {
            Ok((status, retry_after, body)) => {
                Answer { status: Some(status), body, retry_after, took, error: None }
            }
            Err(error) => {
                Answer { status: None, body: Vec::new(), retry_after: None, took, error: Some(error) }
            }
        }
    }

    fn prepare(&self, request: &SignedRequest) -> Result<reqwest::RequestBuilder, DeliveryError> {
        // An address is asked of nobody when it is connected to.
        let url = self.guard.parse(request.url.expose_secret()).map_err(|fault| match fault {
            TargetFault::Private => refused(),
            TargetFault::Form(message) => error(DeliveryErrorCode::Unsendable, format!("the URL {message}")),
        })?;
        let mut prepared = self.http.post(url).body(request.body.clone());
        for header in &request.headers {
            prepared = prepared.header(&header.name, header.value.expose_secret());
        }
        Ok(prepared)
    }
}

type Exchange = Result<(u16, Option<Duration>, Vec<u8>), DeliveryError>;

async fn exchange(request: reqwest::RequestBuilder) -> Exchange {
    let mut response = request.send().await.map_err(|error| failure(&error))?;
    let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
    let body = beginning(&mut response).await.map_err(|error| failure(&error))?;
    Ok((status, retry_after, body))
}

/// Reads as much as is kept. What comes after that is never read: dropping the response ends the connection.
async fn beginning(response: &mut Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while body.len() < ANSWER_BYTES
        && let Some(chunk) = response.chunk().await?
    {
        let room = ANSWER_BYTES - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    Ok(body)
}

/// `Retry-After` (RFC 9110, 10.2.3): seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let value = text("retry-after")?;
    let seconds = value.parse::<u64>().ok().or_else(|| {
        // A date is compared with the receiver's own clock, which may differ from ours by more than the wait.
        let until = DateTime::parse_from_rfc2822(value).ok()?;
        let now = DateTime::parse_from_rfc2822(text("date")?).ok()?;
        u64::try_from((until - now).num_seconds()).ok()
    })?;
    Some(Duration::from_secs(seconds).min(MAX_WAIT))
}

fn refused() -> DeliveryError {
    let message = "the target leads to a private address, which AGENTHOOK_EGRESS_ALLOW does not name";
    error(DeliveryErrorCode::RefusedAddress, message.into())
}

fn error(code: DeliveryErrorCode, message: String) -> DeliveryError {
    DeliveryError { code, message }
}

/// No answer, or half of one. The message names no URL.
fn failure(cause: &reqwest::Error) -> DeliveryError {
    if any(cause, |cause| cause.is::<Refused>()) {
        return refused();
    }
    if any(cause, |cause| cause.is::<Unresolved>()) {
        return error(DeliveryErrorCode::Dns, "the host's name does not resolve".into());
    }
    if any(cause, |cause| cause.is::<rustls::Error>()) {
        return error(
            DeliveryErrorCode::Tls,
            format!("no trust could be established: {}", root_cause(cause)),
        );
    }
    if cause.is_connect() {
        return error(DeliveryErrorCode::Connect, format!("no connection: {}", root_cause(cause)));
    }
    if cause.is_builder() {
        return error(DeliveryErrorCode::Unsendable, "the request cannot be made".into());
    }
    if any(cause, broke) {
        let message = format!("the connection broke before the answer was whole: {}", root_cause(cause));
        return error(DeliveryErrorCode::Connect, message);
    }
    error(DeliveryErrorCode::InvalidResponse, format!("no HTTP answer: {}", root_cause(cause)))
}

/// Whether this says that the receiver, or something between, has closed or reset the connection. Which of these it is
/// depends on how far hyper was when it noticed: writing, waiting, reading or shutting down its own side.
fn broke(cause: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    let closed = cause.downcast_ref::<hyper::Error>().is_some_and(|error| {
        error.is_incomplete_message() || error.is_canceled() || error.is_closed() || error.is_shutdown()
    });
    let io = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    let gone = [BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof];
    closed || io.is_some_and(|kind| gone.contains(&kind))
}

/// Whether one of the causes is of this kind.
fn any(error: &reqwest::Error, is: impl Fn(&(dyn std::error::Error + 'static)) -> bool) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if is(inner) {
            return true;
        }
        // What is wrapped into an I/O error, be it twice, is no source of it: it passes for its own.
        let wrapped = inner.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = wrapped.map(|wrapped| wrapped as _).or_else(|| inner.source());
    }
    false
}

/// The innermost cause. The outer layers name the URL.
fn root_cause(error: &reqwest::Error) -> String {
    let Some(mut cause) = error.source() else { return "the connection broke".into() };
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = cause.to_string();
    text.chars().take(200).collect()
}
