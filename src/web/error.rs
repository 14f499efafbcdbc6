//! One error type for HTTP, by meaning. Every refusal outside the ingress 401 is a problem document
//! (RFC 9457) with a `code` from this closed list.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use url::Url;
use uuid::Uuid;

use crate::store;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $status:literal, $title:literal;)*) => {
        /// The stable words by which programs tell errors apart. `docs/errors/` has a page for each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// All of them, by their status.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word, the HTTP status and the title.
            #[must_use]
            pub fn parts(self) -> (&'static str, u16, &'static str) {
                match self { $(Self::$name => ($word, $status, $title),)* }
            }
        }
    };
}

codes! {
    /// The body is no JSON within the documented bounds.
    MalformedJson = "malformed_json", 400, "The body is not acceptable JSON";
    /// The body ended before its announced end.
    IncompleteBody = "incomplete_body", 400, "The body did not arrive whole";
    /// No API key, or a wrong one.
    Unauthorized = "unauthorized", 401, "A valid API key is required";
    /// A valid key, whose role does not reach so far.
    Forbidden = "forbidden", 403, "The key may not do this";
    /// The agent is paused or archived.
    AgentNotActive = "agent_not_active", 403, "The agent takes no webhooks now";
    /// There is nothing here, or nothing for this key.
    NotFound = "not_found", 404, "Not found";
    /// The path exists, the method does not.
    MethodNotAllowed = "method_not_allowed", 405, "Method not allowed";
    /// The request did not arrive in time.
    RequestTimeout = "request_timeout", 408, "The request came too slowly";
    /// The id is taken, or the thing is still in use.
    Conflict = "conflict", 409, "Conflict with what is there";
    /// No MLflow server is set up. Not 503, whose `Retry-After` would have programs wait for what only a person changes.
    MlflowNotConfigured = "mlflow_not_configured", 409, "No MLflow server is set up";
    /// Without this key nobody could get in any more.
    LastAdminKey = "last_admin_key", 409, "The last admin key stays";
    /// `If-Match` names a version that is not the present one.
    VersionMismatch = "version_mismatch", 412, "It has another version now";
    /// Over the size limit.
    PayloadTooLarge = "payload_too_large", 413, "The body is too large";
    /// A content type or encoding that is not taken.
    UnsupportedMediaType = "unsupported_media_type", 415, "Unsupported content type or encoding";
    /// A field is missing, unknown or out of bounds.
    InvalidRequest = "invalid_request", 422, "The request is not valid";
    /// The payload schema cannot be used.
    InvalidSchema = "invalid_schema", 422, "The payload schema cannot be used";
    /// The filter cannot be used.
    InvalidFilter = "invalid_filter", 422, "The filter cannot be used";
    /// The prompt template cannot be used.
    InvalidTemplate = "invalid_template", 422, "The prompt template cannot be used";
    /// The payload does not match the agent's schema.
    SchemaMismatch = "schema_mismatch", 422, "The payload does not match the schema";
    /// An event of a type that only the product itself reports.
    ReservedEventType = "reserved_event_type", 422, "Only agenthook reports such events";
    /// The run has not reached what it had to.
    BelowBaseline = "below_baseline", 422, "The metric is below the baseline";
    /// The agent does not call back there.
    CallbackNotAllowed = "callback_not_allowed", 422, "The agent does not call back there";
    /// The delivery id belongs to another body.
    IdempotencyMismatch = "idempotency_mismatch", 422, "The delivery id was used with another body";
    /// Too many wrong API keys from one address.
    TooManyRequests = "too_many_requests", 429, "Too many requests";
    /// A fault of ours.
    Internal = "internal", 500, "Internal error";
    /// MLflow is down, or something else answers in its place.
    MlflowUnavailable = "mlflow_unavailable", 502, "MLflow cannot be reached";
    /// MLflow takes neither credentials nor address.
    MlflowRefused = "mlflow_refused", 502, "MLflow refuses this server";
    /// Not now: the database is away, the server is full or about to stop.
    Unavailable = "unavailable", 503, "Not available right now";
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, Serialize)]
pub struct FieldError {
    /// JSON Pointer into the request's body, or the name of a query parameter.
    pub pointer: String,
    /// What to do about it.
    pub message: String,
}

/// A refusal, rendered by [`super::with_request_id`].
#[derive(Clone, Debug)]
pub struct ApiError {
    code: Code,
    detail: String,
    errors: Vec<serde_json::Value>,
    retry_after_s: Option<u32>,
    allow: Option<String>,
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    request_id: Uuid,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [serde_json::Value],
}

impl ApiError {
    /// A refusal with a sentence that says what to do.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), retry_after_s: None, allow: None }
    }

    /// The same with one entry per fault.
    #[must_use]
    pub fn with_errors(mut self, errors: impl IntoIterator<Item = impl Serialize>) -> Self {
        self.errors = errors.into_iter().filter_map(|error| serde_json::to_value(error).ok()).collect();
        self
    }

    /// There is no such thing, or it is somebody else's: the same answer.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "there is nothing at this address")
    }

    /// 503: come back in a moment.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self { retry_after_s: Some(2), ..Self::new(Code::Unavailable, detail) }
    }

    /// 403: the key is valid, its role does not reach so far.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(Code::Forbidden, detail)
    }

    /// 429: come back in so many seconds.
    #[must_use]
    pub fn too_many_requests(why: impl std::fmt::Display, retry_after_s: u32) -> Self {
        let detail = format!("{why}: try again in {retry_after_s} s");
        Self { retry_after_s: Some(retry_after_s), ..Self::new(Code::TooManyRequests, detail) }
    }

    /// 405 with the methods that are allowed.
    #[must_use]
    pub fn method_not_allowed(methods: &[&str]) -> Self {
        let allow = methods.join(", ").to_uppercase();
        let detail = format!("this address takes {allow}");
        Self { allow: Some(allow), ..Self::new(Code::MethodNotAllowed, detail) }
    }

    /// 422 for one field.
    #[must_use]
    pub fn field(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        let (pointer, message) = (pointer.into(), message.into());
        let detail = if pointer.is_empty() { message.clone() } else { format!("{pointer} {message}") };
        Self::new(Code::InvalidRequest, detail).with_errors([FieldError { pointer, message }])
    }

    /// The stable word.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// What to do.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// In how many seconds to come back, where that helps.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u32> {
        self.retry_after_s
    }

    /// One entry per fault.
    #[must_use]
    pub fn errors(&self) -> &[serde_json::Value] {
        &self.errors
    }

    /// One entry per fault.
    #[must_use]
    pub fn into_errors(self) -> Vec<serde_json::Value> {
        self.errors
    }

    /// The problem document. Its `type` is the address of the code's page; a relative one (RFC 9457 §3.1.1) where
    /// nobody knows the server's.
    #[must_use]
    pub fn render(&self, request_id: Uuid, public_url: Option<&Url>) -> HttpResponse {
        let (code, status, title) = self.code.parts();
        let server = public_url.map_or("", |url| url.as_str().trim_end_matches('/'));
        let problem = Problem {
            r#type: format!("{server}/errors/{code}"),
            title,
            status,
            detail: &self.detail,
            code,
            request_id,
            errors: &self.errors,
        };
        let mut answer = HttpResponse::build(self.status_code());
        answer.content_type("application/problem+json");
        if let Some(seconds) = self.retry_after_s {
            answer.insert_header((RETRY_AFTER, seconds));
        }
        if self.code == Code::Unauthorized {
            answer.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        if let Some(allow) = &self.allow {
            answer.insert_header((ALLOW, allow.as_str()));
        }
        answer.json(problem)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.parts().0, self.detail)
    }
}

impl std::error::Error for ApiError {}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code.parts().1).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Unavailable(source) => {
                tracing::warn!(error = %source, "the database is not available");
                Self::unavailable("the database is not available; try again in a moment")
            }
            store::Error::Conflict => Self::new(
                Code::Conflict,
                "somebody else made or changed this at the same time; read it again",
            ),
            store::Error::Fault(source) => {
                tracing::error!(error = %source, "database fault");
                Self::new(Code::Internal, "the server failed; its log has the details under this request id")
            }
        }
    }
}
