//! Refusals as pages, for whoever reads HTML: what is wrong, and what to do.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::ACCEPT;
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use askama::Template;
use url::form_urlencoded;
use uuid::Uuid;

use super::answer::{page_with, see};
use super::frame::{Frame, Who};
use super::session::{SignInFirst, SignedIn};
use crate::app::App;
use crate::web::{RequestId, refusal};

#[derive(Template)]
#[template(path = "refusal.html")]
struct RefusalPage {
    frame: Frame,
    code: &'static str,
    title: &'static str,
    detail: String,
    /// Where to go on.
    back: String,
    /// For the server's log, where the fault is the server's.
    request_id: Option<Uuid>,
}

/// Shows refusals as pages, and the door to whoever is not signed in. Goes inside of what makes problem documents of
/// refusals: programs, and all below `/api/`, get those.
///
/// # Errors
/// Those of the handler.
pub async fn with_refusals_as_pages(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let answer = next.call(request).await?.map_into_boxed_body();
    let page = answer.response().error().and_then(|error| instead(answer.request(), error));
    Ok(match page {
        Some(page) => answer.into_response(page),
        None => answer,
    })
}

fn instead(request: &HttpRequest, error: &actix_web::Error) -> Option<HttpResponse> {
    let app = request.app_data::<web::Data<App>>()?;
    if error.as_error::<SignInFirst>().is_some() {
        return Some(see(app, &sign_in_path(request)));
    }
    if !reads_html(request) {
        return None;
    }
    let refused = refusal(error);
    let (code, _, title) = refused.code().parts();
    let mut frame = Frame::bare(app, title);
    frame.who = request.extensions().get::<SignedIn>().map(Who::of);
    let request_id = request.extensions().get::<RequestId>().map(|id| id.0);
    let page = RefusalPage {
        code,
        title,
        detail: refused.detail().to_owned(),
        back: back(request),
        request_id: request_id.filter(|_| refused.status_code().is_server_error()),
        frame,
    };
    page_with(refused.status_code(), &page).ok()
}

/// Whether whoever asks is shown pages.
fn reads_html(request: &HttpRequest) -> bool {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    // As routes see it: what is escaped in it is not any more.
    let path = request.match_info().as_str();
    accept.contains("text/html") && !path.starts_with("/api/") && !path.starts_with("/webhook/")
}

/// To the door, and from there to the page that was asked for.
fn sign_in_path(request: &HttpRequest) -> String {
    if request.method() != Method::GET || request.path() == "/" {
        return "/sign-in".to_owned();
    }
    let asked = request.uri().path_and_query().map_or("/", |asked| asked.as_str());
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("next", asked).finish();
    format!("/sign-in?{query}")
}

/// From a button to the page that it is on, else to the first page.
fn back(request: &HttpRequest) -> String {
    let page = request.path().rsplit_once('/').map(|(page, _)| page);
    page.filter(|page| request.method() == Method::POST && !page.is_empty()).unwrap_or("/").to_owned()
}
