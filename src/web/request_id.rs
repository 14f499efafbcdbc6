//! `X-Request-Id`: ours on every answer, never the sender's, so that it names exactly one request.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use tracing::Instrument;
use uuid::Uuid;

use super::{ApiError, Code};
use crate::app::App;

/// The id of the request being answered.
#[derive(Clone, Copy, Debug)]
pub struct RequestId(pub Uuid);

impl FromRequest for RequestId {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
        let id = request.extensions().get::<Self>().copied();
        std::future::ready(id.ok_or_else(|| ApiError::new(Code::Internal, "the request has no id")))
    }
}

/// Gives the request its id, and every error its problem document: the one place where they are made.
pub async fn with_request_id(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    // HEAD is GET without the body (RFC 9110 §9.3.2), and actix-web leaves the body out by itself.
    if request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    let id = Uuid::now_v7();
    request.extensions_mut().insert(RequestId(id));
    let span = tracing::info_span!("request", request_id = %id);
    let mut answer = next.call(request).instrument(span).await?.map_into_boxed_body();
    if let Some(error) = answer.response().error() {
        let problem = refusal(error);
        let app = answer.request().app_data::<web::Data<App>>().cloned();
        let public_url = app.as_ref().map(|app| &app.settings.public_url);
        let kept = answer.headers_mut().remove(CACHE_CONTROL).next();
        answer = answer.into_response(problem.render(id, public_url)).map_into_boxed_body();
        if let Some(kept) = kept {
            answer.headers_mut().insert(CACHE_CONTROL, kept);
        }
    }
    let value = HeaderValue::from_str(&id.to_string()).expect("a UUID is a header value");
    answer.headers_mut().insert(HeaderName::from_static("x-request-id"), value);
    Ok(answer)
}

/// What an error says to whoever asked.
#[must_use]
pub fn refusal(error: &actix_web::Error) -> ApiError {
    match error.as_error::<ApiError>() {
        Some(error) => error.clone(),
        None => of_framework(error.as_response_error().status_code().as_u16()),
    }
}

/// The framework's own refusals, in our words.
fn of_framework(status: u16) -> ApiError {
    match status {
        404 => ApiError::not_found(),
        408 => ApiError::new(Code::RequestTimeout, "the request came too slowly"),
        413 => ApiError::new(Code::PayloadTooLarge, "the request is too large"),
        400..=499 => ApiError::new(Code::InvalidRequest, "the request cannot be read"),
        _ => {
            ApiError::new(Code::Internal, "the server failed; its log has the details under this request id")
        }
    }
}
